"""How often verdicts over several contrasts are wrong: a winner's, and those over settings."""

from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.decide import claims, verdicts
from analysis.decide.claims import ALPHA, Compared, Tested
from analysis.decide.evidence import evidence_on
from analysis.decide.judging import Levels, judged
from analysis.design.contrasts import Contrast, Simple
from runner.record import Claim

Numbers = NDArray[np.float64]


def luck(random: np.random.Generator, shape: tuple[int, ...], distribution: str) -> Numbers:
    """Luck of mean 0: normal of standard deviation 1, or lognormal, of 0.75 in the logarithm."""
    luck = random.normal(size=shape)
    return luck if distribution == "normal" else np.exp(0.75 * luck) - np.exp(0.75**2 / 2)


def winner(n_levels: int, n_seeds: int, distribution: str, n_sweeps: int) -> dict[str, Any]:
    """How often a level is said to win, or to have lost, among levels that are all the same."""
    random = np.random.default_rng([n_levels, n_seeds])
    names = [f"level {place}" for place in range(n_levels)]
    contrasts = [Contrast("", [Simple({}, {names[0]: 1.0, other: -1.0})]) for other in names[1:]]
    claim = Claim("", "knob", "final(test/accuracy)", "greater", 0.0, winner=0)
    counts: Counter[str] = Counter()
    for values in luck(random, (n_sweeps, n_seeds, n_levels), distribution):
        numbers = pd.DataFrame(values, columns=names)
        seen = [evidence_on(numbers, contrast.weights, ALPHA) for contrast in contrasts]
        compared = [Compared(c, one, 1.0) for c, one in zip(contrasts, seen, strict=True)]
        test = Tested(claim, numbers, 0, compared)
        level = ALPHA if test.p <= ALPHA else 0.0
        counts[claims.decided(test, ALPHA, level, 0.0).verdict] += 1
    case = {"what": f"{n_levels} levels that are the same", "luck": distribution}
    wrong = counts[verdicts.SUPPORTED] + counts[verdicts.REFUTED]
    return case | {"n_seeds": n_seeds, "wins": counts[verdicts.SUPPORTED] / n_sweeps,
                   "wrong": wrong / n_sweeps}  # fmt: skip


def over_settings(crossing: float, n_seeds: int, n_sweeps: int) -> dict[str, Any]:
    """How often an effect is said to depend, and how often its average is given as an answer.

    It is `crossing` times the margin, one way at two of four settings and the other way at the
    other two, so that it is nothing on average over either of the two other knobs. The luck of a
    run is half the margin.
    """
    random = np.random.default_rng([int(10 * crossing), n_seeds])
    margin, signs = 1.0, {(0, 0): 1.0, (0, 1): -1.0, (1, 0): -1.0, (1, 1): 1.0}
    simples = [
        Simple({"first": a, "second": b}, {f"1 {a} {b}": 1.0, f"0 {a} {b}": -1.0}) for a, b in signs
    ]
    contrast = Contrast("", simples)
    effects = np.array([
        float(cell.startswith("1")) * crossing * margin * sign
        for simple, sign in zip(simples, signs.values(), strict=True)
        for cell in simple.weights
    ])  # fmt: skip
    claim = Claim("", "knob", "final(test/accuracy)", "either", margin, levels=[1, 0])
    counts: Counter[str] = Counter()
    for luck in random.normal(scale=margin / 2, size=(n_sweeps, n_seeds, len(effects))):
        numbers = pd.DataFrame(effects + luck, columns=contrast.cells)
        seen = evidence_on(numbers, contrast.weights, ALPHA)
        found = judged(claim, contrast, numbers, seen, Levels(ALPHA, ALPHA, ALPHA))
        counts[found.verdict] += 1
    averaged = n_sweeps - counts[verdicts.DEPENDS] - counts[verdicts.INCONCLUSIVE]
    return {"crossing": crossing, "n_seeds": n_seeds,
            "depends": counts[verdicts.DEPENDS] / n_sweeps,
            "averaged": averaged / n_sweeps}  # fmt: skip
