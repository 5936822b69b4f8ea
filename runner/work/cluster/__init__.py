"""Workers that a cluster owns: it starts them as tasks, and again where a host died."""
