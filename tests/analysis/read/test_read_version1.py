"""Plans that do not say which knobs there are and which of them have an effect."""

import pytest
from studies import FIXED, MadeUpStore, grid, nested

from analysis.read.version1 import KNOBS, without_effect

NEVER = {"model.options", "optimizer.momentum"}


@pytest.mark.parametrize(
    "knobs, expected",
    [
        ({}, NEVER),
        ({"model.kind": "mlp"}, NEVER | {"model.channels", "model.blocks"}),
        ({"model.blocks": [[16, 16]]}, NEVER | {"model.channels"}),
        ({"model.dropout": False}, NEVER | {"model.dropout_ratio"}),
        (
            {"model.fc_depth": 0},
            NEVER | {"model.hidden_size", "model.dropout", "model.dropout_ratio"},
        ),
        ({"optimizer.name": "momentum"}, {"model.options"}),
        ({"model.kind": "lenet", "model.fc_depth": 0}, {"optimizer.momentum"}),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)
def test_a_knob_is_without_effect_where_another_switches_it_off(knobs, expected):
    assert without_effect(nested(FIXED | knobs)) == sorted(expected)


def test_a_plan_of_version_1_is_read_with_its_knobs_and_their_effects():
    sweep = MadeUpStore(grid(range(2), model__dropout=[True, False]), lambda run, epoch: 0.9).read()
    assert [knob.name for knob in sweep.knobs] == [knob["name"] for knob in KNOBS]
    assert set(FIXED) <= set(sweep.runs)
    found = [{*names} & {*FIXED, *NEVER} for names in sweep.runs["without_effect"]]
    assert found == [NEVER, NEVER | {"model.dropout_ratio"}] * 2
