"""One run without `-m`: trained here, one line an epoch like the book's example, stored like any other."""

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from runner import prepare as session
from runner.config.overrides import COMMAND
from runner.config.schema import Config, leaves
from runner.display import summary
from runner.display.progress import duration, ending
from runner.engine import device as devices
from runner.errors import StateError
from runner.files import root_of
from runner.plan import identity
from runner.plan.plan import PlannedRun
from runner.record import FAILED
from runner.state.journal import Journal, RunFolder, read_journal
from runner.tracking import mlflow_store as store
from runner.tracking.writer import Tracker
from runner.work import estimate, launch
from runner.work.stop import Stop
from runner.work.timelimit import time_limit


def train(config: Config, typed: list[str]) -> int:
    """Train one run unless it is trained already; the exit code.

    Parameters
    ----------
    typed
        The overrides as they were typed.
    """
    root = root_of(config.runner.root)
    session.check_writable(root)
    session.check_size(config, config.data.name)
    device = devices.resolve(config.device, {config.engine.name})
    if not config.plan:
        store.check(config.tracking.uri, root)
    sources = session.Sources(root, write=not config.plan)
    dataset = sources.of(config)
    for warning in sources.warnings:
        print(f"runner: {warning}", file=sys.stderr, flush=True)
    # What is kept is what really happens; the store's address may hold a password and is not kept.
    data, tracking = replace(config.data, name=dataset.name), replace(config.tracking, uri=None)
    kept = replace(config, device=device, data=data, tracking=tracking, claims={})
    of = identity.identity(kept, dataset.name, dataset.sha256, device)
    run = PlannedRun(
        identity.run_key(of),
        identity.cell_key(of),
        _typed_knobs(kept, typed),
        kept,
        dataset.name,
        dataset.sha256,
        device,
    )
    print(
        f"{run.name}: data {dataset.name} ({dataset.sha256[:8]}), device {device}, engine {config.engine.name},"
        f" root {root}, MLflow {store.shown(config.tracking.uri, root)}",
        flush=True,
    )
    if config.plan:
        pace = estimate.seconds_an_epoch([run], root, dataset)
        time = "" if pace is None else f", about {duration(pace * config.train.epochs)}"
        print(f"{config.train.epochs} epochs{time}")
        return 0
    ledger = session.open_ledger(config, root, [run])
    tracker = Tracker(ledger)
    folder = RunFolder(root / "state", run.run_key)
    with Stop() as stop, threadpool_limits(limits=1), folder.locked() as mine:
        if not mine:
            raise StateError(f"{run.name}: another process is training this very run; let it finish")
        before = read_journal(folder.journal)
        if config.progress:
            for epoch in sorted(before.epochs):
                _tell(epoch, before.epochs[epoch]["metrics"])
        if not before.trained:
            tracker.start()
            name = launch.new_launch()
            _train(run, root, name, stop, config.progress, set(before.epochs))
            summary.tell_passed_over([run], root, name)
        journal = read_journal(folder.journal)
    behind = tracker.finish("FINISHED", interrupted=stop.signal is not None)
    if behind:
        session.tell_behind(behind, folder.path, tracker.trouble, config, root)
    again = f"{COMMAND} {shlex.join(typed)}".rstrip()
    return _exit_code(run, folder, journal, before.trained, stop, again) or (4 if behind else 0)


def _typed_knobs(config: Config, typed: list[str]) -> dict[str, Any]:
    """The knobs that were typed, with their checked values; the seed is named anyway."""
    values = dict(leaves(config))
    keys = [override.partition("=")[0].lstrip("+") for override in typed]
    shown = ("model.", "data.", "optimizer.", "engine.", "train.")
    knobs = {key: values[key] for key in keys if key in values and key.startswith(shown)}
    groups = {k: o.partition("=")[2] for k, o in zip(keys, typed, strict=True) if "." not in k and k not in values}
    return groups | knobs


def _train(run: PlannedRun, root: Path, name: str, stop: Stop, tell: bool, told: set[int]) -> None:
    # Imported here: a run that is trained already does not wait for DeZero.
    from runner import engine
    from runner.train import run as experiment

    if tell and engine.compiles(run.config.engine.name, run.device):
        print(estimate.COMPILING, flush=True)
    try:
        # An overflow ends the run as diverged, without NumPy's warnings.
        with time_limit(run.config.runner.time_limit_s), np.errstate(all="ignore"):
            for record in filter(None, experiment.run(run, root, name, stop)):
                if tell and record.epoch not in told:
                    _tell(record.epoch, record.metrics())
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # recorded in the journal, from which the exit code is made
        if read_journal(RunFolder(root / "state", run.run_key).journal).end is None:  # not even that could be written
            raise StateError(f"{run.name}: {error}; what was recorded is kept, the same command goes on") from error


def _tell(epoch: int, metrics: dict[str, float]) -> None:
    seconds = metrics["time/train_s"] + metrics["time/eval_s"]
    print(
        f"epoch: {epoch}, train loss: {metrics['train/loss']:.4f}, accuracy: {metrics['train/accuracy']:.4f},"
        f" test loss: {metrics['test/loss']:.4f}, accuracy: {metrics['test/accuracy']:.4f}, {seconds:.1f} s",
        flush=True,
    )


def _exit_code(run: PlannedRun, folder: RunFolder, journal: Journal, was_trained: bool, stop: Stop, again: str) -> int:
    if stop.signal is not None and not journal.trained:
        n = len(journal.epochs)
        print(f"runner: interrupted after {n} whole epochs, nothing is lost; go on with: {again}", file=sys.stderr)
        return stop.exit_code
    if journal.status == FAILED:
        print(f"runner: failed: {ending(journal)} ({folder.error}); try again with: {again}", file=sys.stderr)
        return 1
    if not journal.trained:
        print(f"runner: {ending(journal)}; go on with: {again}", file=sys.stderr)
        return 1
    print(f"{'already trained: ' if was_trained else ''}{ending(journal)}. Browse it: {COMMAND}.ui")
    return 0
