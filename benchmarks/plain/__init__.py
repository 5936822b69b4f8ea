"""The peer of the chaos harness: the same training in a plain Hydra and MLflow script."""
