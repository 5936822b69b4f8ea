"""Data sets: what they are (catalogue), how they are read (idx, download, embedded), and how they
are checked and kept (loading)."""
