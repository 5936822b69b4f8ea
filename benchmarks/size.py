"""What a large sweep costs its own process, its store and its report: `python -m benchmarks.size`.

A sweep is made up: its plan as any command plans it, its journals as workers write them, with the
results of one run that is really trained. What follows the journals is what a sweep's process has:
one reader, the live table's view and the writer of the store. Then its report is written. Each part
is a process of its own, for its peak of memory.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import machine, slug, versions
from benchmarks.stores import timed
from runner.state.root import AttemptFolder, Root

RESULTS = Path(__file__).resolve().parent / "results"
EXPERIMENT, LAUNCH, SEED = "ablations", "1-made-up", 0
N_SEEDS, N_LIVE, STEADY_S, N_VIEWS = 10, 2, 20.0, 20
#: One step and one evaluation an epoch, on 8x8 images.
RUN = ["data=digits", "model=mlp", "train.batch_size=1442"]
#: Levels of the knobs beside the hidden size, which has the rest of the cells.
KNOBS = {"model.dropout": "true,false", "optimizer.lr": "0.001,0.002,0.003,0.004,0.005"}
KNOBS |= {"optimizer.weight_decay": "0,1e-4"}


def write_state(root: Root, n_runs: int, n_epochs: int, of: Path) -> dict[str, Any]:
    """Plan the sweep and write its journals; `of` is the root of a run that was trained.

    The last runs stay under way, after half of their epochs.
    """
    from runner.plan import plan as plans
    from runner.state.run_record import read_run

    began = time.process_time()
    plan = planned(n_runs, n_epochs)
    planned_s = time.process_time() - began
    plans.write(plan, root)
    (folder,) = Root(of).runs()
    record = read_run(folder)
    assert record.attempt is not None
    template = folder.attempt(record.attempt)
    random = np.random.default_rng(SEED)
    for place, run in enumerate(plan.runs):
        attempt = root.run(run.run_key).attempt("made-up")
        attempt.path.mkdir(parents=True)
        is_live = place >= n_runs - N_LIVE
        noise = random.normal(0, 0.01, n_epochs)
        lines = journal(attempt, record, run, noise[: n_epochs // 2] if is_live else noise)
        attempt.journal.write_bytes(b"".join(lines if not is_live else lines[:-1]))
        for file in template.results:
            if file.exists() and not is_live:
                os.link(file, attempt.path / file.name)
    size = root.sweep(plan.sweep_key).plan.stat().st_size
    return {"n_cells": len(plan.cells), "plan_cpu_s": planned_s, "plan_mb": size / 1e6}


def planned(n_runs: int, n_epochs: int) -> Any:
    """The plan of a grid of so many runs."""
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra._internal.utils import create_config_search_path
    from hydra.types import RunMode

    from runner import app
    from runner.data import loading
    from runner.data.asked import Asked
    from runner.plan import grid as grids

    n_others = int(np.prod([len(levels.split(",")) for levels in KNOBS.values()]))
    sizes = f"model.hidden_size=range(10,{10 + n_runs // N_SEEDS // n_others})"
    words = [*RUN, sizes, *(f"{key}={levels}" for key, levels in KNOBS.items())]
    words += [f"train.epochs={n_epochs}", f"seed=range(0,{N_SEEDS})"]
    loader = ConfigLoaderImpl(create_config_search_path(str(app.FOLDER / "conf")))
    primary = loader.load_configuration("config", words, RunMode.MULTIRUN)
    grid = grids.compose(loader, primary, {}, words)
    asked = Asked.of(grid.cells[0].config.data)
    dataset, _ = loading.find(asked.target, Path(), asked.arguments, download=False)
    data = dataset.name, dataset.sha256
    return grids.plan(grid, lambda config: data, "cpu", ["python", "-m", "runner", "-m", *words])[0]


def journal(attempt: AttemptFolder, record: Any, run: Any, noise: Any) -> list[bytes]:
    """The lines of an attempt that trains a run as the record of another one was trained."""
    from runner.state.journal import first_check
    from runner.state.records import Epoch, encode

    start = dataclasses.replace(
        record.start,
        run_key=run.run_key,
        cell_key=run.cell_key,
        knobs=run.knobs,
        name=run.name,
        config=dataclasses.asdict(run.config),
        launch=LAUNCH,
    )
    (first,) = record.epochs.values()
    records = [start, record.setup]
    for n, of_epoch in enumerate(noise.tolist(), 1):
        metrics = {name: value * (1 + of_epoch / n) for name, value in first.metrics.items()}
        records.append(Epoch(n, metrics, time_ms=first.time_ms + n))
    lines, check = [], first_check(attempt)
    for of in [*records, record.end]:
        line, check = encode(of, check)
        lines.append(line)
    return lines


def follow(root: Root, uri: str | None) -> dict[str, Any]:
    """Bring a store in step with all journals, then go on while the last runs are under way."""
    from runner.display.progress import Progress
    from runner.display.tally import Tally
    from runner.plan import plan as plans
    from runner.state.journals import Journals
    from runner.tracking.mlflow_tracker import MlflowTracker
    from runner.tracking.store import mlflow_store as store
    from runner.tracking.writer import Writer

    (folder,) = root.sweeps()
    plan, read_s = spent(lambda: plans.read(folder.plan))
    client = store.connect(uri, root)
    tracker = MlflowTracker(client, store.experiment_id(client, EXPERIMENT, uri, root), root)
    tracker.open_sweep(plan)
    journals = Journals(root, [run.run_key for run in plan.runs])
    _, look_s = spent(journals.look)
    progress = Progress(Tally(plan), journals, LAUNCH, N_LIVE, lambda: None)
    progress._view()
    _, view_s = spent(lambda: [progress._view() for _ in range(N_VIEWS)])
    writer = Writer(lambda: tracker, journals, plan.runs)
    began, cpu_s = time.monotonic(), time.process_time()
    writer.update()
    writing_s, cpu_s = time.monotonic() - began, time.process_time() - cpu_s
    rows = sum(len(e.metrics) for key in journals for e in journals[key].epochs.values())
    began, before_s = time.monotonic(), time.process_time()
    live = [root.run(run.run_key).attempt("made-up") for run in plan.runs[-N_LIVE:]]
    while time.monotonic() - began < STEADY_S:  # as the threads of a sweep's process do
        for attempt in live:
            add_epoch(attempt, journals)
        for _ in range(2):
            journals.look()
            progress._view()
            time.sleep(0.5)
        writer.update()
    steady = (time.process_time() - before_s) / (time.monotonic() - began)
    writer.close("KILLED")
    return {
        "read_plan_cpu_s": read_s,
        "read_journals_cpu_s": look_s,
        "view_ms": 1000 * view_s / N_VIEWS,
        "rows": rows,
        "writing_s": writing_s,
        "rows_a_second": rows / writing_s,
        "writing_share_of_a_core": cpu_s / writing_s,
        "steady_share_of_a_core": steady,
    }


def add_epoch(attempt: AttemptFolder, journals: Any) -> None:
    """Write the next epoch of a run that is under way, as long as it has one to come."""
    from runner.state.records import Epoch, encode

    record = journals[attempt.run_key]
    epoch = max(record.epochs) + 1
    if epoch <= record.start.config["train"]["epochs"]:
        check = json.loads(attempt.journal.read_bytes().splitlines()[-1])["check"]
        line, _ = encode(Epoch(epoch, record.last, time_ms=time.time_ns() // 1_000_000), check)
        with open(attempt.journal, "ab") as file:
            file.write(line)


def spent(work: Callable[[], Any]) -> tuple[Any, float]:
    """What a call returns, and the seconds of a core that it took."""
    began = time.process_time()
    return work(), time.process_time() - began


def peak_gib() -> float:
    """The most memory that this process has had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _apart(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    return work(*arguments) | {"gib": peak_gib()}


def apart(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """What a part found in a process of its own, with its time and its peak of memory."""
    began, spawn = time.monotonic(), multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
        found = pool.submit(_apart, work, *arguments).result()
    return found | {"s": time.monotonic() - began}


def main() -> None:
    """Measure, print a table, and write it to benchmarks/results/."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.size", description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--uri", help="a server, or a database that is empty; default: SQLite")
    parser.add_argument("--note", default="", help="what else the machine was doing, for the table")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Root(Path(folder).resolve() / "root")
        trained = Path(folder).resolve() / "trained"
        words = [*RUN, "train.epochs=1", "progress=false", f"runner.root={trained}"]
        subprocess.run(
            [sys.executable, "-m", "runner", *words], check=True, stdout=subprocess.DEVNULL
        )
        state = apart(write_state, root, arguments.runs, arguments.epochs, trained)
        followed = apart(follow, root, arguments.uri)
        used = sum(file.stat().st_size for file in root.path.glob("mlflow.db*")) / 1e6
        seconds, gib, cpu_s = timed(root.path, *(["--uri", arguments.uri] if arguments.uri else []))
        shutil.rmtree(root.path)
    found = {
        "runs": arguments.runs,
        "epochs": arguments.epochs,
        "store": "a server" if arguments.uri else "SQLite",
        "note": arguments.note,
        "state": state,
        "followed": followed | ({} if arguments.uri else {"store_mb": used}),
        "report": {"s": seconds, "cpu_s": cpu_s, "gib": gib},
        "machine": machine(),
        "versions": versions(),
    }
    name = f"size-{arguments.runs}{'-server' if arguments.uri else ''}-{slug()}"
    (RESULTS / f"{name}.json").write_text(json.dumps(found, indent=2) + "\n")
    (RESULTS / f"{name}.md").write_text(table(found))
    print(table(found), end="")


def table(found: dict[str, Any]) -> str:
    """The figures as a table in Markdown."""
    state, followed, report = found["state"], found["followed"], found["report"]
    rows = {
        f"planning {state['n_cells']:,} cells": f"{state['plan_cpu_s']:.1f} CPU s",
        "sweep.json": f"{state['plan_mb']:.1f} MB, read in {followed['read_plan_cpu_s']:.1f} CPU s",
        "all journals read": f"{followed['read_journals_cpu_s']:.1f} CPU s",
        "a view of the live table": f"{followed['view_ms']:.1f} CPU ms",
        "rows of metrics": f"{followed['rows']:,}",
        "written": f"{followed['writing_s']:.0f} s, {followed['rows_a_second']:,.0f} rows a second",
        "its share of a core while it writes": f"{followed['writing_share_of_a_core']:.0%}",
        "its share of a core once in step": f"{followed['steady_share_of_a_core']:.1%}",
        "its peak of memory": f"{followed['gib']:.2f} GiB",
        "store": f"{followed['store_mb']:,.0f} MB" if "store_mb" in followed else found["store"],
        "report": f"{report['s']:.1f} s, {report['cpu_s']:.1f} CPU s, {report['gib']:.2f} GiB",
    }
    lines = [f"| {name} | {figure} |" for name, figure in rows.items()]
    head = f"| {found['runs']:,} runs x {found['epochs']} epochs, {found['store']} | |\n|---|---|"
    note = f"\n\nn = 1; {found['note']}." if found["note"] else "\n\nn = 1."
    return "\n".join([head, *lines]) + note + "\n"


if __name__ == "__main__":
    main()
