"""Comparisons in which each side has its own best level of the knobs that are not asked about."""
