"""What is said of the two sides of a claim besides the levels that it names."""

import studies
from studies import claim, curves, frame, grid

from analysis.__main__ import lines

WIDE = {"model": "wide", "model.kind": "cnn", "model.hidden_size": 300}
FLAT = {"model": "flat", "model.kind": "mlp", "model.hidden_size": 100}
DATA = [{"data": name, "data.name": name, "data.sha256": name} for name in ("digits", "mnist5k")]


def said(fields, **knobs):
    """What the terminal says of a sweep with one claim."""
    runs = frame(grid(range(4), **knobs))
    if "data" in knobs:
        runs["first_batch_order.sha256"] += runs["data.name"]
    names = list(dict.fromkeys(runs["cell_key"]))

    def value(run, epoch):
        return 0.5 + 0.01 * (run["seed"] + 1) ** 2 * (1 + names.index(run["cell_key"]))

    return lines(studies.study(runs, curves(runs, value), {"one": claim(**fields)}), True, 100)


def test_the_knobs_that_move_with_a_group_are_listed_with_it_and_not_under_what_is_fixed():
    printed = said(dict(knob="model", levels=["flat", "wide"]), model=[WIDE, FLAT])
    assert printed[4].startswith("  final(test/accuracy), model=flat minus model=wide: ")
    assert printed[5] == (
        "  model=flat against model=wide: with it move model.kind cnn -> mlp,"
        " model.channels 30 -> none, model.hidden_size 300 -> 100."
    )
    under = printed[-1].removeprefix("Under: ").rstrip(".").split(", ")
    assert not [text for text in under if text.partition("=")[0] in WIDE]
    assert "model.channels=30 (without effect in 1 of 2 cells)" not in under
    assert {"model.fc_depth=1", "optimizer.lr=0.001"} <= set(under)


def test_of_two_levels_without_a_knob_between_them_that_is_said():
    options = [{"model": name, "model.kind": "Net"} for name in ("mine", "theirs")]
    printed = said(dict(knob="model", levels=["theirs", "mine"]), model=options)
    assert printed[5] == (
        "  model=theirs against model=mine: no knob moves with it, only what `_target_` names."
    )


def test_a_claim_about_data_says_that_a_seed_does_not_pair_batches():
    printed = said(dict(knob="data", levels=["mnist5k", "digits"]), data=DATA)
    assert printed[5:8] == [
        "  data=mnist5k against data=digits: with it move data.name digits -> mnist5k.",
        "  The two sides are trained and tested on data of their own.",
        "  Their batches differ: a seed pairs at most the initial weights.",
    ]


def test_a_claim_at_each_of_two_data_sets_is_decided_and_pairs_batches():
    printed = "\n".join(said({}, data=DATA, model__dropout=[True, False]))
    assert "at data=digits" in printed and "at data=mnist5k" in printed
    assert "of their own" not in printed and "batches" not in printed
