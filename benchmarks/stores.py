"""Made-up stores of many runs, as the runner writes them, to time reports on.

`python -m benchmarks.stores` writes stores of 100 and 2,000 runs of 50 epochs and times `python -m
analysis` on each.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import create_engine, text

from runner.record import METRICS
from runner.system.files import sha256

#: Cells and seeds by the number of runs.
SIZES = {100: (10, 10), 2000: (100, 20)}


def write(root: Path, n_cells: int, n_seeds: int, n_epochs: int = 50) -> None:
    """Write mlflow.db and the plan of one sweep of learning rates, with all metrics of every epoch.

    The curves are exponentials with noise. MLflow makes its own tables.
    """
    import mlflow

    uri = f"sqlite:///{root / 'mlflow.db'}"
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.create_experiment(
        "ablations", artifact_location=(root / "mlartifacts").as_uri()
    )
    parent = client.create_run(experiment, run_name="made up").info
    random = np.random.default_rng(0)
    planned: list[dict[str, Any]] = []
    engine = create_engine(uri)
    with engine.begin() as store:
        for cell in range(n_cells):
            knobs = {
                "optimizer.lr": round(0.0001 * (cell // 2 + 1), 6),
                "model.dropout": bool(cell % 2),
            }
            for seed in range(n_seeds):
                key = hashlib.sha256(f"{cell} {seed}".encode()).hexdigest()
                planned.append(_planned(key, knobs, seed, n_epochs))
                run: dict[str, Any] = {
                    "run": f"{len(planned):032x}",
                    "start": 10**12 + 1000 * len(planned),
                }
                run |= {"name": f"cell {cell} seed={seed}", "experiment": experiment}
                run["folder"] = f"{root.as_uri()}/mlartifacts/{run['run']}/artifacts"
                tags = [
                    {"run": run["run"], "key": tag, "value": value}
                    for tag, value in _tags(key, seed).items()
                ]
                curve = 1 - 0.5 * np.exp(-np.arange(1, n_epochs + 1) / (5 + cell % 7))
                values = curve + random.normal(0, 0.01, (len(METRICS), n_epochs))
                metrics = [
                    {
                        "key": metric,
                        "value": value,
                        "run": run["run"],
                        "step": epoch,
                        "time": run["start"] + epoch,
                    }
                    for metric, row in zip(METRICS, values.tolist(), strict=True)
                    for epoch, value in enumerate(row, 1)
                ]
                for statement, rows in ((_RUN, [run]), (_TAG, tags), (_METRIC, metrics)):
                    store.execute(text(statement), rows)
    engine.dispose()
    claims_sha256 = sha256(_CLAIMS)
    sweep_key = sha256([sorted(run["run_key"] for run in planned), claims_sha256])
    client.set_tag(parent.run_id, "sweep_key", sweep_key)
    folder = root / "mlartifacts" / parent.run_id / "artifacts"
    folder.mkdir(parents=True)
    recorded = [f"{part}.{name}" for part in _PARTS for name in planned[0]["config"][part]]
    plan = {
        "version": 2,
        "sweep_key": sweep_key,
        "name": "made up",
        "knobs": [{"name": name, "bears_on_numbers": True, "shown": True} for name in recorded],
        "swept": {
            "optimizer.lr": sorted({run["knobs"]["optimizer.lr"] for run in planned}),
            "model.dropout": [False, True],
        },
        "claims": _CLAIMS,
        "claims_sha256": claims_sha256,
        "claims_origin": dict.fromkeys(_CLAIMS, "declared"),
        "command": ["made up"],
        "runs": planned,
    }
    (folder / "sweep.json").write_text(json.dumps(plan))


#: The parts of a configuration that hold knobs.
_PARTS = ("data", "engine", "optimizer", "model", "train")
_CODE = "f" * 64
_RUN = (
    "insert into runs (run_uuid, name, status, lifecycle_stage, experiment_id, artifact_uri,"
    " start_time, end_time)"
    " values (:run, :name, 'FINISHED', 'active', :experiment, :folder, :start, :start + 900)"
)
_TAG = "insert into tags (run_uuid, key, value) values (:run, :key, :value)"
_METRIC = (
    "insert into metrics (key, value, timestamp, run_uuid, step, is_nan)"
    " values (:key, :value, :time, :run, :step, 0)"
)
_CLAIMED = {
    "slows": "auc(train/accuracy)",
    "costs": "final(test/accuracy)",
    "delays": "epochs_to(test/accuracy, 0.9)",
}
_CLAIMS = {
    name: {
        "says": name,
        "knob": "model.dropout",
        "levels": [True, False],
        "metric": metric,
        "direction": "less",
        "margin": 0.002,
    }
    for name, metric in _CLAIMED.items()
}


def _planned(key: str, knobs: dict[str, Any], seed: int, n_epochs: int) -> dict[str, Any]:
    return {
        "run_key": key,
        "cell_key": json.dumps(knobs),
        "knobs": knobs,
        "device": "cpu",
        "code": _CODE,
        "without_effect": [
            "model.options",
            "optimizer.momentum",
            *([] if knobs["model.dropout"] else ["model.dropout_ratio"]),
        ],
        "config": {
            "seed": seed,
            "data": {"name": "mnist", "normalize": True},
            "engine": {"name": "fast"},
            "optimizer": {
                "name": "adam",
                "lr": knobs["optimizer.lr"],
                "weight_decay": 0.0001,
                "momentum": 0.9,
            },
            "model": {
                "kind": "cnn",
                "channels": 30,
                "blocks": None,
                "hidden_size": 100,
                "fc_depth": 1,
                "dropout": knobs["model.dropout"],
                "dropout_ratio": 0.5,
                "options": {},
            },
            "train": {"epochs": n_epochs, "batch_size": 100},
        },
    }


def _tags(key: str, seed: int) -> dict[str, str]:
    return {
        "run_key": key,
        "status": "done",
        "complete": "1",
        "device": "cpu",
        "engine": "fast",
        "data.sha256": "d" * 64,
        "code": _CODE,
        "git.commit": "c" * 40,
        "version.numpy": "2",
        "first_batch_order.sha256": str(seed),
    }


def timed(root: Path, *words: str) -> tuple[float, float, float]:
    """Seconds, peak resident memory in GiB, and seconds of a core of one `python -m analysis`.

    Parameters
    ----------
    words
        More of its options.
    """
    began = time.perf_counter()
    line = [sys.executable, "-m", "analysis", "--root", str(root), *words]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, cwd=root)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"python -m analysis ended with {process.returncode}")
    cpu_s = usage.ru_utime + usage.ru_stime
    return time.perf_counter() - began, usage.ru_maxrss / 2**20, cpu_s


def main() -> None:
    """Write the stores, time the report on each and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stores", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(
        "| runs | epochs | rows | median s | smallest to largest | GiB |\n|---|---|---|---|---|---|"
    )
    for n_runs, (n_cells, n_seeds) in SIZES.items():
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder).resolve()
            # In a process of its own: a child's peak memory counts what its parent held at the
            # fork.
            writer = multiprocessing.get_context("spawn").Process(
                target=write, args=(root, n_cells, n_seeds)
            )
            writer.start()
            writer.join()
            rounds = [timed(root) for _ in range(arguments.rounds)]
        seconds = sorted(spent for spent, *_ in rounds)
        print(
            f"| {n_runs} | 50 | {n_runs * 50 * len(METRICS):,} | {np.median(seconds):.1f} |"
            f" {seconds[0]:.1f} to {seconds[-1]:.1f} | {max(size for _, size, _ in rounds):.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
