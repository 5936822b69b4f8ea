"""What is on disk under the root: every path, the journals, the checkpoints."""
