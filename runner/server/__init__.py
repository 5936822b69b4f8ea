"""MLflow's server on this machine's loopback address, with a database of its own."""
