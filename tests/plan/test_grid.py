"""From overrides to a plan: every cell with every seed, each once, with the claims that fit."""

import dataclasses
import re

import pytest
from configurations import grid_of
from hydra import compose

from runner.config.checks import checked
from runner.errors import ConfigError
from runner.plan import grid, identity
from runner.plan.planned import planned_run
from runner.record import as_text
from runner.system import limits

pytest_plugins = "composing"
pytestmark = pytest.mark.usefixtures("hydra_is_started")

DEFAULT_ON_DROPOUT = {
    "dropout_slows_learning",
    "dropout_slows_learning_in_test_mode",
    "dropout_delays_97_percent",
    "dropout_helps_in_the_end",
    "slowdown_is_the_masks",
}


def planned(*arguments):
    return grid.plan(
        grid_of(*arguments), lambda of: (of.data["name"], "ab" * 32), "cpu", ["python", *arguments]
    )


@pytest.mark.parametrize(
    ("arguments", "n_runs", "n_duplicates"),
    [
        (["seed=0,0,1"], 2, 1),
        (["optimizer.lr=1e-3,0.001", "seed=0"], 1, 1),
        (["optimizer.lr=1e-3,0.001,0.0010,0.002", "seed=0,1"], 4, 4),
        (["model.blocks=null,[[30]]", "seed=0"], 1, 1),
        (["model.blocks=[[30]],[[30],[30]]", "model.channels=1,30", "seed=0"], 2, 2),
        (["model=mlp", "model.fc_depth=0", "model.hidden_size=1,2,3", "seed=0,1"], 2, 4),
        (["model=cnn,mlp", "model.hidden_size=10,20", "seed=0"], 4, 0),
        (["preset=book_mlp,conv1", "model.hidden_size=10", "seed=0"], 2, 0),
        (["model.dropout=false", "model.dropout_ratio=0.2,0.5", "seed=0"], 1, 1),
        (
            ["model.fc_depth=0", "model.hidden_size=10,20", "model.dropout=true,false", "seed=0"],
            1,
            3,
        ),
        (["optimizer=momentum", "optimizer.momentum=0.8,0.9", "seed=0"], 2, 0),
        (["model.channels=1,30", "model.dropout=true,false"], 20, 0),
    ],
)
def test_two_spellings_of_one_run_are_one_run_and_counted(arguments, n_runs, n_duplicates):
    made, found = planned(*arguments)
    assert (len(made.runs), found) == (n_runs, n_duplicates)
    assert len({run.run_key for run in made.runs}) == n_runs


def test_runs_are_in_seed_major_order_and_cells_in_the_order_typed():
    made, _ = planned("model.channels=30,1", "model.dropout=false,true", "seed=2,0")
    assert [run.name for run in made.runs] == [
        f"channels={channels} dropout={dropout} seed={seed}"
        for seed in (2, 0)
        for channels in (30, 1)
        for dropout in ("false", "true")
    ]
    assert made.seeds == [2, 0] and len(made.cells) == 4
    assert all([run.config.seed for run in runs] == [2, 0] for runs in made.cells.values())


@pytest.mark.parametrize(
    ("typed", "seeds"),
    [
        ([], [0, 1, 2, 3, 4]),
        (["seed=7"], [7]),
        (["seed=range(0,3)"], [0, 1, 2]),
        (["seed=choice(5,3)"], [5, 3]),
        ([f"seed={2**63 - 1}"], [2**63 - 1]),
    ],
)
def test_seeds_typed_beat_those_of_the_sweep(typed, seeds):
    assert grid_of(*typed).seeds == seeds


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model=mlp", "model.channels=1,2"], "model.channels: runner.models.mlp.MLP"),
        (["model=cnn,mlp", "model.channels=1,2"], "model.channels: runner.models.mlp.MLP"),
        (["optimizer.momentum=0.8,0.9"], "optimizer.momentum: dezero.optimizers.Adam"),
        (["data=digits", "data.root=a,b"], "data.root: runner.data.sets.digits"),
    ],
)
def test_a_knob_that_the_chosen_part_of_a_cell_does_not_have_refuses_the_sweep(arguments, message):
    last = arguments[-1].partition("=")[0].partition(".")[2]
    with pytest.raises(ConfigError, match=rf"^{message} \(\w+\.py, line \d+\) has no {last}; it "):
        grid_of(*arguments)


@pytest.mark.parametrize("seeds", ["0,-1", "0,1.0", "0,x", "0,null", f"0,{2**63}", "0,true"])
def test_one_bad_seed_among_good_ones_refuses_the_sweep(seeds):
    with pytest.raises(ConfigError, match=r"^seed=.*: allowed is an integer from 0 to 2\^63 - 1$"):
        grid_of(f"seed={seeds}")


@pytest.mark.parametrize("values", ["1,0", "0,1", "1,abc", "1,1.5", "1,null"])
def test_one_bad_cell_among_good_ones_refuses_the_sweep(values):
    with pytest.raises(
        ConfigError, match=r"^model\.channels.*allowed is an integer from 1 to 4096$"
    ):
        grid_of(f"model.channels={values}")


def test_more_runs_than_there_is_memory_for_are_refused_before_any_is_composed(monkeypatch):
    monkeypatch.setattr(limits, "free_memory", lambda: 10**9)
    needed = r"^200,000 runs: .* needs about 2\.0 GB of memory, and 1\.0 GB is free"
    with pytest.raises(ConfigError, match=needed):
        grid_of("model.channels=range(1,2001)", "seed=range(0,100)")


@pytest.mark.parametrize(
    ("arguments", "name", "named"),
    [
        ([], "seeds", False),
        (["model.channels=1,30", "model.dropout=true,false"], "channels x dropout", False),
        (["model.dropout=true,false", "model.channels=1,30"], "dropout x channels", False),
        (["model=cnn,mlp"], "model", False),
        (["train.epochs=3"], "seeds", False),
        (["sweeps=smoke"], "smoke", True),
        (["sweeps=smoke", "model.channels=1,2"], "smoke", True),
    ],
)
def test_a_sweep_is_named_by_its_file_or_by_its_knobs(arguments, name, named):
    found = grid_of(*arguments)
    assert (found.name, found.named) == (name, named)


def test_swept_levels_are_values_in_the_order_typed_each_once():
    found = grid_of(
        "optimizer.lr=1e-3,0.001,1e-2",
        "optimizer=sgd,adam",
        "model.dropout=true,false",
        "model.blocks=null,[[2,2]]",
    )
    assert found.swept == {
        "optimizer.lr": [0.001, 0.01],
        "optimizer": ["sgd", "adam"],
        "model.dropout": [True, False],
        "model.blocks": [None, [[2, 2]]],
    }


def test_a_knob_with_one_value_is_set_and_not_swept():
    found = grid_of("model.channels=2", "train.epochs=3")
    assert found.swept == {}
    assert (found.cells[0].config.model["channels"], found.cells[0].config.train.epochs) == (2, 3)


@pytest.mark.parametrize(
    ("arguments", "default", "generated"),
    [
        ([], set(), set()),
        (["model.dropout=true,false"], DEFAULT_ON_DROPOUT, set()),
        (["model.dropout=true"], set(), set()),
        (["model.channels=1,30"], {"thirty_channels_win"}, set()),
        (
            ["model.channels=1,30", "model.dropout=true,false"],
            DEFAULT_ON_DROPOUT | {"thirty_channels_win"},
            set(),
        ),
        (
            ["model.channels=1,8,16"],
            set(),
            {("generated channels=8", 8, 1), ("generated channels=16", 16, 1)},
        ),
        (
            ["optimizer.lr=0.1,0.01", "model.dropout=true,false"],
            DEFAULT_ON_DROPOUT,
            {("generated lr=0.01", 0.01, 0.1)},
        ),
        (["optimizer=adam,sgd"], set(), {("generated optimizer=sgd", "sgd", "adam")}),
        (["optimizer.lr=0.001,1e-3"], set(), set()),
    ],
)
def test_an_ad_hoc_sweep_has_the_default_claims_that_fit_and_generated_ones_for_the_rest(
    arguments, default, generated
):
    made, _ = planned(*arguments, "seed=0")
    by_origin = {
        o: {n for n, origin in made.claims_origin.items() if origin == o}
        for o in ("default", "generated")
    }
    assert by_origin["default"] == default
    assert {(name, *made.claims[name].levels) for name in by_origin["generated"]} == generated
    assert set(made.claims) == set(made.claims_origin) == default | by_origin["generated"]
    for name in by_origin["generated"]:
        claim = made.claims[name]
        assert (claim.metric, claim.direction, claim.margin) == (
            "final(test/accuracy)",
            "either",
            0.002,
        )


def test_a_named_sweep_keeps_the_claims_of_its_file_whatever_is_typed():
    made, _ = planned("sweeps=smoke", "model.channels=1,2", "seed=0")
    assert made.claims_origin == {"dropout_slows_learning": "declared"}


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"knob": "model.drop_out"}, "model.drop_out; did you mean model.dropout?"),
        ({"at": {"model.chanels": 1}}, "model.chanels; did you mean model.channels?"),
        ({"knob": "optimizer"}, "optimizer"),
    ],
    ids=str,
)
def test_a_claim_about_a_knob_that_no_run_has_is_refused_with_the_nearest(change, hint):
    found = grid_of("sweeps=smoke", "seed=0")
    (name, declared), *_ = found.cells[0].config.claims.items()
    found.cells[0].config.claims[name] = dataclasses.replace(declared, **change)
    with pytest.raises(
        ConfigError, match=f"^claims.{name}: no run of this sweep has the knob {re.escape(hint)}"
    ):
        grid.plan(found, lambda of: (of.data["name"], "ab" * 32), "cpu", [])


FAIR = ["sweeps=fair_channels", "seed=0,1"]


def test_a_claim_that_chooses_levels_is_planned_where_they_are_swept_and_images_choose():
    made, _ = planned(*FAIR)
    assert made.claims["thirty_channels_win_each_at_its_best"].best_over == ["optimizer.lr"]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("data.validation=0", "chosen_on=final.val/accuracy.: .* add data.validation=5000 "),
        ("data.validation=0,5000", "chosen_on=final.val/accuracy.: .* add data.validation=5000 "),
        ("optimizer.lr=0.001", "best_over: optimizer.lr is not swept, .* sweep it .optimizer.lr="),
    ],
)
def test_a_choice_without_levels_or_without_images_that_choose_is_refused(typed, expected):
    with pytest.raises(ConfigError, match=expected) as error:
        planned(*FAIR, typed)
    assert str(error.value).startswith("claims.thirty_channels_win_each_at_its_best.")


def test_the_sweep_key_depends_on_the_runs_and_the_claims_and_not_on_their_order():
    key = planned("model.channels=1,30", "model.dropout=true,false", "seed=0,1")[0].sweep_key
    assert (
        planned("model.dropout=false,true", "seed=1,0", "model.channels=30,1")[0].sweep_key == key
    )
    assert (
        planned("model.channels=1,30", "model.dropout=true,false", "seed=0,1", "progress=false")[
            0
        ].sweep_key
        == key
    )
    assert (
        planned("model.channels=1,30", "model.dropout=true,false", "seed=0,2")[0].sweep_key != key
    )
    of_main = planned("sweeps=dropout_x_channels", "seed=0,1")[0]
    assert of_main.sweep_key == key, "the same runs and the same claims are the same sweep"
    assert planned("sweeps=normalization", "data.normalize=true", "seed=0,1")[0].sweep_key != key


def test_more_cells_and_another_value_are_new_runs_and_leave_the_old_ones_alone():
    def keys(*arguments):
        return {run.run_key for run in planned(*arguments)[0].runs}

    old = keys("model.channels=1,30", "seed=0")
    assert len(keys("model.channels=30,1,8", "seed=1,0") & old) == 2
    assert not keys("model.channels=1,30", "seed=0", "train.epochs=6") & old


# A single run


def planned_alone(*typed):
    found = grid.of_one(checked(compose("config", list(typed))), list(typed))
    return grid.plan(found, lambda of: (of.data["name"], "ab" * 32), "cpu", ["python"])[0]


def test_a_single_run_is_a_plan_of_one_without_claims():
    made = planned_alone("seed=3", "model.channels=2", "data=digits")
    config = checked(compose("config", ["seed=3", "model.channels=2", "data=digits"]))
    expected = planned_run(
        config, {"data": "digits", "model.channels": 2}, "digits", "ab" * 32, "cpu"
    )
    assert (made.single, made.claims, made.runs) == (True, {}, [expected])
    assert made.runs[0].name == "data=digits channels=2 seed=3"


def test_a_single_run_is_the_run_of_a_sweep_and_its_plan_is_that_of_no_sweep():
    alone, (sweep, _) = planned_alone("seed=0"), planned("seed=0")
    assert [run.run_key for run in alone.runs] == [run.run_key for run in sweep.runs]
    assert alone.sweep_key != identity.sweep_key([alone.runs[0].run_key], {}) and not sweep.single


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (None, "null"),
        (30, "30"),
        (1e-4, "0.0001"),
        ([[1, 2], [3]], "[[1,2],[3]]"),
        ("mlp", "mlp"),
    ],
)
def test_a_level_is_shown_as_it_is_typed(value, text):
    assert as_text(value) == text
