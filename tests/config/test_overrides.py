"""What was typed, as a single run's name shows it; refusals are tested on the command line."""

import pytest
from hydra import compose

from runner.config import overrides
from runner.config.checks import checked

pytest_plugins = "composing"


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ([], {}),
        (["seed=3", "device=cpu", "progress=false", "runner.workers=1", "data.root=x"], {}),
        (["model.channels=3", "train.epochs=2"], {"model.channels": 3, "train.epochs": 2}),
        (["train.epochs=2", "optimizer=sgd"], {"optimizer": "sgd", "train.epochs": 2}),
        (
            ["optimizer.lr=1e-3", "model.blocks=[[1, 2]]"],
            {"optimizer.lr": 0.001, "model.blocks": [[1, 2]]},
        ),
        (["engine.graph=false", "engine.tf32=true"], {"engine.tf32": True}),
        (["hydra/launcher=basic", "preset=conv1"], {"preset": "conv1"}),
        (["model=mlp", "model.fc_depth=2"], {"model": "mlp", "model.fc_depth": 2}),
    ],
    ids=" ".join,
)
def test_the_name_of_a_single_run_shows_what_was_typed_and_bears_on_numbers(
    typed, shown, hydra_is_started
):
    overrides.check(typed, multirun=False)
    assert overrides.typed_knobs(checked(compose("config", typed)), typed) == shown
