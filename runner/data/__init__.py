"""Data sets: what they are (catalogue), how they are read (idx, embedded, download), and what is kept (loading)."""
