"""A Hydra-configured ablation sweep runner for DeZero."""

__version__ = "0.1.0"
