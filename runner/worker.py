"""What Hydra's launcher starts: a process that takes runs from a plan until none is left."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout
from threadpoolctl import threadpool_limits

from runner import plan as plans
from runner import stop as stopping
from runner.errors import CardLost
from runner.lanes import side_by_side
from runner.plan import PlannedRun
from runner.state import RunFolder, read_journal, settled, taken
from runner.timelimit import time_limit

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

        from runner import experiment

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
    """On GPUs, a card of one's own among those that this process sees."""
    if device == "cpu":
        yield
        return
    # Read when a card is first used: as many streams as this do not wait for each other's launches.
    os.environ.setdefault("CUDA_DEVICE_MAX_CONNECTIONS", "32")
    import cupy

    folder = root / "state" / "cards"
    folder.mkdir(parents=True, exist_ok=True)
    for card in range(cupy.cuda.runtime.getDeviceCount()):
        lock = FileLock(str(folder / f"{card}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        with lock, cupy.cuda.Device(card):
            yield
        lock.release()
        return
    # More workers than cards: share the first.
    with cupy.cuda.Device(0):
        yield
