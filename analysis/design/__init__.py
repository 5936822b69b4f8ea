"""The cells of a sweep, and which of them can be compared."""
