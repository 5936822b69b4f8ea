"""`python -m benchmarks.main_job`: the main job as it is typed, and as a PyTorch script of it.

Each is a command in a folder of its own, timed from typing to prompt, in turn: ours
(`python -m runner -m model.channels=1,30 model.dropout=true,false`, then `python -m analysis`), and
benchmarks/plain/pytorch.py, a job a core, by Hydra's joblib launcher: the same cells, seeds, epochs
and evaluations, logged by MLflow into the same kind of store. The script has no checkpoints, no
statistics and no report, and finds MNIST as plain arrays and a store that is made: two jobs that
make MLflow's tables at once fail. TORCH_PYTHON names an interpreter with torch, hydra-core,
hydra-joblib-launcher and mlflow.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import images, machine
from benchmarks.processes import probe
from runner.train import provenance

_REPO = Path(__file__).resolve().parent.parent
_PACKAGES = ("torch", "hydra", "mlflow")
_N_EPOCHS = 5
_JOBS = ("channels=1,30", "dropout=true,false", "seed=0,1,2,3,4", f"epochs={_N_EPOCHS}")


def ours(root: Path) -> list[list[str]]:
    sweep = ["-m", "model.channels=1,30", "model.dropout=true,false", f"train.epochs={_N_EPOCHS}"]
    return [
        [sys.executable, "-m", "runner", *sweep, f"runner.root={root}"],
        [sys.executable, "-m", "analysis", "--root", str(root), "--out", str(root / "report")],
    ]


def in_pytorch(python: str, root: Path, *words: str) -> list[list[str]]:
    how = [f"root={root}", f"hydra.launcher.n_jobs={provenance.cores()}"]
    how += [f"hydra.sweep.dir={root / 'hydra'}"]
    return [[python, "-m", "benchmarks.plain.pytorch", "-m", *words, *how]]


def seconds(commands: list[list[str]]) -> float:
    """Wall-clock seconds of commands one after the other; their words go nowhere."""
    begun = time.perf_counter()
    for command in commands:
        subprocess.run(
            command, cwd=_REPO, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds, python = parser.parse_args().rounds, os.environ.get("TORCH_PYTHON") or sys.executable
    versions, missing = probe(python, _PACKAGES)
    if missing:
        sys.exit(f"without PyTorch ({missing}); TORCH_PYTHON=PYTHON names an interpreter")
    taken: dict[str, list[float]] = {"this project": [], "PyTorch": []}
    with tempfile.TemporaryDirectory() as folder:
        mnist = Path(folder) / "mnist"
        mnist.mkdir()
        images.write(mnist)
        seconds(in_pytorch(python, mnist, "epochs=0"))
        for n in range(rounds):
            root, plain = Path(folder) / f"ours-{n}", Path(folder) / f"plain-{n}"
            taken["this project"].append(seconds(ours(root)))
            shutil.copytree(mnist, plain, ignore=shutil.ignore_patterns("runner"))
            taken["PyTorch"].append(seconds(in_pytorch(python, plain, *_JOBS)))
    print(json.dumps(machine.machine() | machine.versions()))
    print(json.dumps(versions))
    print(f"20 runs of {_N_EPOCHS} epochs of MNIST, {rounds} rounds\n")
    print("| the main job | seconds, median | least | most |\n| --- | --- | --- | --- |")
    for name, of in taken.items():
        print(f"| {name} | {statistics.median(of):.0f} | {min(of):.0f} | {max(of):.0f} |")
    ratios = [plain / our for our, plain in zip(*taken.values(), strict=True)]
    print(
        f"\nPyTorch over this project: {statistics.median(ratios):.1f}"
        f" ({min(ratios):.1f} to {max(ratios):.1f})"
    )


if __name__ == "__main__":
    main()
