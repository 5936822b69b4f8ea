"""The state of an optimizer by name: a checkpoint keeps it, and another process goes on from it.

State are the attributes that hold arrays, and the numbers that changed since the beginning; also in
dictionaries and lists. A dictionary may have a value for each parameter, by `id(parameter)` as in
DeZero. Its values are named by the parameter, which is the same in every process:
`ms/fc1/linear/W`. Other keys are marked: `/{text}`, `/(integer)`, `/[place in a list]`.
"""

import io
import pickle
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote

import numpy as np

from runner.engine.device import is_on_cpu, to_numpy
from runner.engine.dezero import L, Variable, dezero, named_parameters
from runner.errors import ConfigError

#: What DeZero's `Optimizer` keeps that is none of its state. A class may name more in `no_state`.
_LEFT_OUT = ("target", "hooks")

# The kinds of values, before the name. Without one it is a number of Python's, or an array of at
# least one dimension on the device of the parameters.
_SCALAR, _POINT, _ON_HOST = "scalar:", "point:", "host:"

_KEY = re.compile(
    r"/(?:\{(?P<text>[^}]*)\}|\((?P<integer>-?\d+)\)|\[(?P<place>\d+)\]"
    r"|(?P<parameter>.+?)(?=/[{(\[]|$))"
)


class _Unnamed(Exception):
    """A value that no checkpoint can hold, in words."""


def marks(rule: Any, model: Any) -> dict[str, bytes]:
    """What `state` compares with later: a mark of each attribute that is not kept in any case."""
    found = _attributes(rule, _Names(model))
    return {name: _mark(value) for name, value, arrays in found if not _is_kept(value, arrays)}


def state(
    rule: Any, model: Any, at_start: Mapping[str, bytes], left_out: Collection[str] = ()
) -> dict[str, Any]:
    """The state of an optimizer by name, as NumPy arrays.

    Parameters
    ----------
    at_start
        What `marks` gave when nothing had been trained.
    left_out
        Further attributes that are no state.

    Raises
    ------
    ConfigError
        When an attribute has changed that could not be restored.
    """
    kept: dict[str, Any] = {}
    for name, value, arrays in _attributes(rule, _Names(model)):
        if name in left_out:
            continue
        if not _is_kept(value, arrays) and _mark(value) == at_start.get(name):
            continue
        if isinstance(arrays, _Unnamed):
            raise ConfigError(
                f"{type(rule).__module__}.{type(rule).__qualname__}: its attribute {name} changes,"
                f" and no checkpoint can hold it ({arrays}); numbers and arrays can be held, also"
                " in dictionaries (by id(parameter), text or integer) and lists"
            )
        kept |= arrays
    return kept


def restore(rule: Any, model: Any, arrays: Mapping[str, Any]) -> None:
    """Put back what `state` gave, on the device of the parameters.

    An array that is there and has the same shape is filled: others may refer to it.
    """
    names = _Names(model)
    lists = set()
    for name, array in arrays.items():
        kind, colon, path = name.rpartition(":")
        attribute, slash, rest = path.partition("/")
        holder, key = vars(rule), attribute
        for match in _KEY.finditer(slash + rest):
            wanted = list if match["place"] is not None else dict
            inner = _get(holder, key)
            if type(inner) is not wanted:
                inner = wanted()
                _put(holder, key, inner)
            if wanted is list and id(inner) not in lists:
                inner.clear()
                lists.add(id(inner))
            holder, key = inner, names.key(match)
        _put(holder, key, names.value(kind + colon, array, _get(holder, key)))


class _Names:
    """Names of keys and of kinds of values, and both read back."""

    def __init__(self, model: Any) -> None:
        self._parameters = named_parameters(model)
        self._names = {id(parameter): name for name, parameter in self._parameters.items()}
        first = next(iter(self._parameters.values()), None)
        self._xp = np if first is None else dezero.cuda.get_array_module(first.data)

    def of(self, value: Any, path: str) -> Iterator[tuple[str, Any]]:
        """Each number and array of a value with its name, as a NumPy array."""
        if type(value) is dict:
            for key, inner in value.items():
                yield from self.of(inner, f"{path}/{self._of_key(key)}")
        elif type(value) is list:
            for place, inner in enumerate(value):
                yield from self.of(inner, f"{path}/[{place}]")
        elif type(value) in (bool, float) or (type(value) is int and abs(value) < 2**63):
            yield path, np.array(value)
        elif isinstance(value, np.generic) and value.dtype.kind in "biuf":
            yield _SCALAR + path, np.array(value)
        elif _is_array(value) and value.dtype.kind in "biuf":
            is_elsewhere = self._xp is not np and is_on_cpu(value)
            kind = _ON_HOST if is_elsewhere else "" if value.ndim else _POINT
            yield kind + path, to_numpy(value)
        else:
            raise _Unnamed(f"a {type(value).__name__}")

    def _of_key(self, key: Any) -> str:
        if type(key) is int:
            return self._names.get(key, f"({key})")
        if type(key) is str:
            return f"{{{quote(key, safe='')}}}"
        raise _Unnamed(f"a key that is a {type(key).__name__}")

    def key(self, match: re.Match[str]) -> Any:
        """The key of a dictionary, or the place in a list."""
        if match["text"] is not None:
            return unquote(match["text"])
        if match["parameter"] is not None:
            return id(self._parameters[match["parameter"]])
        return int(match["integer"] or match["place"])

    def value(self, kind: str, array: Any, before: Any) -> Any:
        """The number or array, as its kind says; `before` itself where it can be filled."""
        if kind == _SCALAR:
            return array[()]
        if kind == "" and not array.ndim:
            return array.item()
        made = np.array(array) if kind == _ON_HOST else self._xp.array(array)
        if _is_array(before) and (before.shape, before.dtype) == (made.shape, made.dtype):
            before[...] = made
            return before
        return made


def _attributes(rule: Any, names: _Names) -> Iterator[tuple[str, Any, dict[str, Any] | _Unnamed]]:
    """Each attribute: its name, its value, and its arrays by name or why it has none."""
    left_out = {*_LEFT_OUT, *getattr(rule, "no_state", ())}
    for name, value in vars(rule).items():
        if name not in left_out:
            try:
                yield name, value, dict(names.of(value, name))
            except _Unnamed as unnamed:
                yield name, value, unnamed


def _is_kept(value: Any, arrays: dict[str, Any] | _Unnamed) -> bool:
    """Whether a value is kept without a look at what it was: it is large, or grows."""
    return isinstance(arrays, dict) and (type(value) in (dict, list) or _is_array(value))


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or type(value).__module__.partition(".")[0] == "cupy"


class _Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> str | None:
        # The model is kept by itself, wherever an optimizer refers to it.
        return "model" if isinstance(value, L.Layer | Variable) else None


def _mark(value: Any) -> bytes:
    """Bytes that are other ones when the value has changed."""
    stream = io.BytesIO()
    try:
        _Pickler(stream).dump(value)
    except Exception:  # functions, modules, what refuses: then it is the object that counts
        return f"{type(value).__name__} {id(value)}".encode()
    return stream.getvalue()


def _get(holder: Any, key: Any) -> Any:
    """The value there, or None."""
    if type(holder) is list:
        return holder[key] if key < len(holder) else None
    return holder.get(key)


def _put(holder: Any, key: Any, value: Any) -> None:
    if type(holder) is list and key == len(holder):
        holder.append(value)
    else:
        holder[key] = value
