"""Claims on designs that are no grid: which cells they find, and what a fraction refuses."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest
from studies import FIXED, claim, frame, groups

from analysis.design import confounds
from analysis.design.cells import cells_of
from analysis.design.contrasts import NotTestable, contrasts_of
from analysis.design.within_seed import per_seed, table
from analysis.read.sweeps import CELLS, FRACTION, ONE_AT_A_TIME, Design
from runner.plan.cells.fractions import smallest

KNOBS = {
    "model.dropout": [True, False],
    "model.channels": [1, 30],
    "model.fc_depth": [1, 2],
    "data.normalize": [True, False],
    "optimizer.lr": [0.001, 0.004],
    "train.batch_size": [50, 100],
    "model.hidden_size": [10, 20],
}
OTHERS = [knob for knob in KNOBS if knob != "model.dropout"]


def listed(rows, design, seeds=range(3)):
    """The runs and cells of a design, of rows of knobs."""
    runs = frame([row | {"seed": seed} for seed in seeds for row in rows])
    return runs, cells_of(runs, [*FIXED], groups(runs), design)


def one_at_a_time(**knobs):
    levels = {name.replace("__", "."): of for name, of in knobs.items()}
    base = {knob: of[0] for knob, of in levels.items()}
    rows = [base, *(base | {k: level} for k, of in levels.items() for level in of[1:])]
    return listed(rows, Design(ONE_AT_A_TIME, base, 0, []))


def fraction(n_knobs=7, resolution=4):
    found, knobs = smallest(n_knobs, resolution), list(KNOBS)[:n_knobs]
    rows = [
        {knob: KNOBS[knob][place] for knob, place in zip(knobs, places, strict=True)}
        for places in found.cells()
    ]
    aliases = [[[knobs[n] for n in effect] for effect in of] for of in found.aliases()]
    return listed(rows, Design(FRACTION, {}, found.resolution, aliases))


def weights(runs_and_cells, **fields):
    (contrast,) = contrasts_of(claim(**fields), runs_and_cells[1])
    return contrast.weights


# =============================================================================
# One at a time, and listed cells
# =============================================================================
def test_one_at_a_time_a_claim_finds_its_pair_by_itself():
    found = one_at_a_time(model__channels=[30, 8, 1], model__dropout=[True, False])
    assert weights(found) == {"channels=30 dropout=true": 1, "channels=30 dropout=false": -1}
    rivals = contrasts_of(claim(knob="model.channels", winner=30), found[1])
    assert [list(contrast.weights) for contrast in rivals] == [
        ["channels=30 dropout=true", "channels=8 dropout=true"],
        ["channels=30 dropout=true", "channels=1 dropout=true"],
    ]
    (slope,) = contrasts_of(claim(knob="model.channels", slope=True), found[1])
    assert len(slope.cells) == 3


def test_one_at_a_time_a_level_without_effect_of_another_knob_is_at_the_base():
    found = one_at_a_time(model__dropout=[True, False], model__dropout_ratio=[0.5, 0.3])
    # Without dropout its ratio has no effect; the cell with another ratio is no second comparison.
    assert weights(found) == {
        "dropout=true dropout_ratio=0.5": 1,
        "dropout=false dropout_ratio=0.5": -1,
    }


def test_one_at_a_time_a_claim_elsewhere_than_at_the_base_is_refused():
    found = one_at_a_time(model__channels=[30, 1], model__dropout=[True, False])
    with pytest.raises(
        NotTestable, match="no cell has model.dropout=false at model.channels=1; ea"
    ):
        weights(found, at={"model.channels": 1})


def test_one_at_a_time_groups_are_held_too():
    cnn, mlp = ({"model": kind, "model.kind": kind} for kind in ("cnn", "mlp"))
    base = cnn | {"model.dropout": True}
    rows = [base, base | mlp, base | {"model.dropout": False}]
    design = Design(ONE_AT_A_TIME, {"model": "cnn", "model.dropout": True}, 0, [])
    found = listed(rows, design)
    assert list(weights(found)) == [
        "model=cnn kind=cnn dropout=true",
        "model=cnn kind=cnn dropout=false",
    ]
    assert len(weights(found, knob="model", levels=["cnn", "mlp"])) == 2


def test_of_listed_cells_all_pairs_that_differ_in_the_knob_alone_are_compared():
    cells = [(1, True, 1), (1, False, 1), (30, True, 2), (30, False, 2), (8, True, 1), (4, True, 3)]
    names = ("model.channels", "model.dropout", "model.fc_depth")
    found = listed(
        [dict(zip(names, cell, strict=True)) for cell in cells], Design(CELLS, {}, 0, [])
    )
    assert weights(found) == {
        "channels=1 dropout=true fc_depth=1": 0.5,
        "channels=1 dropout=false fc_depth=1": -0.5,
        "channels=30 dropout=true fc_depth=2": 0.5,
        "channels=30 dropout=false fc_depth=2": -0.5,
    }
    assert len(weights(found, knob="model.channels", levels=[8, 1])) == 2
    with pytest.raises(NotTestable, match="several knobs moved at once"):
        weights(found, knob="model.channels", levels=[30, 1])
    with pytest.raises(NotTestable, match="no setting of the other knobs was run with every"):
        weights(found, knob="model.channels", slope=True)


# =============================================================================
# A fraction
# =============================================================================
def test_a_fraction_gives_back_planted_main_effects_whatever_pairs_of_knobs_do():
    runs, cells = fraction()
    rng = np.random.default_rng(0)
    signs = {knob: np.where(runs[knob] == of[0], 1.0, -1.0) for knob, of in KNOBS.items()}
    planted = dict(zip(KNOBS, rng.normal(size=7), strict=True))
    value = runs["seed"].to_numpy(float)
    for knob in KNOBS:
        value = value + planted[knob] / 2 * signs[knob]
    for one, other in itertools.combinations(KNOBS, 2):
        value = value + rng.normal() * signs[one] * signs[other]
    numbers = table(runs, pd.Series(value, index=runs.index))
    for knob, of in KNOBS.items():
        (contrast,) = contrasts_of(claim(knob=knob, levels=of), cells)
        assert per_seed(numbers, contrast.weights) == pytest.approx([planted[knob]] * 3)
        assert (len(contrast.cells), len(contrast.simples)) == (16, 1)
        assert contrast.caveat.startswith("This is the average over the other knobs.")


def test_a_slope_over_a_fraction_is_the_difference_a_doubling():
    found = fraction()
    fields = dict(knob="optimizer.lr")
    slope = weights(found, **fields, slope=True)
    difference = weights(found, **fields, levels=[0.004, 0.001])
    assert slope == pytest.approx({cell: weight / 2 for cell, weight in difference.items()})


def test_a_knob_that_is_aliased_with_two_others_is_refused_by_name():
    _, cells = fraction(resolution=3)
    for knob, of in KNOBS.items():
        with pytest.raises(NotTestable) as error:
            contrasts_of(claim(knob=knob, levels=of), cells)
        assert re.match(
            rf"{knob} is aliased with (\w+ x \w+( and )?){{3}} in this fraction,", str(error.value)
        )


def test_where_a_claim_holds_another_knob_their_interaction_is_to_be_clear():
    with pytest.raises(
        NotTestable, match=r"what dropout does at channels=1 rests on dropout x channels, which is"
    ):
        weights(fraction(), at={"model.channels": 1})
    with pytest.raises(NotTestable, match="`at` holds channels and fc_depth, and a fraction"):
        weights(fraction(), at={"model.channels": 1, "model.fc_depth": 1})


def test_a_simple_effect_is_read_from_half_of_a_fraction_of_resolution_5():
    runs, cells = fraction(5, resolution=5)
    (contrast,) = contrasts_of(claim(at={"model.channels": 1}), cells)
    assert len(contrast.cells) == 8
    rng, knobs = np.random.default_rng(0), list(KNOBS)[:5]
    signs = {knob: np.where(runs[knob] == KNOBS[knob][0], 1.0, -1.0) for knob in knobs}
    effects = [of for order in (1, 2) for of in itertools.combinations(knobs, order)]
    planted = dict(zip(effects, rng.normal(size=len(effects)), strict=True))
    value = sum(
        size / 2 * np.prod([signs[knob] for knob in of], axis=0) for of, size in planted.items()
    )
    numbers = table(runs, pd.Series(value, index=runs.index))
    # At its first level channels adds its interaction with dropout to what dropout does.
    expected = planted[("model.dropout",)] + planted[("model.dropout", "model.channels")]
    assert per_seed(numbers, contrast.weights) == pytest.approx([expected] * 3)


def test_the_gate_lets_all_knobs_of_a_fraction_move():
    runs, cells = fraction()
    runs["data.sha256"] = np.where(runs["data.normalize"], "a", "b")
    (contrast,) = contrasts_of(claim(), cells)
    asked = (runs, contrast.compared)
    assert "data differ within seed" in confounds.refusal(*asked, ["model.dropout"])
    assert cells.moved_by("model.dropout") == [
        "model.dropout",
        *sorted(OTHERS, key=cells.moving.index),
    ]
    runs["engine"] = np.where(runs["model.dropout"], "fast", "stock")
    assert "engines differ" in confounds.refusal(
        runs.assign(**{"data.sha256": "a"}), contrast.compared, cells.moved_by("model.dropout")
    )


def test_of_a_group_in_a_fraction_the_knobs_that_move_with_it_are_not_told_apart():
    found = smallest(3, 3)
    options = [
        {"preset": "a", "model.hidden_size": 10, "train.epochs": 3},
        {"preset": "b", "model.hidden_size": 20, "train.epochs": 5},
    ]
    rows = [
        options[first] | {"model.dropout": bool(second), "model.channels": (1, 30)[third]}
        for first, second, third in found.cells()
    ]
    _, cells = listed(rows, Design(FRACTION, {}, 4, []))
    with pytest.raises(NotTestable, match="with model.hidden_size moves train.epochs; claim so"):
        contrasts_of(claim(knob="model.hidden_size", levels=[20, 10]), cells)
    (contrast,) = contrasts_of(claim(knob="preset", levels=["b", "a"]), cells)
    assert len(contrast.cells) == 4
