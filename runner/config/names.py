"""Names that a configuration may choose by, where the table behind them imports DeZero or Numba.

A command is checked with these alone, and at once; tests/engine/test_tables.py holds them against
the tables.
"""

from collections.abc import Iterable

from runner.errors import ConfigError

#: What `engine.name` may be: the table `ENGINES` of runner/engine/__init__.py.
ENGINES = ("fast", "stock")


def refused_optimizer(name: str, engine: str, known: Iterable[str]) -> ConfigError:
    """The error for an optimizer that an engine does not have."""
    return ConfigError(
        f"optimizer.name={name}: allowed with engine={engine} is one of {', '.join(known)}"
    )
