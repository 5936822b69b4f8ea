"""Which cells a sweep has: all of the grid, each knob alone, a fraction."""
