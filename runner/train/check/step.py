"""Whether the user's own code can be trained: one step on two images, looked at closely.

All of it is on the CPU, where every machine can do it; what a step computes is the same on a GPU.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.engine import model_state, shapes
from runner.engine.dezero import (
    L,
    Parameter,
    Variable,
    all_parameters,
    named_parameters,
    no_grad,
    using_config,
)
from runner.engine.forward import forward
from runner.engine.protocol import Data, Engine
from runner.errors import ModelError
from runner.plan.plan import PlannedRun
from runner.system import user_code
from runner.train.assemble import Assembly, assemble
from runner.train.check.own_code import Checked
from runner.train.sample import Sample


def check(planned: PlannedRun, sample: Sample) -> Checked:
    """Build the model as the run would, and take one step.

    Raises
    ------
    ModelError
        With what is wrong, where, and what to write.
    """
    assembly = assembled(planned, sample)
    model, engine, data = assembly.model, assembly.engine, assembly.data
    rows = np.arange(len(sample.images))
    x, t = engine.pixels(data.train_images, rows, data.scale), data.train_labels
    at_start = {name: array.copy() for name, array in assembly.weights().items()}
    warnings = _check_step(model, engine, x, t, sample.n_classes)
    first = _scores(assembly, x)
    assembly.warm_up()
    again = assembled(planned, sample)
    for name, array in again.weights().items():
        if name not in at_start or not _equal(array, at_start[name]):
            raise _wrong(
                model,
                f"made twice from one seed, {name} has two values: draw it by np.random.randn or"
                " another function of np.random, which the seed decides; not by a generator of"
                " your own, or by the time",
            )
    for scores in (_scores(assembly, x), _scores(again, x)):
        if not all(map(_equal, scores, first)):
            raise _wrong(
                model,
                "the same images at the same step gave other scores the second time: something is"
                " left from the batch before (self.rnn.reset_state() at the beginning of forward?),"
                " the class counts or keeps something, or it draws from a generator of its own"
                " (write F.dropout)",
            )
    sizes = [parameter.data.size for parameter in named_parameters(model).values()]
    left = list(engine.fallbacks), engine.not_captured
    return Checked(assembly.n_parameters, max(sizes), *left, warnings)


def assembled(planned: PlannedRun, sample: Sample) -> Assembly:
    """The run on the CPU, with the images of the sample as its data."""

    def load(engine: Engine) -> Data:
        arrays = sample.images, sample.labels, sample.images, sample.labels
        return Data(*arrays, scale=sample.scale)

    return assemble(planned.config, "cpu", load)


def _check_step(model: Any, engine: Engine, x: Any, t: NDArray[Any], n_classes: int) -> list[str]:
    """One forward and one backward pass in training; what may be a mistake."""
    engine.masks.training(step=1)
    before = {name: array.copy() for name, array in model_state.named_arrays(model).items()}
    with model_state.untouched(model):
        y = forward(model, x, engine)
        if not isinstance(y, Variable):
            raise _wrong(
                model, f"forward returns a {type(y).__name__}; return the Variable, without .data"
            )
        if y.creator is None:
            raise _wrong(
                model,
                "what forward returns does not say how it was computed, so nothing can be learned:"
                " compute with Variables to the end, without .data",
            )
        warnings = _check_scores(model, y, t, n_classes)
        loss, _ = engine.loss(y, t)
        model.cleargrads()
        loss.backward()
        after = model_state.named_arrays(model)
        moved = {name for name, array in before.items() if not _equal(array, after[name])}
    warnings += _check_parameters(model, loss, moved)
    model.cleargrads()
    return warnings


def _check_scores(model: Any, y: Any, t: NDArray[Any], n_classes: int) -> list[str]:
    try:
        shapes.check_scores(y.data, t)
        shapes.check_labels(y.shape[1], n_classes - 1)
    except ModelError as error:
        raise _wrong(model, str(error)) from None
    if y.dtype != np.float32:
        raise _wrong(
            model,
            f"the scores are {y.dtype}, and numbers are float32 throughout: write"
            " x.astype(np.float32) for an array, and float(...) for a NumPy number",
        )
    if not np.isfinite(y.data).all():
        raise _wrong(model, "the first scores are not finite: a division by 0, or a large weight?")
    if y.shape[1] > n_classes:
        return [f"the model gives scores of {y.shape[1]} classes, and the data have {n_classes}"]
    return []


def _check_parameters(model: Any, loss: Any, moved: set[str]) -> list[str]:
    """Refuse parameters that are used and not registered; name those that are not learned."""
    parameters = all_parameters(model)
    known = {id(parameter) for parameter in parameters.values()}
    for used in _used_parameters(loss):
        if id(used) not in known:
            raise _unregistered(model, used)
    without = [name for name, p in parameters.items() if p.grad is None and name not in moved]
    if parameters.keys() <= {*without, *moved}:
        raise _wrong(model, "no parameter has a gradient: forward uses none of the layers")
    if not without:
        return []
    return [
        f"no gradient reaches {', '.join(without)}, so that it is not learned: frozen, or not used"
        " in forward?"
    ]


def _used_parameters(loss: Any) -> Iterator[Any]:
    """The parameters that a loss was computed from."""
    seen, variables = set(), [loss]
    while variables:
        variable = variables.pop()
        if isinstance(variable, Parameter):
            yield variable
        function = variable.creator
        if function is not None and id(function) not in seen:
            seen.add(id(function))
            variables += function.inputs


def _unregistered(model: Any, parameter: Any) -> ModelError:
    for _, layer in model_state.named_layers(model):
        for name, value in vars(layer).items():
            members = value.values() if isinstance(value, dict) else value
            if isinstance(members, list | tuple | set) or isinstance(value, dict):
                if any(parameter in _parameters_of(member) for member in members):
                    return _wrong(
                        layer,
                        f"self.{name} is a {type(value).__name__}, and DeZero learns only layers"
                        " that are attributes themselves: in the loop write, too,"
                        f' setattr(self, f"{name}{{i}}", layer)',
                        f"self.{name}",
                    )
    return _wrong(
        model,
        f"forward uses a parameter ({parameter.name} of {parameter.shape}) that is no attribute of"
        " the model, and is not learned: assign its layer to self in __init__",
    )


def _parameters_of(member: Any) -> list[Any]:
    if isinstance(member, L.Layer):
        return list(member.params())
    return [member] if isinstance(member, Parameter) else []


def _scores(assembly: Assembly, x: Any) -> tuple[Any, Any]:
    """Of the images at step 1, in training and in test mode; nothing of the model changes."""
    found = []
    for is_training in (True, False):
        assembly.engine.masks.training(step=1)
        with model_state.untouched(assembly.model), no_grad(), using_config("train", is_training):
            found.append(forward(assembly.model, x, assembly.engine).data)
    return found[0], found[1]


def _equal(a: Any, b: Any) -> bool:
    return bool(a.tobytes() == b.tobytes())


def _wrong(layer: Any, what: str, text: str = "def forward") -> ModelError:
    """An error that begins with the line of the layer's class that has this text."""
    line = user_code.place_of_text(type(layer), text)
    return ModelError(f"{line}: {what}" if line else what)
