"""What plans of version 1 leave unsaid: their knobs, and which knobs change nothing in a run.

Plans of version 2 hold both. This file describes plans that exist, so it never changes again.
"""

from typing import Any

#: Every knob that version 1 recorded, in the order in which a reader should see them.
KNOBS: list[dict[str, Any]] = [
    {"name": name, "bears_on_numbers": bears, "shown": shown}
    for name, bears, shown in (
        ("data.name", True, True),
        ("data.normalize", True, True),
        ("model.kind", True, True),
        ("model.channels", True, True),
        ("model.blocks", True, True),
        ("model.hidden_size", True, True),
        ("model.fc_depth", True, True),
        ("model.dropout", True, True),
        ("model.dropout_ratio", True, True),
        ("model.options", True, False),
        ("optimizer.name", True, True),
        ("optimizer.lr", True, True),
        ("optimizer.weight_decay", True, True),
        ("optimizer.momentum", True, False),
        ("train.epochs", True, True),
        ("train.batch_size", True, True),
        ("engine.name", True, True),
        ("engine.tf32", True, False),
        ("engine.graph", False, False),
        ("engine.streams", False, False),
        ("device", True, False),
        ("data.root", False, False),
        ("data.allow_fallback", False, False),
    )
]


def upgraded(plan: dict[str, Any]) -> dict[str, Any]:
    """A plan of version 1 as one of version 2."""
    runs = [run | {"without_effect": without_effect(run["config"])} for run in plan["runs"]]
    return plan | {"version": 2, "knobs": KNOBS, "runs": runs}


def without_effect(config: dict[str, Any]) -> list[str]:
    """The knobs, by dotted name, that change nothing under the values of the others.

    What has an effect in a model of the user's own is not known.
    """
    model, nothing = config["model"], set()
    if model["kind"] in ("cnn", "mlp"):
        nothing.add("model.options")
        if model["kind"] == "mlp":
            nothing |= {"model.channels", "model.blocks"}
        elif model["blocks"]:
            nothing.add("model.channels")
        if model["fc_depth"] == 0:
            nothing |= {"model.hidden_size", "model.dropout", "model.dropout_ratio"}
        if not model["dropout"]:
            nothing.add("model.dropout_ratio")
    if config["optimizer"]["name"] != "momentum":
        nothing.add("optimizer.momentum")
    return sorted(nothing)
