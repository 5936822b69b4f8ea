"""Several threads for a run that has more cores than one."""
