"""All that a model is made of: the parameters, and the arrays that its layers keep beside them.

A layer may keep arrays that change in a forward pass, such as running averages. DeZero's BatchNorm
has them as parameters without a gradient; a layer of one's own may have them as attributes.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from runner.engine.device import Array, array_module, is_on_cpu
from runner.engine.dezero import L, Parameter, all_parameters, dezero, named_parameters
from runner.errors import ModelError


def named_layers(layer: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The layer and those in it, by the beginning of their arrays' names: ``, `fc1/`, `fc1/out/`.

    They are those that DeZero knows: attributes, not members of a list.
    """
    yield path, layer
    for name in sorted(layer._params):
        part = vars(layer)[name]
        if isinstance(part, L.Layer):
            yield from named_layers(part, f"{path}{name}/")


def named_arrays(model: Any) -> dict[str, Array]:
    """Parameters (`fc1/linear/W`) and kept arrays (`bn1/mean`) by name, sorted."""
    arrays = {name: parameter.data for name, parameter in named_parameters(model).items()}
    for path, layer in named_layers(model):
        arrays |= {path + name: value for name, value in _kept_by(layer).items()}
    return {name: arrays[name] for name in sorted(arrays)}


def put(model: Any, arrays: Mapping[str, Any]) -> None:
    """Set what `named_arrays` names to these NumPy arrays, on the device of each parameter.

    An array that a layer makes in training only, and has not made yet, is set, too.
    """
    parameters, layers = named_parameters(model), dict(named_layers(model))
    on_cpu = all(is_on_cpu(parameter.data) for parameter in parameters.values())
    for name, values in arrays.items():
        values = values if on_cpu else array_module("gpu").asarray(values)
        path, slash, attribute = name.rpartition("/")
        if name in parameters:
            parameters[name].data[...] = values
            continue
        layer = layers[path + slash]
        kept = vars(layer).get(attribute)
        if _is_array(kept) and kept.shape == values.shape:
            kept[...] = values
        else:
            setattr(layer, attribute, values.copy())


def to_device(model: Any, asarray: Any) -> None:
    """Move the arrays that layers keep; `Model.to_gpu` moves the parameters."""
    for _, layer in named_layers(model):
        for name, value in _kept_by(layer).items():
            setattr(layer, name, asarray(value))


def identities(model: Any) -> dict[str, object]:
    """What tells an array or number that a layer keeps from one that was put in its place."""
    return {
        path + name: id(value) if _is_array(value) else value
        for path, layer in named_layers(model)
        for name, value in vars(layer).items()
        if _is_array(value) or isinstance(value, int | float)
    }


@contextlib.contextmanager
def untouched(model: Any) -> Iterator[None]:
    """Put back, after the block, every array of the model that changed in it."""
    parameters = [(p, p.data, p.data.copy()) for p in named_parameters(model).values()]
    layers = [layer for _, layer in named_layers(model)]
    attributes = [dict(vars(layer)) for layer in layers]
    kept = [(array, array.copy()) for layer in layers for array in _kept_by(layer).values()]
    try:
        yield
    finally:
        for parameter, array, values in parameters:
            array[...] = values
            parameter.data = array
        for array, values in kept:
            array[...] = values
        for layer, before in zip(layers, attributes, strict=True):
            _put_back(layer, before)


def _put_back(layer: Any, before: dict[str, Any]) -> None:
    """Have the layer keep the arrays that it kept before, and no others."""
    now = dict(vars(layer))
    for name in now.keys() | before.keys():
        if not _is_array(now.get(name)) and not _is_array(before.get(name)):
            continue
        if name in before:
            setattr(layer, name, before[name])
        else:
            delattr(layer, name)


def _kept_by(layer: Any) -> dict[str, Array]:
    return {name: value for name, value in vars(layer).items() if _is_array(value)}


def _is_array(value: object) -> bool:
    return isinstance(value, dezero.core.array_types) and value.dtype.kind in "biuf"


class NotMade(Parameter):  # type: ignore[misc]  # DeZero is untyped
    """A weight that the first forward pass did not make, and no later one may.

    It would be drawn from a generator that the seed does not decide, and no optimizer that packs
    the weights when a run begins would update it.
    """

    #: Its name in the model, such as `fc1/W`.
    path: str

    @property
    def data(self) -> None:
        """None, for ever."""
        return None

    @data.setter
    def data(self, array: Any) -> None:
        raise ModelError(
            f"{self.path} has no weights: its layer was not used in the first forward pass, of one"
            " image of zeros; give it its input size (in_size=..., in_channels=...)"
        )


def no_weights_later(model: Any) -> None:
    """From now on, refuse to make the weights that the model has not made yet."""
    for path, parameter in all_parameters(model).items():
        if parameter.data is None:
            parameter.__class__, parameter.path = NotMade, path
