"""The cells of a sweep as a design."""

import pytest
from studies import cells, frame, grid

from analysis.design.cells import NO_EFFECT, same

MODELS = [
    {"model": "wide", "model.kind": "cnn", "model.hidden_size": 300},
    {"model": "flat", "model.kind": "mlp", "model.hidden_size": 100},
]
OPTIMIZERS = [
    {"optimizer": "adam", "optimizer.lr": 0.001},
    {"optimizer": "sgd", "optimizer.name": "sgd", "optimizer.lr": 0.01},
]


def test_true_is_not_one_and_one_is_one_point_zero():
    assert same(1, 1.0) and same([1], [1]) and not same(1, True) and not same(False, 0)


def test_a_swept_group_is_a_factor_and_what_moves_with_it_alone_is_part_of_it():
    found = cells(frame(grid(model=MODELS, optimizer=OPTIMIZERS)))
    assert found.moving == ["model", "optimizer"]
    assert found.parts["model"] == {
        "model.kind": {'"wide"': "cnn", '"flat"': "mlp"},
        "model.channels": {'"wide"': 30, '"flat"': NO_EFFECT},
        "model.hidden_size": {'"wide"': 300, '"flat"': 100},
    }
    assert list(found.parts["optimizer"]) == ["optimizer.name", "optimizer.lr"]
    assert found.moved_by("optimizer") == ["optimizer", "optimizer.name", "optimizer.lr"]


def test_a_knob_that_was_swept_beside_a_group_is_a_factor_of_its_own():
    models = [{name: option[name] for name in ("model", "model.kind")} for option in MODELS]
    found = cells(frame(grid(model=models, model__hidden_size=[16, 32])))
    assert found.moving == ["model", "model.hidden_size"]
    assert list(found.parts["model"]) == ["model.kind", "model.channels"]


def test_a_knob_that_another_knob_switches_off_is_no_part_of_a_group():
    found = cells(frame(grid(model=MODELS, model__dropout=[True, False])))
    assert found.moving == ["model", "model.dropout"]
    assert "model.dropout_ratio" not in found.parts["model"]
    assert (found.fixed["model.dropout_ratio"], found.n_without_effect["model.dropout_ratio"]) == (
        0.5,
        2,
    )


@pytest.mark.parametrize("knob", ["model.kind", "model.hidden_size"])
def test_for_a_question_about_a_part_the_parts_are_factors_in_place_of_their_group(knob):
    found = cells(frame(grid(model=MODELS, optimizer=OPTIMIZERS))).told_apart(knob)
    assert found.moving == ["optimizer", "model.kind", "model.hidden_size"]
