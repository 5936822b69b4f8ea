"""How often the verdicts are wrong, measured on made-up sweeps with known effects.

`python -m benchmarks.calibration` prints the tables of benchmarks/README.md and writes
results/calibration.json.
"""

import argparse
import json
import multiprocessing
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.decide import verdicts
from analysis.decide.evidence import Evidence
from analysis.decide.verdicts import verdict
from analysis.statistics import p_values, power
from analysis.statistics.intervals import t_interval
from benchmarks import chances, comparisons, looks
from benchmarks.comparisons import MANY, is_wrong, luck

Numbers = NDArray[np.float64]
RESULTS = Path(__file__).resolve().parent / "results" / "calibration.json"
ALPHA = 0.05
#: Cells (a, b) of a 2 x 2 sweep, and the contrasts of up to six claims. They share runs, as those
#: of real sweeps do.
CELLS = [(0, 0), (0, 1), (1, 0), (1, 1)]
CONTRASTS = {
    "a": [-0.5, -0.5, 0.5, 0.5],
    "b": [-0.5, 0.5, -0.5, 0.5],
    "a at b=0": [-1, 0, 1, 0],
    "a at b=1": [0, -1, 0, 1],
    "b at a=0": [-1, 1, 0, 0],
    "b at a=1": [0, 0, -1, 1],
}
#: The standard deviation of the runs' own noise in each cell; the noise of a seed, which all cells
#: share, has 1.
SPREADS = {
    "equal": [1.0, 1.0, 1.0, 1.0],
    "one arm twice": [1.0, 1.0, 2.0, 2.0],
    "one arm three times": [1.0, 1.0, 3.0, 3.0],
    "one arm ten times": [1.0, 1.0, 10.0, 10.0],
}
DISTRIBUTIONS = ("normal", "lognormal")
N_CLAIMS = (1, 3, 6)


@dataclass(frozen=True)
class Row:
    """Sweeps without any effect."""

    distribution: str
    spread: str
    n_seeds: int
    n_claims: int
    #: Share of the sweeps in which one claim or more gets a verdict that names a wrong direction,
    #: with the margin 0, which is the hardest case: any direction where the mean is judged, and the
    #: other one than that of the median where the median is.
    false_direction: float
    #: Share of the 95 % intervals of single claims that hold the true value.
    coverage: float
    #: Share of the sweeps in which the intervals behind the verdicts all hold the true values.
    all_hold: float


def sweeps(
    random: np.random.Generator,
    n_sweeps: int,
    n_seeds: int,
    spread: list[float],
    distribution: str = "normal",
) -> Numbers:
    """A metric without any effect, shape (n_sweeps, n_seeds, n_cells), in units of its noise."""
    noise = luck(random, (n_sweeps, n_seeds, len(CELLS)), distribution)
    return random.normal(size=(n_sweeps, n_seeds, 1)) + np.asarray(spread) * noise


def decided(
    values: Numbers,
    weights: Numbers,
    margin: float = 0.0,
    direction: str = "either",
    knobs: Numbers | None = None,
) -> list[tuple[str, Evidence]]:
    """The verdicts on the claims of a sweep, as `analysis.decide` reaches them.

    Parameters
    ----------
    values, weights, knobs
        As of `comparisons.seen_of`.
    """
    alpha = ALPHA / len(weights)
    seen = comparisons.seen_of(values, weights, alpha, knobs)
    levels = p_values.holm_levels([one.p for one in seen], ALPHA)
    return [
        (verdict(one.bounds, direction, margin, bool(one.p <= level)), one)
        for one, level in zip(seen, levels, strict=True)
    ]


def without_effect(
    distribution: str, spread: str, n_seeds: int, n_claims: int, n_sweeps: int
) -> Row:
    """The row of one case."""
    random = np.random.default_rng([n_seeds, n_claims, len(spread), len(distribution)])
    made_up = sweeps(random, n_sweeps, n_seeds, SPREADS[spread], distribution)
    names = list(CONTRASTS)[:n_claims]
    weights = np.array([CONTRASTS[name] for name in names], dtype=float)
    knobs = np.array([CONTRASTS[name[0]] for name in names])
    # A median of skewed luck is not its mean: that of a difference is known from many seeds.
    (many,) = sweeps(np.random.default_rng(0), 1, MANY, SPREADS[spread], distribution)
    medians = np.median(many @ weights.T, axis=0)
    directions = hold = covered = 0
    for values in made_up:
        decisions = decided(values, weights, knobs=knobs)
        wrong = [
            given in verdicts.DIRECTIONAL and is_wrong(seen, median)
            for (given, seen), median in zip(decisions, medians, strict=True)
        ]
        directions += any(wrong)
        truths = [
            m if seen.by_median else 0.0 for (_, seen), m in zip(decisions, medians, strict=True)
        ]
        intervals = [seen.bounds.interval for _, seen in decisions]
        hold += all(i.low <= t <= i.high for i, t in zip(intervals, truths, strict=True))
        covered += sum(
            interval.low <= 0 <= interval.high
            for interval in map(t_interval, (seen.differences for _, seen in decisions))
        )
    return Row(
        distribution,
        spread,
        n_seeds,
        n_claims,
        directions / n_sweeps,
        covered / n_sweeps / n_claims,
        hold / n_sweeps,
    )


def against_one(distribution: str, ratio: float, n_seeds: int, n_sweeps: int) -> dict[str, Any]:
    """How often a direction is wrong where all claims of a sweep share a cell and have no effect.

    So are the parts of a network that are taken away one at a time. Every other cell has `ratio`
    times the luck of the one that is shared. The margin is 0.
    """
    random = np.random.default_rng([len(distribution), int(ratio), n_seeds])
    n_claims = max(N_CLAIMS)
    spread, weights, medians = comparisons.against_one_cell(distribution, n_claims, ratio)
    noise = luck(random, (n_sweeps, n_seeds, n_claims + 1), distribution)
    made_up = random.normal(size=(n_sweeps, n_seeds, 1)) + spread * noise
    wrong = by_median = 0
    for values in made_up:
        decisions = decided(values, weights)
        by_median += sum(seen.by_median for _, seen in decisions)
        wrong += any(
            given in verdicts.DIRECTIONAL and is_wrong(seen, median)
            for (given, seen), median in zip(decisions, medians, strict=True)
        )
    return {"luck": distribution, "ratio": ratio, "n_seeds": n_seeds, "n_claims": n_claims,
            "wrong": wrong / n_sweeps, "by_median": by_median / n_sweeps / n_claims}  # fmt: skip


def with_effect(d_z: float, n_seeds: int, n_sweeps: int) -> dict[str, Any]:
    """How often a true difference of `d_z` is found, and the power by the noncentral t."""
    random = np.random.default_rng([n_seeds, int(10 * d_z)])
    # Both sides have the same noise, of which each has half the variance of the difference.
    values = random.normal(scale=np.sqrt(0.5), size=(n_sweeps, n_seeds, 2)) + [0.0, d_z]
    weights = np.array([[-1.0, 1.0]])
    share = np.mean([decided(both, weights)[0][0] in verdicts.DIRECTIONAL for both in values])
    expected = power.power(d_z, n_seeds)
    return {"d_z": d_z, "n_seeds": n_seeds, "found": float(share), "expected": expected}


def table(rows: list[Row]) -> str:
    """The rows as Markdown: the share of false directions by the number of claims.

    The last column is the share of the intervals told of a lone claim that hold the truth.
    """
    counts = sorted({row.n_claims for row in rows})
    claims = " | ".join(f"{n} claims" for n in counts)
    lines = [
        f"| noise | spread | seeds | {claims} | 95 % intervals told that hold |",
        "| --- " * (len(counts) + 4) + "|",
    ]
    for case in dict.fromkeys((row.distribution, row.spread, row.n_seeds) for row in rows):
        of_case = [row for row in rows if (row.distribution, row.spread, row.n_seeds) == case]
        (told,) = (row.all_hold for row in of_case if row.n_claims == 1)
        shares = [*(row.false_direction for row in of_case), told]
        percents = " | ".join(f"{100 * share:.1f} %" for share in shares)
        lines.append(f"| {' | '.join(map(str, case))} | {percents} |")
    return "\n".join(lines)


def _print(heading: str, cases: list[dict[str, Any]], plain: list[str], shares: list[str]) -> None:
    """A Markdown table: some values of each case as they are, and shares in percent."""
    print(f"\n| {heading} |\n" + "| --- " * (len(plain) + len(shares)) + "|")
    for case in cases:
        texts = [str(case[name]) for name in plain] + [
            f"{100 * case[name]:.1f} %" for name in shares
        ]
        print(f"| {' | '.join(texts)} |")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__)
    parser.add_argument(
        "--sweeps", type=int, default=10_000, help="made-up sweeps a row (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, default=RESULTS, help="JSON file (default: %(default)s)"
    )
    arguments = parser.parse_args()
    n = arguments.sweeps
    # Those that take longer are fewer; they are at least as many as tell 5 % from 8 %.
    fewer, fewest = max(n // 3, min(n, 1000)), max(n // 20, min(n, 300))
    seeds = (3, 5, 8)
    powers = {0.5: (34,), 0.8: (15,), 1: (8, 10), 1.5: (5, 6), 2: (5, 8), 3: (4,)}
    cases: dict[Callable[..., Any], Iterable[Any]] = {
        without_effect: product(DISTRIBUTIONS, SPREADS, seeds, N_CLAIMS, [n]),
        against_one: product(DISTRIBUTIONS, (1.0, 2.0, 3.0, 6.0), (5, 8), [n]),
        with_effect: [(d_z, n_seeds, n) for d_z, of in powers.items() for n_seeds in of],
        comparisons.winner: product((2, 6), (5, 8), DISTRIBUTIONS, [fewer]),
        comparisons.slope: product((3, 6), (5, 8), DISTRIBUTIONS, [n]),
        comparisons.over_settings: product((0.0, 0.5, 1.0, 2.0), (5, 8), DISTRIBUTIONS, [fewer]),
        looks.saved: [(e, sd, fewer) for sd, e in product((1.0, 2.0), (0, 0.5, 1, 2, 4))],
        looks.without_effect: product(DISTRIBUTIONS, (1, 6), (1.0, 2.0), [fewer]),
        chances.stated: [
            (sd, e, k, fewest)
            for k, sd, e in product((1, 2, 4), (1.0, 1.5, 2.0, 3.0), (0.0, 1.0, 2.0))
        ],
    }
    with multiprocessing.get_context("spawn").Pool() as pool:
        found: dict[Callable[..., Any], list[Any]] = {
            of: pool.starmap(of, list(each), chunksize=1) for of, each in cases.items()
        }
    print(table(found[without_effect]))
    _print("luck | luck of the others | seeds | wrong direction | by the median",
           found[against_one], ["luck", "ratio", "n_seeds"], ["wrong", "by_median"])  # fmt: skip
    _print("true difference / sd | seeds | found | noncentral t", found[with_effect],
           ["d_z", "n_seeds"], ["found", "expected"])  # fmt: skip
    _print("a winner among | luck | seeds | said to win | any direction",
           found[comparisons.winner], ["what", "luck", "n_seeds"], ["wins", "wrong"])  # fmt: skip
    _print("what | luck | seeds | a direction by the mean",
           found[comparisons.slope], ["what", "luck", "n_seeds"], ["wrong"])  # fmt: skip
    _print("effect / margin | luck | seeds | depends | an average is an answer",
           found[comparisons.over_settings], ["crossing", "luck", "n_seeds"],
           ["depends", "averaged"])  # fmt: skip
    of_looks = [f"{of}: {what}" for of in ("looks", "fixed 8", "fixed 20")
                for what in ("decided", "wrong")]  # fmt: skip
    _print(f"effect / margin | sd / margin | seeds of the looks | {' | '.join(of_looks)}",
           [case | {"seeds": round(case["seeds"], 1)} for case in found[looks.saved]],
           ["effect", "sd", "seeds"], of_looks)  # fmt: skip
    _print("luck | claims | luck of the others | wrong direction",
           found[looks.without_effect], ["luck", "n_claims", "ratio"], ["wrong"])  # fmt: skip
    of_chances = [f"{of}: {name}" for name in chances.NAMED for of in ("said", "was")]
    _print(f"sd / margin | effect / margin | settings | undecided | {' | '.join(of_chances)}",
           found[chances.stated], ["sd", "effect", "n_settings", "n_undecided"],
           of_chances)  # fmt: skip
    content = {
        "n_sweeps": {"all": n, "winners, settings and looks": fewer, "chances": fewest},
        "without_effect": [asdict(row) for row in found[without_effect]],
        "against_one": found[against_one],
        "with_effect": found[with_effect],
        "winners": found[comparisons.winner],
        "slopes": found[comparisons.slope],
        "settings": found[comparisons.over_settings],
        "looks": {
            "saved": found[looks.saved],
            "without_effect": found[looks.without_effect],
        },
        "chances": found[chances.stated],
    }
    arguments.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
