"""How often verdicts over several cells are wrong: a winner's, a slope's, those over settings."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.decide import claims, verdicts
from analysis.decide.claims import ALPHA, Compared, Tested
from analysis.decide.evidence import Evidence, evidence, evidence_on, sides
from analysis.decide.judging import Levels, judged
from analysis.design.cells import cells_of
from analysis.design.contrasts import Contrast, Simple, contrasts_of
from analysis.design.luck import Luck, luck_of, sides_of, skewed, typical_ratios, unevenness
from analysis.design.within_seed import weighted
from runner.record import Claim

Numbers = NDArray[np.float64]


#: Seeds from which a true median is taken, and below which absolute value it is 0 by their number.
MANY, _NO_MEDIAN = 200_000, 0.02


def luck(random: np.random.Generator, shape: tuple[int, ...], distribution: str) -> Numbers:
    """Luck of mean 0: normal of standard deviation 1, or lognormal, of 0.75 in the logarithm."""
    luck = random.normal(size=shape)
    return luck if distribution == "normal" else np.exp(0.75 * luck) - np.exp(0.75**2 / 2)


def seen_of(
    values: Numbers,
    weights: Numbers,
    alpha: float,
    knobs: Numbers | None = None,
    wanted: Sequence[int] | None = None,
) -> list[Evidence]:
    """The evidence on each claim of a sweep.

    Cells that no claim compares with each other, and that share none of their claims' cells, may
    have other metrics: skewness is known from the others.

    Parameters
    ----------
    values
        Shape (n_seeds, n_cells).
    weights
        Of the claims' contrasts, shape (n_claims, n_cells).
    knobs
        Of their knobs at all settings, of the same shape, from which the luck of either side is
        known; by default the claims are about all settings.
    wanted
        The numbers of the claims, where not all are looked at.
    """
    knobs = weights if knobs is None else knobs
    table = pd.DataFrame(values)
    ratios = typical_ratios([sides_of(table, dict(enumerate(of_claim))) for of_claim in weights])
    found = []
    for claim in range(len(weights)) if wanted is None else wanted:
        of_claim = weights[claim]
        related = weights[(weights[:, of_claim != 0] != 0).any(axis=1)]
        is_skewed = skewed(values[:, (related != 0).any(axis=0)])
        known = Luck(unevenness(values, knobs[claim]), ratios[claim], is_skewed)
        differences, both_sides = weighted(values, of_claim), sides(values, of_claim)
        found.append(evidence(differences, both_sides, known, alpha))
    return found


def against_one_cell(
    distribution: str, n_claims: int, ratio: float
) -> tuple[Numbers, Numbers, Numbers]:
    """Claims that each compare a cell with the first, whose luck is `ratio` times as large.

    Returns
    -------
    tuple of three ndarrays
        How large the luck of each cell is, (n_claims + 1,); the weights of the contrasts,
        (n_claims, n_cells); and their true medians, (n_claims,).
    """
    spread = np.array([1.0] + [ratio] * n_claims)
    weights = np.column_stack([-np.ones(n_claims), np.eye(n_claims)])
    # A median of skewed luck is not its mean: that of a difference is known from many seeds.
    many = spread * luck(np.random.default_rng(0), (MANY, n_claims + 1), distribution)
    return spread, weights, np.median(many @ weights.T, axis=0)


def is_wrong(seen: Evidence, median: float) -> bool:
    """Whether a direction is wrong where the true mean is 0 and the true median is known."""
    estimate = seen.bounds.interval.estimate
    return not seen.by_median or estimate * median <= 0 or abs(median) < _NO_MEDIAN


def winner(n_levels: int, n_seeds: int, distribution: str, n_sweeps: int) -> dict[str, Any]:
    """How often a level is said to win, or to have lost, among levels that are all the same."""
    random = np.random.default_rng([n_levels, n_seeds])
    names = [f"level {place}" for place in range(n_levels)]
    contrasts = [Contrast("", [Simple({}, {names[0]: 1.0, other: -1.0})]) for other in names[1:]]
    weights = [contrast.weights for contrast in contrasts]
    claim = Claim("", "knob", "final(test/accuracy)", "greater", 0.0, winner=0)
    counts: Counter[str] = Counter()
    for values in luck(random, (n_sweeps, n_seeds, n_levels), distribution):
        numbers = pd.DataFrame(values, columns=names)
        seen = [
            evidence_on(numbers, of, ALPHA, luck=known)
            for of, known in zip(weights, luck_of(numbers, *weights), strict=True)
        ]
        compared = [Compared(c, one, 1.0) for c, one in zip(contrasts, seen, strict=True)]
        test = Tested(claim, numbers, 0, compared)
        level = ALPHA if test.p <= ALPHA else 0.0
        counts[claims.decided(test, ALPHA, level, 0.0).verdict] += 1
    case = {"what": f"{n_levels} levels that are the same", "luck": distribution}
    wrong = counts[verdicts.SUPPORTED] + counts[verdicts.REFUTED]
    return case | {"n_seeds": n_seeds, "wins": counts[verdicts.SUPPORTED] / n_sweeps,
                   "wrong": wrong / n_sweeps}  # fmt: skip


def slope(n_levels: int, n_seeds: int, distribution: str, n_sweeps: int) -> dict[str, Any]:
    """How often a slope has a direction among levels that are all the same.

    The luck of the last level is three times that of the others.
    """
    random = np.random.default_rng([n_levels, n_seeds])
    runs = pd.DataFrame({
        "cell_key": [str(place) for place in range(n_levels)], "cell": "",
        "knob": [2**place for place in range(n_levels)], "without_effect": [()] * n_levels,
    })  # fmt: skip
    claim = Claim("", "knob", "final(test/accuracy)", "greater", 0.0, slope=True)
    (contrast,) = contrasts_of(claim, cells_of(runs, ["knob"]))
    sizes = np.where(np.arange(n_levels) == n_levels - 1, 3.0, 1.0)
    n_wrong = 0
    for values in sizes * luck(random, (n_sweeps, n_seeds, n_levels), distribution):
        numbers = pd.DataFrame(values, columns=list(runs["cell_key"]))
        seen = evidence_on(numbers, contrast.weights, ALPHA)
        # Of a median that is not the mean nothing is known here: its directions are none.
        n_wrong += seen.p <= ALPHA and not seen.by_median
    return {"what": f"the slope over {n_levels} levels", "luck": distribution,
            "n_seeds": n_seeds, "wrong": n_wrong / n_sweeps}  # fmt: skip


def over_settings(
    crossing: float, n_seeds: int, distribution: str, n_sweeps: int
) -> dict[str, Any]:
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
    for noise in luck(random, (n_sweeps, n_seeds, len(effects)), distribution):
        numbers = pd.DataFrame(effects + noise * margin / 2, columns=contrast.cells)
        seen = evidence_on(numbers, contrast.weights, ALPHA)
        found = judged(claim, contrast, numbers, seen, Levels(ALPHA, ALPHA, ALPHA))
        counts[found.verdict] += 1
    averaged = n_sweeps - counts[verdicts.DEPENDS] - counts[verdicts.INCONCLUSIVE]
    return {"crossing": crossing, "luck": distribution, "n_seeds": n_seeds,
            "depends": counts[verdicts.DEPENDS] / n_sweeps,
            "averaged": averaged / n_sweeps}  # fmt: skip
