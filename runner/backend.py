"""The former place of `from runner import Model, F, L`, for models that were written for it."""

from runner.engine.dezero import F, L, Model  # noqa: F401
