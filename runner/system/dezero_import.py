"""DeZero is imported under today's NumPy, by whoever asks for it first.

DeZero 0.0.13 of 2020 asks for `np.int`, a name that NumPy dropped in 1.24. A user's own module may
import it before anything of this program does. NumPy itself is left as it was. Matplotlib, which
takes longer to import than all of DeZero, is imported when DeZero first draws with it.
"""

import importlib
import importlib.abc
import sys
import types
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

_NAME = "dezero"
_MISSING = object()


def repair() -> None:
    """From now on, `import dezero` works in this process."""
    sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name == _NAME else None
        if spec and spec.loader:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, as_shipped: Any) -> None:
        self._as_shipped = as_shipped

    def create_module(self, spec: ModuleSpec) -> types.ModuleType | None:
        module: types.ModuleType | None = self._as_shipped.create_module(spec)
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        # Its source compares with `is`. Where no compiled copy is kept and PYTHONWARNINGS=error is
        # set, the warning would be an error.
        with _numpy_has_int(), _matplotlib_waits(), warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            self._as_shipped.exec_module(module)
        for part in (module.datasets, module.transforms):
            part.np = _NumpyWithInt("numpy")


@contextmanager
def _numpy_has_int() -> Iterator[None]:
    """In the block: dezero/transforms.py evaluates `np.int` while it is imported."""
    import numpy as np

    before = np.__dict__.get("int", _MISSING)
    np.__dict__["int"] = int
    try:
        yield
    finally:
        if before is _MISSING:
            del np.__dict__["int"]
        else:
            np.__dict__["int"] = before


@contextmanager
def _matplotlib_waits() -> Iterator[None]:
    """In the block: dezero/datasets.py imports Matplotlib, which two of its methods draw with."""
    package, pyplot = types.ModuleType("matplotlib"), _Later("matplotlib.pyplot")
    package.pyplot = pyplot  # type: ignore[attr-defined]
    standing_in = {"matplotlib": package, pyplot.__name__: pyplot}
    if not standing_in.keys().isdisjoint(sys.modules):
        yield  # somebody has paid for it
        return
    sys.modules.update(standing_in)
    try:
        yield
    finally:
        for name in standing_in:
            del sys.modules[name]


class _Later(types.ModuleType):
    """A module that is imported when something of it is first asked for."""

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self.__name__), name)


class _NumpyWithInt(_Later):
    """NumPy with `np.int`, which `dezero.datasets` and `dezero.transforms` use."""

    int = int
