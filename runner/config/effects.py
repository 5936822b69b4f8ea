"""When a knob changes anything, from the values of all knobs by dotted name.

Each docstring is the rest of a sentence that begins with "Only", for `--help` and docs/knobs.md.
"""

from collections.abc import Mapping
from typing import Any

#: The kinds of network that ship with the project. In one's own any knob of `model` may matter.
SHIPPED_MODELS = ("cnn", "mlp")

Values = Mapping[str, Any]


def own_model(values: Values) -> bool:
    """with a model of your own"""
    return values["model.kind"] not in SHIPPED_MODELS


def blocks(values: Values) -> bool:
    """with model=cnn or a model of your own"""
    return bool(values["model.kind"] != "mlp")


def channels(values: Values) -> bool:
    """with model=cnn where model.blocks is null, or with a model of your own"""
    return own_model(values) or (blocks(values) and not values["model.blocks"])


def hidden_layer(values: Values) -> bool:
    """where model.fc_depth is above 0, or with a model of your own"""
    return own_model(values) or bool(values["model.fc_depth"] > 0)


def dropout(values: Values) -> bool:
    """with model.dropout=true where model.fc_depth is above 0, or with a model of your own"""
    return own_model(values) or (hidden_layer(values) and bool(values["model.dropout"]))


def momentum(values: Values) -> bool:
    """with optimizer=momentum"""
    return bool(values["optimizer.name"] == "momentum")


def fast_on_gpu(values: Values) -> bool:
    """on a GPU with engine=fast"""
    return bool(values["engine.name"] == "fast" and values["device"] == "gpu")
