"""What looks save, and how often they are wrong: seeds that come until a claim is decided."""

from typing import Any

import numpy as np

from analysis.decide import verdicts
from analysis.decide.claims import ALPHA
from analysis.decide.evidence import Evidence
from analysis.decide.looks import alpha_of
from analysis.decide.verdicts import verdict
from analysis.statistics import p_values
from benchmarks.comparisons import Numbers, against_one_cell, is_wrong, luck, seen_of

#: The number of seeds at each look, and the fixed numbers that they are held against.
SIZES, FIXED = (5, 10, 20, 40), (8, 20)


def until_decided(values: Numbers, weights: Numbers, margin: float) -> list[tuple[str, int]]:
    """The verdict on each claim of a sweep, and at how many seeds it was reached.

    Parameters
    ----------
    values
        Shape (n_seeds, n_cells), as many seeds as the last look has.
    weights
        Of the claims' contrasts, shape (n_claims, n_cells).
    """
    return [(given, len(seen.differences)) for given, seen in _reached(values, weights, margin)]


def _reached(values: Numbers, weights: Numbers, margin: float) -> list[tuple[str, Evidence]]:
    """The verdict on each claim, and the evidence of the look that reached it."""
    found: dict[int, tuple[str, Evidence]] = {}
    for number, n in enumerate(SIZES, 1):
        settled = {c: given for c, (given, _) in found.items() if given != verdicts.INCONCLUSIVE}
        still = [claim for claim in range(len(weights)) if claim not in settled]
        alpha = alpha_of(number)
        given = _verdicts(values[:n], weights, margin, alpha, still, settled)
        found |= dict(zip(still, given, strict=True))
    return [found[claim] for claim in range(len(weights))]


def _verdicts(
    values: Numbers,
    weights: Numbers,
    margin: float,
    alpha: float,
    still: list[int],
    settled: dict[int, str],
) -> list[tuple[str, Evidence]]:
    """As `analysis.decide.claims.decide_all` reaches them, of claims that are open."""
    seen = seen_of(values, weights, alpha / len(weights), wanted=still)
    beside = [1.0 for given in settled.values() if given not in verdicts.DIRECTIONAL]
    levels = p_values.holm_levels([*(one.p for one in seen), *beside], alpha)[: len(seen)]
    given = []
    for one, level in zip(seen, levels, strict=True):
        is_established = bool(one.p <= level)
        bounds = one.bounds.with_direction() if is_established else one.bounds
        given.append((verdict(bounds, "either", margin, is_established), one))
    return given


def saved(effect: float, sd: float, n_sweeps: int) -> dict[str, Any]:
    """One claim, a true difference of `effect` margins, seeds that differ by `sd` margins.

    Returns
    -------
    dict
        The mean number of seeds of the looks; and of them and of each fixed number of seeds the
        share of sweeps that are decided, and that name a wrong direction.
    """
    random = np.random.default_rng([int(2 * effect), int(sd)])
    scale = sd * np.sqrt(0.5)
    made_up = random.normal(scale=scale, size=(n_sweeps, SIZES[-1], 2)) + [0.0, effect]
    weights = np.array([[-1.0, 1.0]])
    looks = [until_decided(values, weights, 1.0)[0] for values in made_up]
    row: dict[str, Any] = {"effect": effect, "sd": sd}
    row["seeds"] = float(np.mean([n for _, n in looks]))
    row |= _shares("looks", [given for given, _ in looks], made_up, [n for _, n in looks], effect)
    for n in FIXED:
        given = [_verdicts(values[:n], weights, 1.0, ALPHA, [0], {})[0][0] for values in made_up]
        row |= _shares(f"fixed {n}", given, made_up, [n] * n_sweeps, effect)
    return row


def _shares(
    name: str, given: list[str], made_up: Numbers, n_seeds: list[int], effect: float
) -> dict[str, float]:
    decided = np.mean([one != verdicts.INCONCLUSIVE for one in given])
    differences = made_up[:, :, 1] - made_up[:, :, 0]
    wrong = [
        one in verdicts.DIRECTIONAL and (effect == 0 or float(np.mean(d[:n])) < 0)
        for one, d, n in zip(given, differences, n_seeds, strict=True)
    ]
    return {f"{name}: decided": float(decided), f"{name}: wrong": float(np.mean(wrong))}


def without_effect(distribution: str, n_claims: int, ratio: float, n_sweeps: int) -> dict[str, Any]:
    """How often looks name a wrong direction where there is no effect; claims share a first cell.

    The margin is 0, the hardest case: nothing is ever equivalent, and all looks are taken. Every
    other cell has `ratio` times the luck of the first.
    """
    random = np.random.default_rng([len(distribution), n_claims, int(ratio)])
    spread, weights, medians = against_one_cell(distribution, n_claims, ratio)
    shape = (n_sweeps, SIZES[-1], n_claims + 1)
    made_up = random.normal(size=(*shape[:2], 1)) + spread * luck(random, shape, distribution)
    wrong = [
        any(
            given in verdicts.DIRECTIONAL and is_wrong(seen, median)
            for (given, seen), median in zip(_reached(values, weights, 0.0), medians, strict=True)
        )
        for values in made_up
    ]
    return {"luck": distribution, "n_claims": n_claims, "ratio": ratio,
            "wrong": float(np.mean(wrong))}  # fmt: skip
