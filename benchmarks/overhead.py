"""What a sweep costs around its trainings: `python -m benchmarks.overhead`.

Sweeps of real runs in a folder of their own, each started as a person starts it: 100 runs of one
step each (what is left is overhead), one of 1,000 epochs of one step, 100 runs of about a second,
two on MNIST for the memory of a worker, and one of 2,000 runs whose workers train nothing, for the
share of a core that the sweep's own process takes. Figures come from the journals and, for memory
and that share, from /proc, so that these two need Linux.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.parent import of_the_parent
from runner.record import seconds_spent

REPO = Path(__file__).resolve().parent.parent
N_RUNS = 100
# One step and one evaluation an epoch, on 8x8 images.
SMALLEST = ["data=digits", "model=mlp", "model.fc_depth=0", "train.batch_size=1442"]
# Epochs of about a third of a second: the default network on the 5,000 embedded images.
DEFAULT = ["data=mnist5k"]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--out", type=Path, help="write the figures as JSON here")
    out = arguments.parse_args().out
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        # Makes the store, and compiles if need be.
        sweep(root, [*SMALLEST, "train.epochs=1", "seed=1000"])
        figures = {
            "empty": of_empty_runs(root),
            "epochs": of_epochs(root),
            "one_second": of_one_second_runs(root),
            "worker": of_a_worker(root),
        }
    with tempfile.TemporaryDirectory() as folder:
        figures["parent"] = of_the_parent(Path(folder))
    text = json.dumps(figures, indent=2)
    print(text)
    if out:
        out.write_text(text + "\n", encoding="ascii")


def of_empty_runs(root: Path) -> dict[str, float]:
    """100 runs of one training step each, in a store that exists."""
    wall_s, runs = timed(root, [*SMALLEST, "train.epochs=1", f"seed=range(0,{N_RUNS})"])
    return {"n_runs": len(runs), "wall_s": wall_s, "worker_ms_a_run": overhead_ms_a_run(runs)}


def of_epochs(root: Path) -> dict[str, float]:
    """One run of 1,000 epochs of one step each."""
    _, (run,) = timed(root, [*SMALLEST, "train.epochs=1000", "seed=1002"])
    epochs = [line for line in run if line["kind"] == "epoch"]
    spent_ms = epochs[-1]["time_ms"] - epochs[0]["time_ms"] - 1000 * training_s(epochs[1:])
    return {"n_epochs": len(epochs), "worker_ms_an_epoch": spent_ms / (len(epochs) - 1)}


def of_one_second_runs(root: Path) -> dict[str, float]:
    """100 runs of about a second each, by as many workers as cores."""
    _, (trial,) = timed(root, [*DEFAULT, "train.epochs=5", "seed=1001"])
    epochs = max(1, round(5 / training_s(trial)))
    wall_s, runs = timed(root, [*DEFAULT, f"train.epochs={epochs}", f"seed=range(0,{N_RUNS})"])
    n_workers = len({run[0]["pid"] for run in runs})
    trainings_s = sum(training_s(run) for run in runs) / n_workers
    return {
        "n_runs": len(runs),
        "epochs_a_run": epochs,
        "wall_s": wall_s,
        "trainings_s": trainings_s,
        "ratio": wall_s / trainings_s,
        "worker_ms_a_run": overhead_ms_a_run(runs),
    }


def of_a_worker(root: Path) -> dict[str, float]:
    """Peak memory of a worker, and the share of evaluation, on the full MNIST if it is here."""
    peaks: dict[int, int] = {}
    done = threading.Event()
    watcher = threading.Thread(target=watch_memory, args=(peaks, done))
    watcher.start()
    _, runs = timed(root, ["model.channels=30", "train.epochs=2", "seed=0,1"])
    done.set()
    watcher.join()
    pids = {run[0]["pid"] for run in runs}
    epochs = [line["metrics"] for run in runs for line in run if line["kind"] == "epoch"]
    train_s, eval_s = (
        statistics.median(metrics[name] for metrics in epochs)
        for name in ("time/train_s", "time/eval_s")
    )
    return {
        "peak_mb": max((peaks[pid] for pid in pids if pid in peaks), default=0) / 1e6,
        "eval_of_train": eval_s / train_s,
    }


def timed(root: Path, overrides: list[str]) -> tuple[float, list[list[dict[str, Any]]]]:
    """Wall-clock seconds of a sweep, from typing to prompt, and the journals of what it trained."""
    written = "state/*/attempts/*/journal.jsonl"
    before = set(root.glob(written))
    started = time.perf_counter()
    sweep(root, overrides)
    wall_s = time.perf_counter() - started
    new = set(root.glob(written)) - before
    journals = [path.read_text("ascii").splitlines() for path in new]
    return wall_s, [[json.loads(line) for line in lines] for lines in journals]


def sweep(root: Path, overrides: list[str]) -> None:
    command = [sys.executable, "-m", "runner", "-m", f"runner.root={root}", "progress=false"]
    subprocess.run([*command, *overrides], cwd=REPO, check=True, stdout=subprocess.DEVNULL)


def training_s(run: list[dict[str, Any]]) -> float:
    """Seconds of training and evaluation in a run's journal."""
    epochs = [line["metrics"] for line in run if line["kind"] == "epoch"]
    return float(sum(seconds_spent(metrics) for metrics in epochs))


def overhead_ms_a_run(runs: list[list[dict[str, Any]]]) -> float:
    """Milliseconds a run of a worker around training and evaluation, its first run left out."""
    spent_s, n_runs = 0.0, 0
    for pid in {run[0]["pid"] for run in runs}:
        of_worker = [run for run in runs if run[0]["pid"] == pid]
        of_worker.sort(key=lambda run: run[0]["time_ms"])
        # From the end of the first run, which pays for the imports, to the end of the last.
        spent_s += (of_worker[-1][-1]["time_ms"] - of_worker[0][-1]["time_ms"]) / 1000
        spent_s -= sum(training_s(run) for run in of_worker[1:])
        n_runs += len(of_worker) - 1
    return 1000 * spent_s / max(1, n_runs)


def watch_memory(peaks: dict[int, int], done: threading.Event) -> None:
    """Keep the peak resident bytes of every process, by /proc."""
    while not done.wait(0.2):
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                lines = status.read_text("ascii", "replace").splitlines()
                (peak,) = [line for line in lines if line.startswith("VmHWM")]
            except (OSError, ValueError):
                continue
            peaks[int(status.parent.name)] = 1024 * int(peak.split()[1])


if __name__ == "__main__":
    main()
