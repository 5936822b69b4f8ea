"""Arithmetic on one number per seed: intervals, p values, bands over the epochs, and how many seeds it takes."""
