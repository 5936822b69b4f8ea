"""Names that a configuration may choose by, where the table behind them imports DeZero or Numba.

A command is checked with these alone, and at once; tests/engine/test_tables.py holds them against
the tables.
"""

from collections.abc import Iterable

from runner.errors import ConfigError

#: What `engine.name` may be: the table `ENGINES` of runner/engine/__init__.py.
ENGINES = ("fast", "stock")

#: What `optimizer.name` may be, and the engines with it in their table `OPTIMIZERS`
#: (runner/engine/flat.py, stock.py).
OPTIMIZERS: dict[str, tuple[str, ...]] = {
    "adam": ("fast", "stock"),
    "sgd": ("fast", "stock"),
    "momentum": ("fast", "stock"),
}


def check_optimizer(name: str, engine: str) -> None:
    """Refuse an optimizer that the engine does not have.

    Raises
    ------
    ConfigError
        With those that it has.
    """
    known = [optimizer for optimizer, engines in OPTIMIZERS.items() if engine in engines]
    if name not in known:
        raise refused_optimizer(name, engine, known)


def refused_optimizer(name: str, engine: str, known: Iterable[str]) -> ConfigError:
    """The error for an optimizer that an engine does not have."""
    return ConfigError(
        f"optimizer.name={name}: allowed with engine={engine} is one of {', '.join(known)}"
    )
