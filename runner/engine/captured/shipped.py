"""What of a layer is as DeZero and this program ship it? Nobody's code but that is trusted."""

from collections.abc import Iterable
from types import FunctionType
from typing import Any

from runner.engine.captured.source import Changing
from runner.engine.dezero import F, L, Model
from runner.engine.functions import layers


def _as_shipped(of: Any, names: Iterable[str]) -> dict[str, Any]:
    """These functions of a class or module by name; None for one that somebody put there."""
    functions = {name: getattr(of, name) for name in names}
    return {
        name: value if (value.__module__ or "").partition(".")[0] in ("dezero", "runner") else None
        for name, value in functions.items()
        if isinstance(value, FunctionType)
    }


#: Layers whose forward pass is known to be one.
KNOWN = {
    layer: _as_shipped(layer, ("__call__", "forward"))
    for layer in (L.Linear, L.Conv2d, L.BatchNorm, layers.ConvBlock, layers.Hidden, layers.Linear)
}
#: What is called of a layer beside `forward`.
_BASE = _as_shipped(Model, {*vars(L.Layer), *vars(Model)} - {"__init__", "forward"})
#: DeZero's functions, which keep nothing from call to call. That of dropout draws the run's masks.
FUNCTIONS = set(_as_shipped(F, vars(F)).values()) - {None}


def check_class(layer: Any) -> None:
    """Refuse a layer of which more than `forward` is the user's own."""
    of = type(layer)
    known, words = KNOWN.get(of, {}), f"{of.__name__} has its own "
    for name, value in {**_BASE, **known}.items():
        if in_class(layer, name, value) is not value or name in vars(layer):
            raise Changing(words + name)
    if type(of) is not type:
        raise Changing(words + "metaclass")
    for name in ("inputs", "outputs"):  # which `__call__` sets
        if in_class(layer, name) is not None:
            raise Changing(words + name)
    for name in ("__getattribute__", "__getattr__"):
        if getattr(of, name, None) is not getattr(object, name, None):
            raise Changing(words + name)


def in_class(layer: Any, name: str, otherwise: Any = None) -> Any:
    """What the class of a layer has under this name, as it stands there."""
    for base in type(layer).__mro__:
        if name in vars(base):
            return vars(base)[name]
    return otherwise


def is_always_true(layer: Any) -> bool:
    """Whether it is a layer for which `if layer:` runs no code."""
    return isinstance(layer, L.Layer) and {"__bool__", "__len__"}.isdisjoint(dir(type(layer)))
