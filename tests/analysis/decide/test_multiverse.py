"""Whether a verdict depends on how it was computed."""

from studies import NOISE, SEEDS, cells, claim, curves, with_effect

from analysis.decide import verdicts
from analysis.decide.beside.multiverse import multiverse
from analysis.decide.claims import decide


def test_every_other_way_to_compute_it_is_counted():
    runs, epochs = with_effect(lambda run: 0.004 * run["model.dropout"])
    epochs = curves(
        runs,
        lambda run, epoch: float(
            epochs.loc[epochs["run_key"] == run["run_key"], "test/accuracy"].iloc[-1]
        ),
        5,
    )
    decision = decide(claim(), runs, epochs, cells(runs), 0.05)
    choices = multiverse(decision, runs, epochs)
    assert list(choices.verdicts) == [
        "as declared",
        "mean of the last 3 epochs",
        *(f"without seed {s}" for s in SEEDS),
    ]
    assert (choices.n_agree, choices.flips) == (8, {})


def test_the_choice_that_flips_a_verdict_is_named():
    runs, _ = with_effect(lambda run: 0.0)
    lucky = curves(
        runs,
        lambda run, epoch: (
            0.9
            + 0.01 * run["seed"]
            + run["model.dropout"] * (0.003 + 0.0002 * NOISE[run["seed"]]) * (epoch == 5)
        ),
        5,
    )
    decision = decide(claim(), runs, lucky, cells(runs), 0.05)
    assert decision.verdict == verdicts.SUPPORTED
    assert multiverse(decision, runs, lucky).flips == {
        "mean of the last 3 epochs": verdicts.NEGLIGIBLE
    }
