"""The files of sweeps/ and conf/preset: their cells, seeds, claims and published settings."""

import csv

import pytest
import yaml
from configurations import grid_of

from runner.config.schema import GROUPS, KNOBS, leaves
from runner.system.files import values_folder

pytest_plugins = "composing"
pytestmark = pytest.mark.usefixtures("hydra_is_started")

SWEEPS = values_folder() / "sweeps"

#: name: how many cells, how many seeds, the swept knobs with their levels.
SHIPPED = {
    "ablation_table": (
        6,
        8,
        {
            "model.dropout": [True, False],
            "model": ["cnn", "mlp"],
            "model.fc_depth": [2, 1],
            "data.normalize": [True, False],
            "optimizer.weight_decay": [0.0001, 0.0],
        },
    ),
    "default": (1, 5, {}),
    "dropout_x_channels": (4, 8, {"model.channels": [1, 30], "model.dropout": [True, False]}),
    "fair_channels": (
        8,
        8,
        {"model.channels": [1, 30], "optimizer.lr": [0.0003, 0.001, 0.003, 0.01]},
    ),
    "hidden_size": (6, 5, {"model.hidden_size": [100, 300, 1000], "model.fc_depth": [1, 2]}),
    "normalization": (
        8,
        8,
        {
            "data.normalize": [True, False],
            "model.dropout": [True, False],
            "model.channels": [1, 30],
        },
    ),
    "published": (3, 5, {"preset": ["book_mlp", "conv1", "conv30"]}),
    "screening": (
        16,
        5,
        {
            "model.channels": [8, 30],
            "model.hidden_size": [100, 200],
            "model.fc_depth": [1, 2],
            "model.dropout": [True, False],
            "optimizer.lr": [0.001, 0.002],
            "optimizer.weight_decay": [0.0001, 0.0],
            "train.batch_size": [50, 100],
        },
    ),
    "smoke": (2, 2, {"model.dropout": [True, False]}),
}


def test_every_file_of_sweeps_is_tested_here():
    assert {file.stem for file in SWEEPS.glob("*.yaml")} == set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_sweep_has_the_cells_the_seeds_and_the_claims_it_promises(name):
    n_cells, n_seeds, swept = SHIPPED[name]
    found = grid_of(f"sweeps={name}")
    assert (len(found.cells), found.seeds, found.swept) == (n_cells, list(range(n_seeds)), swept)
    assert found.named == (name != "default")
    claims = found.cells[0].config.claims
    assert claims and all(cell.config.claims == claims for cell in found.cells)


@pytest.mark.parametrize("name", ["ablation_table", "screening"])
def test_a_shipped_design_has_a_claim_for_each_of_its_knobs(name):
    found = grid_of(f"sweeps={name}")
    claims = found.cells[0].config.claims.values()
    assert [claim.knob for claim in claims] == list(found.swept)
    for claim in claims:
        assert sorted(map(str, claim.levels)) == sorted(map(str, found.swept[claim.knob]))
    # No claim is about what a fraction cannot tell apart.
    assert all(len(effect) == 2 for of in found.design.aliases for effect in of)


def test_the_plain_command_has_five_seeds_and_one_run_has_seed_0(plain):
    assert grid_of().seeds == [0, 1, 2, 3, 4]
    assert plain["seed"] == 0


def test_claims_of_the_default_and_of_the_main_sweep_are_the_same():
    default, main = (
        grid_of(f"sweeps={name}").cells[0].config.claims
        for name in ("default", "dropout_x_channels")
    )
    assert default == main


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_sweep_sets_seeds_claims_and_knobs_that_exist(name):
    file = yaml.safe_load((SWEEPS / f"{name}.yaml").read_text(encoding="utf-8"))
    assert set(file["hydra"]) == {"sweeper"} and set(file["hydra"]["sweeper"]) == {"params"}
    params = file["hydra"]["sweeper"]["params"]
    assert set(params) <= {*KNOBS, *GROUPS} and all(
        isinstance(value, str) for value in params.values()
    )


PUBLISHED = {
    "book_mlp": {
        "model.kind": "mlp",
        "model.hidden_size": 1000,
        "model.fc_depth": 2,
        "model.dropout": False,
        "data.normalize": True,
        "train.epochs": 5,
    },
    "conv1": {
        "model.kind": "cnn",
        "model.channels": 1,
        "model.blocks": None,
        "model.hidden_size": 1000,
        "model.fc_depth": 2,
        "model.dropout": True,
        "model.dropout_ratio": 0.5,
        "data.normalize": False,
        "train.epochs": 20,
    },
    "conv30": {
        "model.kind": "cnn",
        "model.channels": 30,
        "model.blocks": None,
        "model.hidden_size": 100,
        "model.fc_depth": 1,
        "model.dropout": True,
        "model.dropout_ratio": 0.5,
        "data.normalize": False,
        "train.epochs": 50,
    },
}
IN_ALL_PUBLISHED = {
    "data.name": "mnist",
    "train.batch_size": 100,
    "optimizer.name": "adam",
    "optimizer.lr": 0.001,
    "optimizer.weight_decay": 1e-4,
}


@pytest.mark.parametrize("preset", PUBLISHED)
def test_a_published_preset_has_exactly_the_published_settings(preset):
    cells = {cell.knobs["preset"]: cell.config for cell in grid_of("sweeps=published").cells}
    found = dict(leaves(cells[preset]))
    assert ("model.channels" in found) == (preset != "book_mlp")
    expected = IN_ALL_PUBLISHED | PUBLISHED[preset]
    assert {key: found[key] for key in expected} == expected


def test_what_is_typed_beats_the_preset_and_the_sweep():
    found = grid_of("sweeps=published", "train.epochs=1", "seed=7")
    assert {cell.config.train.epochs for cell in found.cells} == {1}
    assert found.seeds == [7]


def test_the_published_curves_have_every_epoch_of_every_experiment():
    with open(SWEEPS / "published_curves.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 75
    epochs = {}
    for row in rows:
        epochs.setdefault(row["experiment"], []).append(int(row["epoch"]))
        assert 0 <= float(row["train_accuracy"]) <= 1 and 0 <= float(row["test_accuracy"]) <= 1
    expected = {
        name: list(range(1, knobs["train.epochs"] + 1)) for name, knobs in PUBLISHED.items()
    }
    assert {
        name: n
        for preset in expected
        for name, n in epochs.items()
        if name.startswith(preset + "_")
    } == epochs
    assert sorted(epochs.values()) == sorted(expected.values())
