"""`python -m benchmarks.tenth_epoch`: whether the tenth epoch trains as fast as the first.

Weights that decay towards nothing become denormal numbers, which many processors compute with a
hundred times more slowly; a benchmark of seconds never meets them. Here as many runs as cores train
ten real epochs at once, one thread each, and after each epoch every process times
OpenBLAS and copies as well: a slow minute of the machine slows both.
"""

import argparse
import datetime
import json
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import images, machine
from benchmarks.__main__ import RESULTS
from benchmarks.nets import BATCH, FULL_SCALE, NETS
from benchmarks.processes import environment
from runner.system.files import write_whole
from runner.train import provenance

_NETS = ("conv30_fc100", "conv1_fc1000x2")
_BLAS_STEPS = 100


def epochs(net: str, folder: Path, n_epochs: int, scale: float) -> list[dict[str, float]]:
    """Train one run with the runner's own loop: per epoch, ms a training step of it and of
    OpenBLAS and copies, and more."""
    # Imported in the process that trains, after its number of threads is set.
    from benchmarks.contestants.blas_and_copies import BlasAndCopies
    from benchmarks.contestants.ours import assembled
    from runner.engine.protocol import Data, Position
    from runner.train import epochs as training

    blas = BlasAndCopies(NETS[net])
    blas.train(_BLAS_STEPS)
    data = Data(**vars(images.read(folder, mmap_mode="r")), scale=scale)
    assembly = assembled(NETS[net], lambda engine: data)
    assembly.config.train.epochs = n_epochs
    n_steps = -(-len(data.train_images) // BATCH)
    lines = []
    for record in filter(None, training.train(assembly, Position())):
        started = time.perf_counter()
        blas.train(_BLAS_STEPS)
        blas_s = time.perf_counter() - started
        lines.append(
            {
                "train_step_ms": 1e3 * record.train_s / n_steps,
                "blas_and_copies_step_ms": 1e3 * blas_s / _BLAS_STEPS,
                "evaluation_share": record.eval_s / record.train_s,
                "train_loss": record.train_loss,
                "test_accuracy": record.test_accuracy,
            }
        )
    return lines


def main() -> None:
    args = _arguments()
    # The pool's processes inherit it, and read it when they import NumPy.
    os.environ.update(environment(threads=1))
    runs: dict[str, list[list[dict[str, float]]]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(args.processes, mp_context=get_context("spawn")) as pool,
    ):
        images.write(Path(folder))
        for net in args.nets:
            waiting = [
                pool.submit(epochs, net, Path(folder), args.epochs, args.scale)
                for _ in range(args.processes)
            ]
            runs[net] = [run.result() for run in waiting]
            print(_table(net, runs[net]), flush=True)

    report = {
        "date": datetime.date.today().isoformat(),
        "machine": machine.machine(),
        "versions": machine.versions(),
        "settings": {
            "epochs": args.epochs,
            "processes": args.processes,
            "pixels_divided_by": args.scale,
        },
        "summary": {net: _summary(run) for net, run in runs.items()},
        "runs": runs,
    }
    args.out.mkdir(parents=True, exist_ok=True)
    suffix = "" if args.scale == FULL_SCALE else "-raw-pixels"
    path = args.out / f"{machine.slug()}-tenth-epoch{suffix}.json"
    write_whole(path, (json.dumps(report, indent=1) + "\n").encode("ascii"))


def _over_runs(runs: list[list[dict[str, float]]], name: str) -> list[float]:
    """The median over the runs, for each epoch."""
    return [median(line[name] for line in lines) for lines in zip(*runs, strict=True)]


def _summary(runs: list[list[dict[str, float]]]) -> dict[str, Any]:
    step = _over_runs(runs, "train_step_ms")
    over_blas = [
        median(a["train_step_ms"] / a["blas_and_copies_step_ms"] for a in lines)
        for lines in zip(*runs, strict=True)
    ]
    return {
        "train_step_ms": step,
        "blas_and_copies_step_ms": _over_runs(runs, "blas_and_copies_step_ms"),
        "time_over_blas_and_copies": over_blas,
        "last_epoch_over_first": step[-1] / step[0],
        "evaluation_share": median(_over_runs(runs, "evaluation_share")),
    }


def _table(net: str, runs: list[list[dict[str, float]]]) -> str:
    found = _summary(runs)
    lines = [
        "| epoch | ms a training step | OpenBLAS and copies | time over that |",
        "| --- | --- | --- | --- |",
    ]
    names = ("train_step_ms", "blas_and_copies_step_ms", "time_over_blas_and_copies")
    columns = zip(*(found[name] for name in names), strict=True)
    lines += [
        f"| {i} | {ours:.3f} | {blas:.3f} | {ratio:.2f} |"
        for i, (ours, blas, ratio) in enumerate(columns, 1)
    ]
    return (
        f"## {net}, {len(runs)} runs at once\n\n"
        + "\n".join(lines)
        + f"\n\nLast epoch over first: {found['last_epoch_over_first']:.3f}. Evaluating takes"
        f" {found['evaluation_share']:.1%} of the time of training.\n"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tenth_epoch", description=__doc__)
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(_NETS), metavar="NET")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument(
        "--processes", type=int, default=provenance.cores(), help="runs at once (default: cores)"
    )
    parser.add_argument(
        "--scale",
        type=float,
        default=FULL_SCALE,
        help="what pixels are divided by: 255 as in the speed benchmark, 1 as in published runs",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=RESULTS,
        help="folder for the file (default: benchmarks/results)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
