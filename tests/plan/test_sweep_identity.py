"""Identity of a sweep: its runs in any order, and what its claims say."""

import dataclasses

import hypothesis
import pytest
from hypothesis import strategies as st

from runner.plan import identity
from runner.record import Claim

CLAIM = Claim("a", "model.dropout", "final(test/accuracy)", "less", 0.1, levels=[True, False])


@hypothesis.given(
    keys=st.lists(st.text("0123456789abcdef", min_size=4, max_size=4), min_size=1), data=st.data()
)
def test_the_sweep_key_does_not_depend_on_the_order_of_its_runs(keys, data):
    shuffled = data.draw(st.permutations(keys))
    assert identity.sweep_key(shuffled, {}) == identity.sweep_key(keys, {})
    assert identity.sweep_key([*keys, "one more"], {}) != identity.sweep_key(keys, {})


@pytest.mark.parametrize(
    "change",
    [
        {"says": "b"},
        {"knob": "model.channels"},
        {"metric": "auc(test/accuracy)"},
        {"direction": "greater"},
        {"margin": 0.2},
        {"levels": [False, True]},
        {"minus": "final(train/accuracy)"},
        {"at": {"model.channels": 1}},
        {"best_over": ["optimizer.lr"]},
        {"chosen_on": "final(val/accuracy)"},
        {"missing": "worst"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_claim_that_says_anything_else_is_another_sweep(change):
    other = dataclasses.replace(CLAIM, **change)
    assert identity.sweep_key(["a"], {"c": CLAIM}) != identity.sweep_key(["a"], {"c": other})
    assert identity.claims_sha256({"c": CLAIM}) != identity.claims_sha256({"c": other})
    assert identity.claims_sha256({"c": CLAIM}) != identity.claims_sha256({"d": CLAIM})


def test_a_claim_that_asks_for_nothing_new_keeps_the_hash_that_it_had():
    """As the program wrote it before claims could choose levels or rank runs that diverged."""
    assert identity.claims_sha256({"c": CLAIM}) == (
        "3efbca586e991b9526fc2db97705b936297aecb40838134558cebb71255670bc"
    )
