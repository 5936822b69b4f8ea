"""How often the verdicts are wrong, measured on made-up sweeps with known effects.

`python -m benchmarks.calibration` prints the tables of benchmarks/README.md and writes
results/calibration.json.
"""

import argparse
import json
import multiprocessing
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
from benchmarks import comparisons, looks
from benchmarks.comparisons import luck

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
#: Seeds from which a true median is taken, and below which absolute value it is 0 by their number.
_MANY, _NO_MEDIAN = 200_000, 0.02


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
    (many,) = sweeps(np.random.default_rng(0), 1, _MANY, SPREADS[spread], distribution)
    medians = np.median(many @ weights.T, axis=0)
    directions = hold = covered = 0
    for values in made_up:
        decisions = decided(values, weights, knobs=knobs)
        wrong = [
            given in verdicts.DIRECTIONAL and _is_wrong(seen, median)
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


def _is_wrong(seen: Evidence, median: float) -> bool:
    """Whether a direction is wrong where the true mean is 0 and the true median is known."""
    estimate = seen.bounds.interval.estimate
    return not seen.by_median or estimate * median <= 0 or abs(median) < _NO_MEDIAN


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
    """The rows as Markdown: the share of false directions by the number of claims, and coverage."""
    counts = sorted({row.n_claims for row in rows})
    claims = " | ".join(f"{n} claims" for n in counts)
    lines = [
        f"| noise | spread | seeds | {claims} | 95 % intervals that hold |",
        "| --- " * (len(counts) + 4) + "|",
    ]
    for case in dict.fromkeys((row.distribution, row.spread, row.n_seeds) for row in rows):
        of_case = [row for row in rows if (row.distribution, row.spread, row.n_seeds) == case]
        coverage = float(np.mean([row.coverage for row in of_case]))
        shares = [*(row.false_direction for row in of_case), coverage]
        percents = " | ".join(f"{100 * share:.1f} %" for share in shares)
        lines.append(f"| {' | '.join(map(str, case))} | {percents} |")
    return "\n".join(lines)


def _line(case: dict[str, Any], plain: tuple[str, ...], shares: tuple[str, ...]) -> str:
    """A row of a table: some values as they are, and shares in percent."""
    texts = [str(case[name]) for name in plain] + [f"{100 * case[name]:.1f} %" for name in shares]
    return f"| {' | '.join(texts)} |"


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
    cases = [
        (distribution, spread, n_seeds, n_claims, arguments.sweeps)
        for distribution, spread, n_seeds, n_claims in product(
            DISTRIBUTIONS, SPREADS, (3, 5, 8), range(1, 7)
        )
    ]
    effects = [
        (d_z, n, arguments.sweeps)
        for d_z, seeds in {
            0.5: (34,),
            0.8: (15,),
            1: (8, 10),
            1.5: (5, 6),
            2: (5, 8),
            3: (4,),
        }.items()
        for n in seeds
    ]
    ties = [(n, seeds, luck, arguments.sweeps // 5)
            for n, seeds, luck in product((2, 6), (5, 8), DISTRIBUTIONS)]  # fmt: skip
    slopes = [(n, seeds, luck, arguments.sweeps)
              for n, seeds, luck in product((3, 6), (5, 8), DISTRIBUTIONS)]  # fmt: skip
    sizes = (0.0, 0.5, 1.0, 2.0)
    crossings = [(c, n, luck, arguments.sweeps // 5)
                 for c, n, luck in product(sizes, (5, 8), DISTRIBUTIONS)]  # fmt: skip
    planted = [(e, sd, arguments.sweeps // 3) for sd, e in product((1.0, 2.0), (0, 0.5, 1, 2, 4))]
    null = [(d, n, r, arguments.sweeps // 3)
            for d, n, r in product(DISTRIBUTIONS, (1, 6), (1.0, 2.0))]  # fmt: skip
    with multiprocessing.get_context("spawn").Pool() as pool:
        rows = pool.starmap(without_effect, cases, chunksize=1)
        powers = pool.starmap(with_effect, effects, chunksize=1)
        winners = pool.starmap(comparisons.winner, ties, chunksize=1)
        lines = pool.starmap(comparisons.slope, slopes, chunksize=1)
        settings = pool.starmap(comparisons.over_settings, crossings, chunksize=1)
        saved = pool.starmap(looks.saved, planted, chunksize=1)
        at_looks = pool.starmap(looks.without_effect, null, chunksize=1)
    print(table(rows))
    print("\n| true difference / sd | seeds | found | noncentral t |\n| --- | --- | --- | --- |")
    for case in powers:
        print(_line(case, ("d_z", "n_seeds"), ("found", "expected")))
    print(
        "\n| a winner among | luck | seeds | said to win | any direction |\n" + "| --- " * 5 + "|"
    )
    for case in winners:
        print(_line(case, ("what", "luck", "n_seeds"), ("wins", "wrong")))
    print("\n| what | luck | seeds | a direction by the mean |\n" + "| --- " * 4 + "|")
    for case in lines:
        print(_line(case, ("what", "luck", "n_seeds"), ("wrong",)))
    print(
        "\n| effect / margin | luck | seeds | depends | an average is an answer |\n"
        + "| --- " * 5
        + "|"
    )
    for case in settings:
        print(_line(case, ("crossing", "luck", "n_seeds"), ("depends", "averaged")))
    shares = tuple(f"{of}: {what}" for of in ("looks", "fixed 8", "fixed 20")
                   for what in ("decided", "wrong"))  # fmt: skip
    print(f"\n| effect / margin | sd / margin | seeds of the looks | {' | '.join(shares)} |")
    print("| --- " * 9 + "|")
    for case in saved:
        print(_line(case | {"seeds": round(case["seeds"], 1)}, ("effect", "sd", "seeds"), shares))
    print("\n| luck | claims | luck of the others | any direction |\n" + "| --- " * 4 + "|")
    for case in at_looks:
        print(_line(case, ("luck", "n_claims", "ratio"), ("wrong",)))
    content = {
        "n_sweeps": arguments.sweeps,
        "without_effect": [asdict(row) for row in rows],
        "with_effect": powers,
        "winners": winners,
        "slopes": lines,
        "settings": settings,
        "looks": {"saved": saved, "without_effect": at_looks},
    }
    arguments.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
