"""Each side at its own best level, chosen for a seed by the validation images of the others."""

import itertools

import numpy as np
import pytest
import studies
from studies import cells, claim, curves, frame, grid

from analysis.decide import verdicts
from analysis.decide.beside.multiverse import multiverse
from analysis.decide.claims import decide
from analysis.report import sides
from analysis.report.answers import answer
from analysis.report.tables import claims_frame
from analysis.statistics.intervals import t_interval
from analysis.statistics.p_values import t_p

BEST = {"best_over": ["optimizer.lr"], "chosen_on": "final(val/accuracy)"}
CHANNELS = dict(knob="model.channels", levels=[30, 1], **BEST)


def runs_of(val, test, seeds=range(4), channels=(1, 30), lr=(0.001, 0.003), **more):
    """Runs with a validation and a test accuracy of `val(run)` and `test(run)`."""
    knobs = dict(model__channels=list(channels), optimizer__lr=list(lr)) | more
    runs = frame(grid(seeds, **knobs))
    return runs, curves_of(runs, val, test)


def curves_of(runs, val, test):
    return curves(
        runs,
        lambda run, epoch: {
            "val/accuracy": val(run),
            "val/loss": 1 - val(run),
            "test/accuracy": test(run),
        },
    )


def decided(runs, epochs, **fields):
    return decide(claim(**(CHANNELS | fields)), runs, epochs, cells(runs), 0.05)


def lucky(run):
    """0.003 is worse by a point, but for 30 channels in seed 0, where it is far better."""
    if run["optimizer.lr"] == 0.001:
        return 0.90
    return 1.0 if run["seed"] == 0 and run["model.channels"] == 30 else 0.89


def test_a_seed_does_not_choose_for_itself():
    runs, epochs = runs_of(lucky, lambda run: run["model.channels"] / 100 + run["optimizer.lr"])
    decision = decided(runs, epochs)
    of = {
        decision.choice.arms.cells.names[arm]: [
            c.name for c in decision.choice.chosen(arm).values()
        ]
        for arm in decision.choice.worth
    }
    # Of 30 channels the mean of the others is 0.89 without seed 0, and (1 + 0.89 + 0.89) / 3 with.
    assert of == {
        "channels=30": ["lr=0.001", *["lr=0.003"] * 3],
        "channels=1": ["lr=0.001"] * 4,
    }
    assert decision.per_seed.to_numpy() == pytest.approx([0.29, *[0.29 + 0.002] * 3], abs=1e-12)


def test_a_smaller_loss_is_better():
    runs, epochs = runs_of(lucky, lambda run: run["model.channels"] / 100 + run["optimizer.lr"])
    by_loss, by_accuracy = (
        decided(runs, epochs, chosen_on=f"final(val/{m})") for m in ("loss", "accuracy")
    )
    assert by_loss.per_seed.tolist() == by_accuracy.per_seed.tolist()


def test_all_combinations_of_the_knobs_are_the_range_as_a_loop_finds_them():
    random = np.random.default_rng(0)
    knobs = dict(model__channels=[1, 30], optimizer__lr=[0.001, 0.003, 0.01])
    knobs |= dict(optimizer__weight_decay=[0.0, 1e-4], model__dropout=[True, False])
    runs = frame(grid(range(5), **knobs))
    val, test = (dict(zip(runs.index, random.normal(size=len(runs)), strict=True)) for _ in "12")
    epochs = curves_of(runs, lambda run: val[run["run_key"]], lambda run: test[run["run_key"]])
    both = ["optimizer.lr", "optimizer.weight_decay"]
    decision = decided(runs, epochs, best_over=both)

    def at_best(seed, **arm):
        def rows(seeds, lr, decay):
            mine = runs[runs["seed"].isin(seeds)]
            for knob, level in arm.items():
                mine = mine[mine[knob.replace("__", ".")] == level]
            return mine[(mine["optimizer.lr"] == lr) & (mine["optimizer.weight_decay"] == decay)]

        others = [s for s in range(5) if s != seed]
        ranked = max(
            itertools.product((0.001, 0.003, 0.01), (0.0, 1e-4)),
            key=lambda at: np.mean([val[key] for key in rows(others, *at).index]),
        )
        (key,) = rows([seed], *ranked).index
        return test[key]

    expected = [
        np.mean(
            [
                at_best(seed, model__channels=30, model__dropout=d)
                - at_best(seed, model__channels=1, model__dropout=d)
                for d in (True, False)
            ]
        )
        for seed in range(5)
    ]
    assert decision.per_seed.to_numpy() == pytest.approx(expected, abs=1e-12)
    assert [setting.at for setting in decision.settings] == [
        {"model.dropout": True}, {"model.dropout": False},
    ]  # fmt: skip


@pytest.mark.parametrize("seed", [0, 1, 2, 4, 5])  # of even luck
def test_a_direction_has_to_be_that_of_one_level_in_all_seeds_too(seed):
    """Levels that are nearly tied: seeds that choose for each other are not independent."""
    random = np.random.default_rng(seed)
    runs = frame(grid(range(6), model__channels=[1, 30], optimizer__lr=[0.001, 0.003, 0.01]))
    test = dict(zip(runs.index, random.normal(size=len(runs)), strict=True))

    def accuracy(run):
        return test[run["run_key"]]

    epochs = curves_of(runs, accuracy, accuracy)
    decision = decided(runs, epochs)
    one_level = []
    for channels in (30, 1):
        of = runs[runs["model.channels"] == channels]
        means = of.index.map(test).to_series(index=of["optimizer.lr"]).groupby(level=0).mean()
        best = of[of["optimizer.lr"] == means.idxmax()].sort_values("seed")
        one_level.append(best.index.map(test).to_numpy(float))
    d, leave_out = one_level[0] - one_level[1], decision.per_seed.to_numpy()
    expected = max(t_p(d), t_p(leave_out)) if d.mean() * leave_out.mean() > 0 else 1.0
    assert decision.p == pytest.approx(expected)
    own, other = (t_interval(values) for values in (leave_out, d))
    found = decision.bounds.interval
    assert found.low == pytest.approx(min(own.low, other.low))
    assert found.high == pytest.approx(max(own.high, other.high))


def test_the_verdict_is_that_at_the_best_levels_and_each_fixed_level_has_its_own():
    """At 0.003 alone 30 channels win by 5 points; at its best rate 1 channel is as good."""

    def accuracy(run):
        loss = 0.05 * (run["model.channels"] == 1) * (run["optimizer.lr"] == 0.003)
        loss += 0.05 * (run["model.channels"] == 30) * (run["optimizer.lr"] == 0.001)
        return 0.9 - loss + 0.0003 * studies.NOISE[run["seed"]] * (run["model.channels"] == 1)

    runs, epochs = runs_of(accuracy, accuracy, seeds=range(6))
    decision = decided(runs, epochs)
    assert decision.verdict == verdicts.EQUIVALENT
    choices = multiverse(decision, runs, epochs)
    assert choices.at_fixed == {"lr=0.001": verdicts.REFUTED, "lr=0.003": verdicts.SUPPORTED}
    assert choices.n_hold == 1 and choices.flips == {}
    assert sides.at_fixed_levels(decision, choices) == [
        "With the same lr on all sides it holds at 1 of 2 levels (not at lr=0.001)."
    ]


def test_a_winner_has_to_beat_each_rival_at_its_own_best_level():
    best = {1: 0.003, 10: 0.001, 30: 0.003}
    height = {1: 0.90, 10: 0.95, 30: 0.96}

    def accuracy(run):
        of = run["model.channels"]
        luck = 0.0001 * studies.NOISE[(run["seed"] + of) % 6]
        return height[of] - 0.1 * (run["optimizer.lr"] != best[of]) + luck

    runs, epochs = runs_of(accuracy, accuracy, seeds=range(6), channels=(1, 10, 30))
    decision = decided(runs, epochs, levels=None, winner=30)
    assert decision.verdict == verdicts.SUPPORTED
    assert decision.bounds.interval.estimate == pytest.approx(0.01, abs=1e-3)
    assert [one.bounds.interval.estimate for one in decision.rivals] == pytest.approx(
        [0.06], abs=1e-3
    )


def test_a_level_that_diverged_is_not_chosen_and_hinders_nothing():
    runs, epochs = runs_of(lucky, lambda run: run["model.channels"] / 100)
    runs.loc[(runs["optimizer.lr"] == 0.003) & (runs["seed"] < 2), "state"] = "diverged"
    epochs = epochs[epochs["run_key"].isin(runs.index[runs["state"] == "done"])]
    decision = decided(runs, epochs)
    assert decision.per_seed.to_numpy() == pytest.approx([0.29] * 4)
    assert set(decision.choice.runs["optimizer.lr"]) == {0.001}


def test_a_chosen_run_that_diverged_is_told():
    runs, epochs = runs_of(lucky, lambda run: run["model.channels"] / 100)
    diverged = runs.index[(runs["optimizer.lr"] == 0.001) & (runs["seed"] == 1)]
    runs.loc[diverged, "state"] = "diverged"
    decision = decided(runs, epochs[~epochs["run_key"].isin(diverged)])
    assert decision.verdict == verdicts.NOT_TESTABLE
    assert "1 of 8 runs diverged (channels=1 lr=0.001 seed=1)" in decision.reason


@pytest.mark.parametrize(
    ("drop", "reason"),
    [
        (lambda runs: runs.index[(runs["optimizer.lr"] == 0.003) & (runs["model.channels"] == 1)],
         "were not tried at the same levels"),
        (lambda runs: runs.index[runs["seed"] > 0], "one seed"),
    ],
)  # fmt: skip
def test_a_choice_that_is_not_fair_is_refused(drop, reason):
    runs, epochs = runs_of(lucky, lambda run: run["model.channels"] / 100)
    dropped = drop(runs)
    runs, epochs = runs.drop(dropped), epochs[~epochs["run_key"].isin(dropped)]
    decision = decided(runs, epochs)
    assert decision.verdict == verdicts.NOT_TESTABLE and reason in decision.reason


def test_runs_without_validation_images_cannot_choose():
    runs, epochs = runs_of(lucky, lambda run: run["model.channels"] / 100)
    decision = decided(runs, epochs.drop(columns=["val/accuracy", "val/loss"]))
    assert decision.verdict == verdicts.NOT_TESTABLE
    assert decision.reason.startswith("val/accuracy was not recorded in 16 of 16 runs")


def test_the_answer_names_the_levels_and_an_edge():
    runs, epochs = runs_of(
        lambda run: {0.001: 0.8, 0.003: 0.9, 0.01: 0.7 + 0.25 * (run["model.channels"] == 30)}[
            run["optimizer.lr"]
        ],
        lambda run: 0.9 + (1 + 0.1 * studies.NOISE[run["seed"]]) * run["model.channels"] / 1000
        + 0.001 * studies.NOISE[run["seed"]],
        seeds=range(6),
        lr=(0.001, 0.003, 0.01),
    )  # fmt: skip
    made = studies.study(runs, epochs, claims={"one": claim(**CHANNELS)})
    assert answer(made, made.decisions[0]).found[1:3] == [
        "Best on the validation images: channels=30 at lr=0.01 in 6 of 6 seeds; channels=1 at"
        " lr=0.003 in 6 of 6 seeds.",
        "At the edge of what was tried: lr=0.01 for channels=30; widen the range.",
    ]
    row = claims_frame(made).iloc[0]
    assert (row["best_over"], row["n_fixed"]) == ("optimizer.lr", 3)
    assert "channels=1 at lr=0.003 in 6 of 6 seeds" in row["chosen"]


def test_a_choice_says_what_more_seeds_cost_at_every_level():
    runs, epochs = runs_of(lucky, lambda run: run["model.channels"] / 100)
    decision = decided(runs, epochs)
    assert len(decision.trained) == 4 and len(decision.contrast.cells) == 2
