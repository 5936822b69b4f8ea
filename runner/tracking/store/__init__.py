"""Where a tracking store is, which MLflow it is of, and how it is opened."""
