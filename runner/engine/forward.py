"""A forward pass as a part of a run: every way to one goes through here."""

from typing import Any

from runner.engine.device import Array
from runner.engine.dezero import dropout_by
from runner.engine.protocol import Engine


def forward(model: Any, x: Array, engine: Engine) -> Any:
    """The scores of a batch, a Variable of shape (n, n_classes).

    DeZero's `F.dropout` takes its masks from the run's, by its place in the pass.
    """
    engine.masks.begin_forward()
    with dropout_by(engine.dropout):
        return model(x)
