"""What Hydra's launcher starts: a process that takes runs from a plan until none is left."""

import contextlib
import itertools
import os
import platform
import re
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout
from threadpoolctl import threadpool_limits

from runner.engine import device as devices
from runner.errors import CardLost
from runner.plan import plan as plans
from runner.plan.plan import PlannedRun
from runner.state.journal import RunFolder, read_journal, settled, taken
from runner.work import stop as stopping
from runner.work.concurrent import side_by_side
from runner.work.timelimit import time_limit

_WAIT_S = 0.5


def stop_file(plan_path: Path, launch: str) -> Path:
    """The file whose appearance asks the workers of a launch to stop."""
    return plan_path.parent / f"{launch}.stop"


def parent_pid(launch: str) -> int:
    """The process that a launch belongs to: its name is PID-RANDOM."""
    return int(launch.partition("-")[0])


def work(plan_path: Path, launch: str) -> None:
    """Train every run of the plan that nobody else holds, until none is left or a stop is asked for."""
    stopping.die_with_parent(parent_pid(launch))
    plan = plans.read(plan_path)
    root = plan_path.parents[3]
    with (
        stopping.Stop(stop_file(plan_path, launch), of_worker=True) as stop,
        _card(root, plan.runs[0].device),
    ):
        if plan.runs[0].device == "gpu":
            try:
                side_by_side(plan.runs, root, launch, stop)
            except CardLost:
                if os.getpid() == parent_pid(launch):
                    # There is no process that could go on: what is left waits for the next command.
                    stop.tell_workers()
                else:
                    # A launcher would give this process work again; the next one has the card anew.
                    os._exit(1)
            return
        while not stop():
            n_held_elsewhere = 0
            for run in plan.runs:
                if stop():
                    return
                if not taken(read_journal(RunFolder(root / "state", run.run_key).journal), launch):
                    n_held_elsewhere += not _try(run, root, launch, stop)
            if not n_held_elsewhere:
                return
            # Another sweep is training what is left: if it dies, this one takes over.
            time.sleep(_WAIT_S)


def _try(run: PlannedRun, root: Path, launch: str, stop: stopping.Stop) -> bool:
    """Train one run, unless another process holds it (False)."""
    folder = RunFolder(root / "state", run.run_key)
    with folder.locked() as mine:
        if not mine:
            return False
        if taken(read_journal(folder.journal), launch):
            return True
        # Imported by the first run: a worker that finds nothing to do does not wait for DeZero.
        import numpy as np

        from runner.train import run as experiment

        try:
            # Not only by environment variables: a launcher on another machine may not pass them on. And not
            # before NumPy is imported, which there would be nothing to limit. A loss that overflows ends its
            # run as diverged; NumPy's warnings on the way there would say it in riddles.
            limit = time_limit(run.config.runner.time_limit_s)
            with limit, threadpool_limits(limits=1), np.errstate(all="ignore"):
                for _ in experiment.run(run, root, launch, stop):
                    pass
        except KeyboardInterrupt:
            raise
        except BaseException:  # recorded in the journal; the other runs go on
            if not settled(read_journal(folder.journal), launch):
                raise  # not even that could be written
            if run.config.runner.fail_fast:
                stop.tell_workers()
            return True
    return True


@contextlib.contextmanager
def _card(root: Path, device: str) -> Iterator[None]:
    """On GPUs, the card that the fewest workers have, of those that this process sees."""
    if device == "cpu":
        yield
        return
    folder = root / "state" / "cards"
    folder.mkdir(parents=True, exist_ok=True)
    card, lock = _taken(folder)
    with lock, devices.card(card):
        yield


def _taken(folder: Path) -> tuple[int, FileLock]:
    """The number of a card, and a lock that is held for as long as it is used."""
    # Not by their numbers: CUDA_VISIBLE_DEVICES gives a card several of those, and machines may share the root.
    names = [re.sub(r"\W", "-", f"{platform.node()}-{bus}") for bus in devices.gpu_buses()]
    for n_others in itertools.count():
        for card, name in enumerate(names):
            lock = FileLock(str(folder / f"{name}.{n_others}.lock"))
            with contextlib.suppress(Timeout):
                lock.acquire(timeout=0)
                return card, lock
    raise AssertionError("there is always another turn")
