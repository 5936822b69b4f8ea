"""Which cells a sweep has, and which of them can be compared."""
