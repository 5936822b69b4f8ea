"""Training steps on a GPU (`python -m benchmarks.card`, `make bench DEVICE=gpu`).

Each contestant is a process of its own and computes only when it is asked. All are asked in turn,
round after round, so that a slow minute affects all of them. The results are written to
benchmarks/results/, named by the GPU.
"""

import argparse
import datetime
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from benchmarks import contestants, images, machine
from benchmarks.contestants import (
    CARD_AS_SHIPPED,
    CARD_EAGER,
    CARD_FLOAT32,
    CARD_GRAPH,
    CARD_JAX,
    CARD_OURS,
    CARD_VMAP,
    TITLES,
)
from benchmarks.nets import NETS
from benchmarks.processes import BenchmarkError, Setting, Worker
from runner.engine import device
from runner.system.files import write_whole

RESULTS = Path(__file__).resolve().parent / "results"
#: The network of DeZero's own layers is timed on the CPU only.
_NETS = [name for name, net in NETS.items() if not net.users]
#: Steps of an epoch of MNIST; ours and JAX train whole epochs.
_EPOCH = 600
#: Seeds of the peers that train several at once: the runs of the main job.
_SEEDS = 20
#: Who is timed, with how many runs at once, and the steps that each is asked for at a time.
_SETTINGS = {
    Setting(CARD_AS_SHIPPED, 1): 200,
    Setting(CARD_FLOAT32, 1): 200,
    Setting(CARD_EAGER, 1): 2 * _EPOCH,
    Setting(CARD_GRAPH, 1): 5 * _EPOCH,
    Setting(CARD_JAX, 1): 5 * _EPOCH,
    Setting(CARD_VMAP, _SEEDS): _EPOCH,
    Setting(CARD_JAX, _SEEDS): _EPOCH,
    Setting(CARD_OURS, 1): 20 * _EPOCH,
    Setting(CARD_OURS, 2): 10 * _EPOCH,
    Setting(CARD_OURS, 4): 5 * _EPOCH,
    Setting(CARD_OURS, 8): 5 * _EPOCH,
    Setting(CARD_OURS, 16): 3 * _EPOCH,
    Setting(CARD_OURS, _SEEDS): 3 * _EPOCH,
}
#: The job of the README's first command: 4 cells, 5 seeds, 5 epochs.
_MAIN_JOB = ("model.channels=1,30", "model.dropout=true,false", "device=gpu", "progress=false")


def main() -> None:
    args = _arguments()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        images.write(Path(folder))
        for net in args.nets:
            rows += measured(net, Path(folder), args.torch_python, args.rounds)
            for row in rows[-len(_SETTINGS) - 1 :]:
                print(line(row), flush=True)
        job_s = main_job(Path(folder) / "root") if args.main_job else None
    report = {
        "date": datetime.date.today().isoformat(),
        "card": device.gpu_name(),
        "machine": machine.machine(),
        "versions": machine.versions() | _versions(),
        "rounds": args.rounds,
        "rows": rows,
        "main_job_s": job_s,
    }
    slug = "gpu-" + re.sub(r"[^a-z0-9]+", "-", device.gpu_name().lower()).strip("-")
    args.out.mkdir(parents=True, exist_ok=True)
    write_whole(args.out / f"{slug}.json", (json.dumps(report, indent=1) + "\n").encode("ascii"))
    write_whole(args.out / f"{slug}.md", markdown(report).encode("utf-8"))
    print(markdown(report))


def measured(net: str, folder: Path, torch_python: str, rounds: int) -> list[dict[str, Any]]:
    """A row per contestant: seconds per step of each round, or why it did not run."""
    rows: dict[Setting, dict[str, Any]] = {
        s: {"net": net, "contestant": s.contestant, "n_runs": s.threads, "step_s": []}
        for s in _SETTINGS
    }
    began = time.monotonic()

    def tell(setting: Setting, what: str) -> None:
        seconds = time.monotonic() - began
        print(
            f"{net}, {seconds:.0f} s: {setting.contestant} x {setting.threads} {what}", flush=True
        )

    with ExitStack() as stack:
        starting = {}
        for setting in _SETTINGS:
            is_pytorch = setting.contestant.startswith("pytorch")
            python = torch_python if is_pytorch else sys.executable
            worker = Worker(python, setting, net, folder)
            starting[setting] = stack.enter_context(closing(worker))
        workers = {}
        for setting, worker in starting.items():
            try:
                answer = worker.answer()
            except BenchmarkError as error:
                answer = {"failed": " ".join(str(error).split())[-300:]}
            if "failed" in answer:
                rows[setting]["failed"] = answer["failed"]
            else:
                rows[setting]["first_loss"] = answer["first_loss"]
                workers[setting] = worker
            tell(setting, answer.get("failed", "is ready"))
        for _ in range(rounds):
            for setting, worker in workers.items():
                n_steps = _SETTINGS[setting]
                worker.ask(f"train {n_steps}")
                answer = worker.answer()
                step_s = answer["seconds"] / n_steps / setting.threads
                rows[setting]["step_s"].append(step_s)
                tell(setting, f"took {1e6 * step_s:.1f} us a step and run")
                rows[setting]["last_loss"] = answer["last_loss"]
    return [*rows.values(), roofline(net)]


def roofline(net: str) -> dict[str, Any]:
    """The row of the roofline, measured in this process."""
    from benchmarks.contestants.floor_gpu import Roofline

    limits = Roofline(NETS[net])
    rates = {name: getattr(limits, name) for name in ("bytes_per_s", "operations_per_s", "gap_s")}
    device.free_gpu_memory()
    return {
        "net": net,
        "contestant": contestants.CARD_FLOOR,
        "n_runs": 1,
        "step_s": [limits.step_s],
        **rates,
    }


def main_job(root: Path) -> float:
    """Seconds of the README's first command on the GPU, from start to end."""
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "runner", "-m", *_MAIN_JOB, f"runner.root={root}"], check=True
    )
    return time.monotonic() - started


def line(row: dict[str, Any]) -> str:
    """A row of the table: median and range of a contestant's step over the rounds."""
    name = TITLES[row["contestant"]] + (
        f", {row['n_runs']} concurrent runs" if row["n_runs"] > 1 else ""
    )
    if not row["step_s"]:
        return f"| {name} | not run: {row.get('failed', 'no round')} | |"
    steps = [1e6 * s for s in row["step_s"]]
    return f"| {name} | {statistics.median(steps):.1f} | {min(steps):.1f} to {max(steps):.1f} |"


def markdown(report: dict[str, Any]) -> str:
    """The tables of a report."""
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    lines = [
        f"# A training step on {report['card']}",
        "",
        f"{report['date']}; {versions}; {report['rounds']} rounds.",
    ]
    for net in dict.fromkeys(row["net"] for row in report["rows"]):
        lines += ["", f"## {net}", "", "| | µs per step and run, median | range |", "|---|---|---|"]
        lines += [line(row) for row in report["rows"] if row["net"] == net]
    if report["main_job_s"]:
        job = "The main job (4 cells, 5 seeds, 5 epochs)"
        lines += ["", f"{job} took {report['main_job_s']:.1f} s from start to end."]
    return "\n".join(lines) + "\n"


def _versions() -> dict[str, str]:
    import cupy

    return {"cupy": cupy.__version__, "cuda": str(cupy.cuda.runtime.runtimeGetVersion())}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.card", description=__doc__)
    parser.add_argument("--nets", nargs="+", choices=_NETS, default=_NETS, metavar="NET")
    parser.add_argument(
        "--rounds", type=int, default=5, help="how often each is timed (default: %(default)s)"
    )
    parser.add_argument(
        "--no-main-job", dest="main_job", action="store_false", help="do not time the main job"
    )
    parser.add_argument(
        "--torch-python", default=os.environ.get("TORCH_PYTHON") or sys.executable, metavar="PYTHON"
    )
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the two files")
    args = parser.parse_args()
    if not device.gpu_is_available():
        parser.exit(2, "benchmarks.card: CuPy finds no usable GPU here\n")
    return args


if __name__ == "__main__":
    main()
