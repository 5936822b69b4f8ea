"""From the runs of a sweep to its verdicts."""
