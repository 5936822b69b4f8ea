"""The answers of a study in a reader's words, and on a terminal of 80 columns."""

import numpy as np
import pytest
import studies
from studies import claim, curves, frame, grid

from analysis.decide import verdicts
from analysis.report import answers
from analysis.report.answers import WORDS, answer, lines
from analysis.statistics.intervals import Interval
from runner.record import parse_reduction
from runner.system.language import say

THAN = " with dropout=true than with dropout=false"


def answered(effect, sd=0.001, margin=0.002, seeds=range(8), **knobs):
    """The answer to dropout's claim, where it has this effect."""
    knobs = knobs or dict(model__dropout=[True, False])
    runs = frame(grid(seeds, **knobs))

    def value(run, epoch):
        luck = np.random.default_rng([run["seed"], *map(ord, run["cell"])]).normal(0, sd)
        return 0.9 + 0.01 * run["seed"] + effect(run) + luck

    made = studies.study(runs, curves(runs, value), claims={"one": claim(margin=margin)})
    return answer(made, made.decisions[0])


def exactly(effect, sd):
    """As `answered`, of six seeds whose luck has exactly this standard deviation."""
    runs, epochs = studies.with_effect(lambda run: effect * run["model.dropout"], sd)
    epochs["time/train_s"], epochs["time/eval_s"] = 9.0, 1.0
    made = studies.study(runs, epochs, claims={"one": claim()})
    return answer(made, made.decisions[0])


def test_every_verdict_has_a_word():
    assert set(WORDS) == set(verdicts.MEANINGS)


def test_a_large_effect_is_a_yes_with_its_size_and_its_seeds():
    half = 2.570582 / np.sqrt(6)
    found = exactly(0.004, 0.001)
    assert (found.word, found.says) == ("YES", "Dropout helps")
    low, high = 0.4 - 0.1 * half, 0.4 + 0.1 * half
    assert found.found == [
        f"0.40 points higher{THAN}, surely {low:.2f} to {high:.2f}. In 6 of 6 seeds."
    ]


def test_the_other_way_is_a_no():
    found = exactly(-0.004, 0.001)
    assert found.word == "NO, THE OPPOSITE"
    assert found.found == [f"0.40 points lower{THAN}, surely 0.30 to 0.50. In 6 of 6 seeds."]


def test_how_much_may_be_open():
    found = exactly(0.0025, 0.001)
    assert found.word == "YES, HOW MUCH IS OPEN"
    assert ", which may be more or less than the 0.20 points that matter. In " in found.found[0]


@pytest.mark.parametrize("effect", [0.001, 0.0])
def test_a_small_effect_does_not_matter(effect):
    found = exactly(effect, 0.0005)
    assert found.word == "TOO SMALL TO MATTER"
    assert found.found[0].startswith("Between ")
    assert found.found[0].endswith(": less than the 0.20 points that matter.")


def test_what_is_too_small_lies_between_ends_that_are_less_than_what_matters():
    """By the interval of equivalence, 90 % for one claim: that of a difference reaches farther."""
    half = 0.2 * np.array([2.570582, 2.015048]) / np.sqrt(6)
    assert 0.02 + half[0] > 0.2 > 0.02 + half[1]
    found = exactly(0.0002, 0.002)
    assert found.word == "TOO SMALL TO MATTER"
    low, high = half[1] - 0.02, half[1] + 0.02
    assert found.found[0].startswith(f"Between {low:.2f} points lower and {high:.2f} points higher")


def test_an_open_claim_says_between_what_and_what_more_seeds_would_do():
    found = exactly(0.001, 0.004)
    assert found.word == "NOT YET"
    between, more = found.found
    assert between == f"Between 0.32 points lower and 0.52 points higher{THAN}."
    assert " more seeds (" in more and " % if the difference is as seen, " in more
    assert more.endswith(" % if there is none.")


def test_an_effect_that_crosses_depends_and_each_setting_is_listed():
    found = answered(
        lambda run: run["model.dropout"] * (0.02 if run["data.normalize"] else -0.01),
        model__dropout=[True, False], data__normalize=[True, False],
    )  # fmt: skip
    assert (found.word, found.says) == ("IT DEPENDS", "Dropout helps: on normalize")
    first, second = found.found
    assert first.startswith("normalize=true: ") and first.endswith(" points higher.")
    assert second.startswith("normalize=false: ") and second.endswith(" points lower.")


def test_an_effect_of_other_sizes_is_one_yes_with_its_sizes():
    found = answered(
        lambda run: run["model.dropout"] * (0.04 if run["data.normalize"] else 0.02),
        model__dropout=[True, False], data__normalize=[True, False],
    )  # fmt: skip
    assert found.word == "YES" and len(found.found) == 3
    assert found.found[1].startswith("normalize=true: ")


def test_what_cannot_be_said_has_its_reason():
    runs, epochs = studies.with_effect(lambda run: 0.0)
    claims = {"one": claim(metric="epochs_to(test/accuracy, 0.999)", margin=0.5)}
    made = studies.study(runs, epochs, claims=claims)
    found = answer(made, made.decisions[0])
    assert found.word == "CANNOT SAY"
    assert found.found[0].startswith("No run reached test/accuracy 0.999 in 3 epochs: train longer")


def test_epochs_are_more_or_fewer():
    runs = frame(grid(range(8), model__dropout=[True, False]))
    epochs = curves(runs, lambda run, epoch: 0.9 + 0.05 * (epoch >= 2 + run["model.dropout"]))
    claims = {"one": claim(metric="epochs_to(test/accuracy, 0.94)", margin=0.5)}
    made = studies.study(runs, epochs, claims=claims)
    assert answer(made, made.decisions[0]).found == [
        f"1.00 epochs more{THAN}. In 8 of 8 seeds, the same in each."
    ]


def test_no_difference_is_said_as_such():
    metric = parse_reduction("epochs_to(test/accuracy, 0.9)")
    assert answers.way(0.0, metric) == "no difference"
    assert answers.way(-1.0, metric) == "1.00 epochs fewer"
    few = Interval(0.0, float("-inf"), float("inf"), 0.95, 5, 4.0, 0.0)
    assert answers._span(few, metric, say(THAN)) == (
        "No difference in the median seed; so few seeds give no sure range"
    )


@pytest.mark.parametrize("width", [60, 80, 100])
def test_lines_are_broken_between_words_and_no_wider_than_the_terminal(width):
    found = exactly(0.0025, 0.001)
    printed = lines([(found, ["default claim"]), (exactly(0.004, 0.001), [])], width)
    assert max(map(len, printed)) <= width
    assert printed[1] == "YES, HOW MUCH IS OPEN"
    indent = " " * 12
    assert printed[2] == f"{indent}Dropout helps [default claim]"
    assert all(line.startswith((indent, "YES", "")) for line in printed)
    words = " ".join(" ".join(printed).split())
    assert found.found[0] in words and "YES Dropout helps" in words


def test_a_difference_between_two_metrics_says_which():
    runs, epochs = studies.with_effect(lambda run: 0.004 * run["model.dropout"], 0.001)
    epochs["test_masked/accuracy"] = 0.5
    claims = {"one": claim(minus="final(test_masked/accuracy)")}
    made = studies.study(runs, epochs, claims=claims)
    found = answer(made, made.decisions[0]).found[0]
    assert found.startswith("final(test/accuracy) less final(test_masked/accuracy): 0.40 points")
