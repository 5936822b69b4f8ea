"""A trained model, taken out: loaded to predict with, or written as an MLflow model."""
