"""Small networks that use all kernels of a GPU between them, as a plan tries them on a card."""

from dataclasses import replace

import numpy as np
import own_models
from configs import configured

from runner.card.network import networks

_DEEP = {"model.blocks": [[2, 3], [3]], "model.hidden_size": 20, "optimizer": "sgd"}
#: Knobs, and what is done to the digits.
NETWORKS = {
    "cnn": ({"model.channels": 2, "model.hidden_size": 20}, None),
    "deep": (_DEEP, None),
    "mlp": ({"model": "mlp", "model.hidden_size": 20, "optimizer": "momentum"}, None),
    "linear": ({"model.channels": 2, "model.fc_depth": 0}, None),
    "wide": ({"model": "mlp", "model.hidden_size": 20}, "twenty classes"),
    "floats": ({"model.fc_depth": 2, "model.dropout": False}, "floats"),
    "own": ({"model": f"{own_models.KIND}.Net"}, None),
}


def network_of(name, digits, seed=0, n_runs=1, **knobs):
    """The network of that name, on the digits."""
    values, change = NETWORKS[name]
    small = {"train.batch_size": 10} | ({"model.channels": 2} if name == "floats" else {})
    config = configured(values | small | knobs, seed=seed)
    if change == "twenty classes":
        digits = replace(digits, train_labels=digits.train_labels + np.uint8(10))
    if change == "floats":
        of = {
            n: getattr(digits, n).astype(np.float32) / 16 for n in ("train_images", "test_images")
        }
        digits = replace(digits, **of)
    (network,) = networks([(config, digits)], n_runs)
    return network


def define_own(folder, monkeypatch):
    """Write the module that the network `own` is of."""
    own_models.define(own_models.OF_PARTS, folder, monkeypatch)
