"""What the runs of a plan need: memory, from the layers of their networks, and workers."""
