"""How often the verdicts are wrong on the luck of real trainings.

`python -m benchmarks.real_luck` trains 200 seeds of two small cells on MNIST, draws sweeps of a few
seeds from them, and prints the table of benchmarks/README.md; results/real-luck.json has its
figures.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np

from analysis.decide import metrics, verdicts
from analysis.decide.evidence import Evidence
from analysis.design.within_seed import table
from analysis.read import runs as reader
from analysis.statistics.intervals import t_interval
from benchmarks import looks
from benchmarks.calibration import Numbers, decided
from benchmarks.machine import machine, versions
from runner.record import Claim

RESULTS = Path(__file__).resolve().parent / "results" / "real-luck.json"
N_SEEDS = 200
#: A second or two a run: 2,000 images, 4 channels, two epochs, with and without dropout.
SWEEP = [
    "data.n_train=2000",
    "model.channels=4",
    "model.hidden_size=32",
    "train.epochs=2",
    "train.batch_size=50",
    "model.dropout=true,false",
]
#: What up to six claims are about.
METRICS = [
    "final(test/accuracy)",
    "auc(train/accuracy)",
    "final(test/loss)",
    "auc(train_eval/accuracy)",
    "final(test_masked/accuracy)",
    "final(train/loss)",
]
#: How the two sides of a claim are drawn.
SAME, PAIRED = "the same cell, other seeds", "both cells, the same seeds"


@dataclass(frozen=True)
class Row:
    """Sweeps that were drawn from the trainings."""

    sides: str
    n_seeds: int
    n_claims: int
    #: The true difference, in units of its standard deviation over the seeds.
    shift: float
    #: Share of the sweeps in which one claim or more has a wrong direction; where there is a
    #: difference, that is the other way than it.
    wrong: float
    #: Share of the sweeps in which one claim or more has the right direction.
    found: float
    #: Share of the claims that are judged by the median.
    by_median: float
    #: Share of the 95 % t intervals of single claims that hold the true mean.
    coverage: float


def train(root: Path) -> None:
    """Train what is missing of the two cells."""
    seeds = ",".join(map(str, range(N_SEEDS)))
    line = [sys.executable, "-m", "runner", "-m", *SWEEP, f"seed={seeds}", f"runner.root={root}"]
    subprocess.run([*line, "progress=false"], check=True, stdout=subprocess.DEVNULL)


def luck(root: Path) -> Numbers:
    """Every metric of every run, shape (n_seeds, 2 cells, n_metrics), each cell with mean 0."""
    sweep = reader.read(reader.local_uri(root))
    found = []
    for metric in METRICS:
        claim = Claim("", "model.dropout", metric, "either", 0.0, levels=[True, False])
        numbers = metrics.of_claim(claim, sweep.epochs)["value"]
        found.append(table(sweep.runs, numbers).to_numpy(float))
    values = np.stack(found, axis=2)
    return np.asarray(values - values.mean(axis=0))


def drawn(values: Numbers, sides: str, n_seeds: int, n_claims: int, shift: float, n: int) -> Row:
    """The row of one case.

    Parameters
    ----------
    values
        As `luck` gives them.
    n
        The number of sweeps that are drawn.
    """
    random = np.random.default_rng([len(sides), n_seeds, n_claims, int(10 * shift)])
    n_all = len(values)
    if sides == PAIRED:
        spreads = (values[:, 0] - values[:, 1]).std(axis=0, ddof=1)
        medians = np.median(values[:, 0] - values[:, 1], axis=0)
    else:
        spreads = np.sqrt(2) * values[:, 0].std(axis=0, ddof=1)
        medians = np.zeros(len(METRICS))
    # The columns are the first sides of all claims, then the others.
    one = np.eye(n_claims)
    weights = np.concatenate([one, -one], axis=1)
    wrong = found = by_median = covered = 0
    for _ in range(n):
        seeds = random.permutation(n_all)
        first, second = values[seeds[:n_seeds], 0], values[seeds[:n_seeds], 1]
        if sides == SAME:
            second = values[seeds[n_seeds : 2 * n_seeds], 0]
        both = np.concatenate([(first + shift * spreads)[:, :n_claims], second[:, :n_claims]], 1)
        decisions = decided(both, weights)
        directions = [
            _is_right(seen, shift * spread, shift * spread + median)
            for (given, seen), spread, median in zip(decisions, spreads, medians, strict=False)
            if given in verdicts.DIRECTIONAL
        ]
        wrong += not all(directions)
        found += any(directions)
        by_median += sum(seen.by_median for _, seen in decisions)
        intervals = (t_interval(seen.differences) for _, seen in decisions)
        covered += sum(
            i.low <= shift * s <= i.high for i, s in zip(intervals, spreads, strict=False)
        )
    n_decided = n * n_claims
    return Row(sides, n_seeds, n_claims, shift, wrong / n, found / n, by_median / n_decided,
               covered / n_decided)  # fmt: skip


def at_looks(values: Numbers, sides: str, n_claims: int, n: int) -> float:
    """The share of sweeps of planned looks that name a direction where there is no difference.

    Where the median is judged, and is not 0 as the mean is, its direction counts as wrong, too.
    """
    random = np.random.default_rng([len(sides), n_claims])
    n_most, one = looks.SIZES[-1], np.eye(n_claims)
    weights = np.concatenate([one, -one], axis=1)
    n_wrong = 0
    for _ in range(n):
        seeds = random.permutation(len(values))
        first, second = values[seeds[:n_most], 0], values[seeds[:n_most], 1]
        if sides == SAME:
            second = values[seeds[n_most : 2 * n_most], 0]
        both = np.concatenate([first[:, :n_claims], second[:, :n_claims]], axis=1)
        given = [verdict for verdict, _ in looks.until_decided(both, weights, 0.0)]
        n_wrong += any(verdict in verdicts.DIRECTIONAL for verdict in given)
    return n_wrong / n


def _is_right(seen: Evidence, mean: float, median: float) -> bool:
    """Whether a direction is that of the truth: of the median where that is judged."""
    return seen.bounds.interval.estimate * (median if seen.by_median else mean) > 0


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_luck", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of the trainings")
    parser.add_argument("--sweeps", type=int, default=4000, help="a row (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="default: %(default)s")
    given = parser.parse_args()
    train(given.root)
    values = luck(given.root)
    rows = [
        drawn(values, sides, n_seeds, n_claims, shift, given.sweeps)
        for sides, shift, n_claims, n_seeds in product(
            (SAME, PAIRED), (0.0, 1.0, 2.0), (1, 6), (5, 8)
        )
    ]
    heads = ["sides", "difference / sd", "claims", "seeds", "wrong direction", "found",
             "by the median", "95 % intervals that hold"]  # fmt: skip
    print(f"| {' | '.join(heads)} |\n" + "| --- " * len(heads) + "|")
    for row in rows:
        shares = (row.wrong, row.found, row.by_median, row.coverage)
        percents = " | ".join(f"{100 * share:.1f} %" for share in shares)
        print(f"| {row.sides} | {row.shift:g} | {row.n_claims} | {row.n_seeds} | {percents} |")
    planned = [
        (sides, n_claims, at_looks(values, sides, n_claims, given.sweeps // 4))
        for sides, n_claims in product((SAME, PAIRED), (1, 6))
    ]
    print(
        "\n| sides | claims | looks at 5, 10, 20, 40 seeds: any direction |\n" + "| --- " * 3 + "|"
    )
    for sides, n_claims, wrong in planned:
        print(f"| {sides} | {n_claims} | {100 * wrong:.1f} % |")
    content = {
        "n_sweeps": given.sweeps,
        "command": SWEEP,
        "n_seeds": N_SEEDS,
        "machine": machine(),
        "versions": versions(),
        "rows": [asdict(row) for row in rows],
        "looks": planned,
    }
    given.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
