"""When a knob changes anything, from the values of all knobs by dotted name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Effect:
    """Whether a knob changes anything, from the values of all knobs."""

    condition: Callable[[Values], bool]
    #: The rest of a sentence that begins with "Only", for `--help` and docs/knobs.md.
    words: str

    def __call__(self, values: Values) -> bool:
        return self.condition(values)


def _only(words: str) -> Callable[[Callable[[Values], bool]], Effect]:
    return lambda condition: Effect(condition, words)


@_only("with model=cnn")
def convolutions(values: Values) -> bool:
    return "model.blocks" in values


@_only("with model=cnn where model.blocks is null")
def channels(values: Values) -> bool:
    return convolutions(values) and not values["model.blocks"]


@_only("where model.fc_depth is above 0")
def hidden_layer(values: Values) -> bool:
    return bool(values["model.fc_depth"] > 0)


@_only("with model.dropout=true where model.fc_depth is above 0")
def dropout(values: Values) -> bool:
    return hidden_layer(values) and bool(values["model.dropout"])


@_only("with sweep.seeds=until_decided")
def looks(values: Values) -> bool:
    return bool(values["sweep.seeds"] == "until_decided")


@_only("with optimizer=momentum")
def momentum(values: Values) -> bool:
    return "optimizer.momentum" in values


@_only("with optimizer=adam")
def adam(values: Values) -> bool:
    return "optimizer.beta1" in values


@_only("where optimizer.weight_decay is above 0")
def decay(values: Values) -> bool:
    return bool(values["optimizer.weight_decay"] > 0)


@_only("with optimizer.schedule.kind=step")
def steps(values: Values) -> bool:
    return bool(values["optimizer.schedule.kind"] == "step")


@_only("with engine=fast")
def fast(values: Values) -> bool:
    return bool(values["engine.name"] == "fast")


@_only("on a GPU with engine=fast")
def fast_on_gpu(values: Values) -> bool:
    return bool(values["engine.name"] == "fast" and values["device"] == "gpu")


@_only("with sweep.design=one_at_a_time")
def one_at_a_time(values: Values) -> bool:
    return bool(values["sweep.design"] == "one_at_a_time")


@_only("with sweep.design=fraction")
def fraction(values: Values) -> bool:
    return bool(values["sweep.design"] == "fraction")


@_only("with sweep.design=grid")
def grid(values: Values) -> bool:
    return bool(values["sweep.design"] == "grid")
