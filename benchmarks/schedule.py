"""How long a large sweep takes on many hosts that die: `python -m benchmarks.schedule`.

Simulated, not measured. Runs of `N_CELLS` cells, whose slowest takes `SLOWEST` times as long as the
fastest, are dealt to tasks: `in turn` gives task i the runs i, i + K, ...; `shares` is what
hydra/launcher=slurm does (`dealt` in runner/work/share.py); `queue` is what a driver does that
hands out the next run to whoever is free, as hydra/launcher=ray and one machine's workers do. A
host dies at a constant rate, also while it does a run again. Its task begins again after a while,
at the last checkpoint. Not in the model: a death during the wait for a new start, and waiting for
hosts that others have.

The ideal is the work of all runs, spread evenly over hosts that never die.
"""

import argparse
import heapq

import numpy as np
from numpy.typing import NDArray

from runner.work.share import dealt

N_CELLS, SLOWEST = 20, 10.0
#: Minutes of a run on average, and the spread of the runs of a cell as a share of its mean.
MEAN_MIN, SPREAD = 10.0, 0.05
#: Minutes from a death to the task's new start (Slurm's cred_expire), and between two checkpoints.
AGAIN_MIN, CHECKPOINT_MIN = 2.0, 1.0
DEATHS_PER_HOUR = (0.0, 0.01, 0.1, 1.0)
RUNS_PER_TASK = (1, 10, 100)
SEED = 0
WAYS = ("in turn", "shares", "queue")


def minutes(n_runs: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Minutes of each run, ndarray of shape (n_runs,), in the order of a plan: cells in turn."""
    of_cell = random.permutation(np.geomspace(1.0, SLOWEST, N_CELLS))
    of_run = MEAN_MIN * (of_cell / of_cell.mean())[np.arange(n_runs) % N_CELLS]
    runs: NDArray[np.float64] = of_run * random.lognormal(-(SPREAD**2) / 2, SPREAD, n_runs)
    return runs


def with_deaths(
    work: NDArray[np.float64], deaths_per_hour: float, random: np.random.Generator
) -> NDArray[np.float64]:
    """Minutes that each piece of work takes on a host that dies: ndarray like `work`.

    What is lost at a death is done again, on a host that may die again. A piece loses at most
    what it has done.
    """
    total, left = work.copy(), work
    while deaths_per_hour and left.any():
        n_deaths = random.poisson(left * deaths_per_hour / 60).astype(np.float64)
        left = n_deaths * np.minimum(random.uniform(0, CHECKPOINT_MIN, work.shape), left)
        total += n_deaths * AGAIN_MIN + left
    return total


def makespan(
    runs: NDArray[np.float64],
    n_tasks: int,
    way: str,
    deaths_per_hour: float,
    random: np.random.Generator,
) -> float:
    """Minutes until the last run has ended."""
    if way == "queue":
        free = [0.0] * min(n_tasks, len(runs))
        for taken in with_deaths(runs, deaths_per_hour, random):
            heapq.heapreplace(free, free[0] + taken)
        return max(free)
    if way == "shares":
        shares = dealt([f"{place % N_CELLS:02}" for place in range(len(runs))], n_tasks)
    else:
        shares = [list(range(first, len(runs), n_tasks)) for first in range(n_tasks)]
    of_task = np.array([runs[share].sum() for share in shares])
    return float(with_deaths(of_task, deaths_per_hour, random).max())


def table(n_tasks: int) -> str:
    """Makespans over the ideal, as Markdown."""
    heads = [f"{way}, {n:,} a task" for n in RUNS_PER_TASK for way in WAYS]
    lines = ["| deaths of a host an hour | " + " | ".join(heads) + " |"]
    lines.append("|---" * (1 + len(heads)) + "|")
    for rate in DEATHS_PER_HOUR:
        cells = []
        for n in RUNS_PER_TASK:
            random = np.random.default_rng(SEED)
            runs = minutes(n * n_tasks, random)
            ideal = runs.sum() / n_tasks
            cells += [f"{makespan(runs, n_tasks, way, rate, random) / ideal:.2f}" for way in WAYS]
        lines.append(f"| {rate:g} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.schedule", description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000, help="default: %(default)s")
    print(table(parser.parse_args().tasks))


if __name__ == "__main__":
    main()
