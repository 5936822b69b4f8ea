"""The data sets: found, checked, kept."""
