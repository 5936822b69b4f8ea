"""A difference that is too small to matter on average has to be so at every setting."""

import numpy as np
import pandas as pd
import pytest
from studies import cells, claim, curves, frame, grid

from analysis.decide import verdicts
from analysis.decide.beside.more_seeds import Ahead
from analysis.decide.beside.multiverse import multiverse
from analysis.decide.claims import decide
from analysis.decide.evidence import evidence_on
from analysis.decide.judging import Levels, judged
from analysis.design.contrasts import Contrast, Simple

LEVELS = Levels(0.05, 0.05, 0.05)
#: A knob at two settings of another one.
CONTRAST = Contrast("", [
    Simple({"other": place}, {f"on {place}": 1.0, f"off {place}": -1.0}) for place in (0, 1)
])  # fmt: skip


def of_settings(first, second, sd, n=8):
    """Dropout's effect at two numbers of channels, each run with luck of its own."""
    runs = frame(grid(range(n), model__channels=[1, 30], model__dropout=[True, False]))

    def value(run, epoch):
        seed = [run["seed"], run["model.channels"], run["model.dropout"]]
        effect = first if run["model.channels"] == 1 else second
        return 0.9 + effect * run["model.dropout"] + np.random.default_rng(seed).normal(0, sd)

    return runs, curves(runs, value)


def test_what_turns_round_is_not_small_though_it_is_on_average():
    runs, epochs = of_settings(0.0022, -0.0022, 0.0013)
    # At so small an alpha these seeds do not establish that it turns round.
    alpha = 1e-4
    decision = decide(claim(direction="either", margin=0.004), runs, epochs, cells(runs), alpha)
    equivalence = decision.bounds.equivalence
    assert -0.004 < equivalence.low and equivalence.high < 0.004
    assert decision.p_same > alpha
    assert decision.verdict == verdicts.INCONCLUSIVE
    assert verdicts.EQUIVALENT not in multiverse(decision, runs, epochs).verdicts.values()


def test_what_is_small_at_each_setting_is_small():
    runs, epochs = of_settings(0.0002, -0.0002, 0.0005)
    decision = decide(claim(direction="either"), runs, epochs, cells(runs), 0.05)
    assert decision.verdict == verdicts.EQUIVALENT


def test_a_direction_that_is_small_on_average_alone_is_open_in_size():
    runs, epochs = of_settings(0.0002, 0.0022, 0.0003)
    decision = decide(claim(direction="either", margin=0.0018), runs, epochs, cells(runs), 1e-9)
    assert decision.bounds.interval.high > 0
    by_average = verdicts.verdict(decision.bounds, "either", 0.0018, True)
    assert verdicts.verdict(decision.bounds, "either", 0.0018, True, False) == verdicts.DIRECTION
    assert by_average in (verdicts.NEGLIGIBLE, verdicts.DIRECTION)


def luck(random, n, sd):
    names = [f"{level} {place}" for place in (0, 1) for level in ("on", "off")]
    return pd.DataFrame(random.normal(0, sd * np.sqrt(0.5), size=(n, 4)), columns=names)


@pytest.mark.parametrize("sd", [0.8, 2.0])
def test_the_chance_that_more_seeds_show_it_to_be_small_everywhere_is_what_happens(sd):
    """Six seeds in hand and eighteen more, in units of the margin, and no effect at all."""
    random = np.random.default_rng(int(10 * sd))
    stated, happened = [], []
    for _ in range(80):
        numbers = luck(random, 6, sd)
        seen = evidence_on(numbers, CONTRAST.weights, 0.05)
        if seen.by_median:
            continue
        claimed = claim(direction="either", margin=1.0)
        found = judged(claimed, CONTRAST, numbers, seen, LEVELS)
        at_settings = [setting.interval for setting in found.settings]
        ahead = Ahead(seen.differences, 0.05, 0.05, 1.0, at_settings=at_settings)
        stated.append(ahead.chance(0.0, 18))
        more = pd.concat([numbers, luck(random, 18, sd)], ignore_index=True)
        after = judged(claimed, CONTRAST, more, evidence_on(more, CONTRAST.weights, 0.05), LEVELS)
        happened.append(after.verdict != verdicts.INCONCLUSIVE)
    assert np.mean(stated) == pytest.approx(np.mean(happened), abs=0.1)
