"""Arithmetic on one number per seed: intervals, p values, bands over the epochs, sample sizes."""
