"""From overrides to a plan: the cells, the identity of each run, and the file that workers read."""
