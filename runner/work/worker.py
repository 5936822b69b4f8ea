"""A worker: a process that takes runs from a plan until none is left, started by a launcher."""

import contextlib
import itertools
import os
import pickle
import platform
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout
from threadpoolctl import threadpool_limits

from runner import engine as engines
from runner.engine import device as devices
from runner.errors import CardLost, DeviceError
from runner.plan import plan as plans
from runner.plan.plan import PlannedRun
from runner.state.root import Root
from runner.system.sources import make_folder_importable
from runner.work import stop as stopping
from runner.work.concurrent import train_concurrently
from runner.work.processes import time_limit
from runner.work.share import Share

_WAIT_S = 0.5


def parent_pid(launch: str) -> int:
    """The process that a launch belongs to: its name is PID-RANDOM."""
    return int(launch.partition("-")[0])


def work(plan_path: Path, launch: str, n_threads: int = 1) -> None:
    """Train each run of the plan that no other process holds, until none is left."""
    stopping.die_with_parent(parent_pid(launch))
    make_folder_importable()
    plan, root = plans.read(plan_path), Root.of_plan(plan_path)
    stop_file = root.sweep(plan.sweep_key).stop_file(launch)
    with stopping.Stop(stop_file, of_worker=True) as stop:
        try:
            train(Share(plan.runs, root, launch, n_threads=n_threads), stop)
        except CardLost:
            if os.getpid() == parent_pid(launch):
                # There is no process that could go on: the runs that are left wait for the next
                # command.
                stop.tell_workers()
            else:
                # A launcher would give this process work again; the next one has the card anew.
                os._exit(1)


def work_early(parent: int, compiled: int) -> None:
    """Start before the work is known: import, compile what a run needs, then read the work.

    Standard input has a run with two of its images, and later the arguments of `work`, each
    pickled by the process that started this one.

    Parameters
    ----------
    compiled
        The descriptor of a pipe that is closed when all is compiled.
    """
    stopping.die_with_parent(parent)
    make_folder_importable()
    from runner.train.check.step import assembled
    from runner.train.run import train_run  # noqa: F401

    given = sys.stdin.buffer
    # Whatever is wrong with the run is told when it is trained.
    with contextlib.suppress(Exception):
        run, sample = pickle.load(given)
        if engines.compiles(run.config.engine.name, run.device):
            assembled(run, sample).warm_up()
    os.close(compiled)
    try:
        plan, launch, n_threads = pickle.load(given)
    except EOFError:  # nobody has work for it
        return
    work(Path(plan), launch, n_threads)


def train(share: Share, stop: stopping.Stop) -> None:
    """Train the runs of a share, until none is left or a stop is requested.

    Raises
    ------
    CardLost
        When a run failed and left the GPU unusable for this process.
    """
    with _card(share.root, share.device):
        if share.device == "gpu":
            train_concurrently(share, stop)
        else:
            _train_in_turn(share, stop)


def _train_in_turn(share: Share, stop: stopping.Stop) -> None:
    while not stop():
        n_held_elsewhere = 0
        for run in share.runs:
            if stop():
                return
            if share.is_open(run):
                n_held_elsewhere += not _try(run, share, stop)
        if not n_held_elsewhere:
            return
        # Another sweep is training what is left: if it dies, this one takes over.
        time.sleep(_WAIT_S)


def _try(run: PlannedRun, share: Share, stop: stopping.Stop) -> bool:
    """Train one run, unless another process holds it (False)."""
    with share.held(run) as is_mine:
        if not is_mine:
            return False
        if not share.is_open(run):
            return True
        # Imported by the first run: a worker that finds nothing to do does not wait for DeZero.
        import numpy as np

        from runner.train.run import train_run

        try:
            # Not only by environment variables: a launcher on another machine may not pass them on.
            # And not before NumPy is imported, for until then there is nothing to limit. A loss
            # that overflows ends its run as diverged; NumPy's warnings on the way there would only
            # confuse.
            limit = time_limit(run.config.runner.time_limit_s)
            records = train_run(
                run, share.root, share.launch, stop, limit=limit, n_threads=share.n_threads
            )
            with threadpool_limits(limits=1), np.errstate(all="ignore"):
                for _ in records:
                    pass
        except KeyboardInterrupt:
            raise
        except BaseException:  # recorded in the journal; the other runs go on
            if not share.journals.read(run.run_key).settled(share.launch):
                raise  # not even that could be written
            if run.config.runner.fail_fast:
                stop.tell_workers()
            return True
    return True


@contextlib.contextmanager
def _card(root: Root, device: str) -> Iterator[None]:
    """On GPUs, the card that the fewest workers have, of those that this process sees."""
    if device == "cpu":
        yield
        return
    root.cards.mkdir(parents=True, exist_ok=True)
    card, lock = _free_card(root.cards)
    with lock, contextlib.ExitStack() as stack:
        try:
            stack.enter_context(devices.card(card))
        except Exception as error:
            if not devices.is_out_of_memory(error):
                raise
            name = devices.gpu_name(card)
            raise DeviceError(f"device=gpu: others hold all memory of {name}: {error}") from None
        yield


def _free_card(folder: Path) -> tuple[int, FileLock]:
    """The number of a card, and a lock that is held for as long as it is used."""
    # Not by their numbers: CUDA_VISIBLE_DEVICES gives a card several of those, and machines may
    # share the root.
    names = [re.sub(r"\W", "-", f"{platform.node()}-{bus}") for bus in devices.gpu_buses()]
    for n_others in itertools.count():
        for card, name in enumerate(names):
            lock = FileLock(str(folder / f"{name}.{n_others}.lock"))
            with contextlib.suppress(Timeout):
                lock.acquire(timeout=0)
                return card, lock
    raise AssertionError("there is always another turn")


def main(first: str, second: str, third: str = "1") -> None:
    """A plan, a launch, a number of threads; or what `work_early` needs."""
    if first == "--early":
        work_early(int(second), int(third))
    else:
        work(Path(first), second, int(third))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    # Such as a disk on which not even a failure can be written down.
    except (OSError, DeviceError) as error:
        sys.exit(f"runner: {error}")
