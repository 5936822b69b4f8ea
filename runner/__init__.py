"""A Hydra-configured ablation sweep runner for DeZero.

`from runner import Model, F, L` gives DeZero's base class for models, its functions and its layers,
repaired; `runner.load` gives a trained model. In a notebook or a script `runner.sweep` trains a
sweep, and `runner.open` opens one that is trained.
"""

from typing import Any

from runner.system import dezero_import

dezero_import.repair()

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # DeZero is imported by whoever asks for it, and not by every command.
    if name in ("Model", "F", "L"):
        from runner.engine import dezero

        return getattr(dezero, name)
    if name == "load":
        from runner.export.trained import load

        return load
    if name in ("open", "sweep"):
        from runner import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
