"""Several runs on one card, advanced in turn by one process: while one is waited for, the others compute.

Each run has a stream, graphs and memory of its own and reads nothing of the others', so its numbers are those it would
have alone. A CPU has no use for this: there a process a core computes one run.
"""

import contextlib
import gc
import time
from collections.abc import Callable, Iterator

from runner.engine import device as devices
from runner.errors import CardLost, GaveWay, TimedOut
from runner.plan.plan import PlannedRun
from runner.record import EpochRecord
from runner.state.journal import read_journal
from runner.state.root import Root
from runner.train import device_data
from runner.work.processes import time_limit_cause
from runner.work.stop import Stop

_WAIT_S = 0.5


def side_by_side(runs: list[PlannedRun], root: Root, launch: str, stop: Stop) -> None:
    """Train every run that nobody else holds, several at a time, until none is left or a stop is asked for.

    Raises
    ------
    CardLost
        When a run failed and took the card with it; the others can be gone on with by another process.
    """
    import numpy as np
    from threadpoolctl import threadpool_limits

    number, free_before = Number(runs[0].config.engine.streams), devices.free_gpu_bytes()
    lanes: list[Lane] = []
    with threadpool_limits(limits=1), np.errstate(all="ignore"), contextlib.ExitStack() as stack:
        stack.callback(device_data.release)
        stack.callback(_close, lanes)
        while True:
            n_held_elsewhere = 0 if stop() else _fill(lanes, number.runs, runs, root, launch, stop)
            if not lanes:
                if stop() or not n_held_elsewhere:
                    return
                # Another sweep is training what is left: if it dies, this one takes over.
                time.sleep(_WAIT_S)
            started, n_lanes, n_images = time.monotonic(), len(lanes), 0
            for lane in list(lanes):
                try:
                    n_images += lane.advance()
                except GaveWay:
                    number.lower(len(lanes) - 1)
                except KeyboardInterrupt:
                    raise
                except BaseException:  # recorded in the journal; the other runs go on
                    if not read_journal(lane.folder.journal).settled(launch):
                        raise  # not even that could be written
                    if lane.run.config.runner.fail_fast:
                        stop.tell_workers()
                    if devices.card_is_lost():
                        _abandon(lanes)
                        raise CardLost(f"{lane.run.name} failed and took the card with it") from None
                if lane.ended:
                    lanes.remove(lane)
                    lane.close()
                    # What it held is free only now that nothing refers to it.
                    del lane
                    gc.collect()
                    devices.free_gpu_memory()
            seconds = time.monotonic() - started
            number.round(n_lanes, n_images, seconds, lambda: _n_more(n_lanes, free_before))  # noqa: B023


def _n_more(n_lanes: int, free_before: int) -> int:
    """How many runs more the card has room for, by what those under way have taken of it."""
    free = devices.free_gpu_bytes()
    return int(free // max(1, (free_before - free) / n_lanes))


def _close(lanes: list["Lane"]) -> None:
    for lane in lanes:
        lane.close()


def _abandon(lanes: list["Lane"]) -> None:
    """Close what cannot even give its memory back."""
    for lane in lanes:
        with contextlib.suppress(Exception):
            lane.close()


def _fill(lanes: list["Lane"], n: int, runs: list[PlannedRun], root: Root, launch: str, stop: Stop) -> int:
    """Open lanes for runs that nobody holds until there are n; how many runs others were found to hold."""
    n_held_elsewhere = 0
    mine = {lane.run.run_key for lane in lanes}
    for run in runs if len(lanes) < n else []:
        if len(lanes) >= n or stop():
            break
        if run.run_key in mine or read_journal(root.run(run.run_key).journal).taken(launch):
            continue
        lane = Lane(run, root, launch, stop, lanes)
        if lane.is_held:
            lanes.append(lane)
        else:
            lane.close()
            n_held_elsewhere += 1
    return n_held_elsewhere


class Lane:
    """One run under way.

    Parameters
    ----------
    lanes
        All lanes of the process, this one among them once it is open.
    """

    def __init__(self, run: PlannedRun, root: Root, launch: str, stop: Stop, lanes: list["Lane"]) -> None:
        from runner.train.run import train_run

        self.run, self.folder, self.ended = run, root.run(run.run_key), False
        self._lock = contextlib.ExitStack()
        self.is_held = self._lock.enter_context(self.folder.locked())
        if self.is_held and read_journal(self.folder.journal).taken(launch):
            self.is_held = False  # somebody has ended it just now
        limit = run.config.runner.time_limit_s
        self._deadline = time.monotonic() + limit if limit else None
        self._records: Iterator[EpochRecord | None] = train_run(run, root, launch, stop, lambda: len(lanes) < 2)

    def advance(self) -> int:
        """Have the run take up what its card has done and give it more to do; how many images were trained meanwhile.

        Raises
        ------
        GaveWay
            When it does not fit beside the others.
        Exception
            Whatever it fails with; its journal says so.
        """
        n_images = 0
        self.ended = True  # unless it says otherwise
        if self._deadline and time.monotonic() > self._deadline:
            self._records.throw(TimedOut(time_limit_cause(self.run.config.runner.time_limit_s)))  # type: ignore[attr-defined]
        for record in self._records:
            if record is None:
                self.ended = False
                break
            n_images += round(record.images_per_s * record.train_s)
        return n_images

    def close(self) -> None:
        """End the run where it is, if it is under way, and let go of it."""
        self._records.close()  # type: ignore[attr-defined]
        self._lock.close()


class Number:
    """How many runs a card is given at a time: as configured, or found out while they train.

    A few at first, then twice as many for as long as the images trained in a second grow by a tenth with it.

    Parameters
    ----------
    configured
        `engine.streams`; 0: find out.
    """

    _FIRST, _MOST = 4, 16
    _GAIN = 1.1
    #: How long a number is tried before it is judged, in rounds and in seconds; the first round captures graphs.
    _ROUNDS, _SECONDS = 3, 0.5

    def __init__(self, configured: int) -> None:
        self.runs = configured or self._FIRST
        self._searching = not configured
        self._before = 0.0
        self._begin()

    def _begin(self) -> None:
        self._n_rounds, self._n_images, self._seconds = 0, 0, 0.0

    def round(self, n_lanes: int, n_images: int, seconds: float, n_more: Callable[[], int]) -> None:
        """So many lanes were each advanced once; `n_more` says how many more the card has room for."""
        if not self._searching or n_lanes != self.runs:
            return
        self._n_rounds += 1
        if self._n_rounds == 1:
            return
        self._n_images, self._seconds = self._n_images + n_images, self._seconds + seconds
        if self._n_rounds < self._ROUNDS or self._seconds < self._SECONDS:
            return
        rate = self._n_images / self._seconds
        if self._before and rate < self._GAIN * self._before:
            self.runs, self._searching = self.runs // 2, False
        elif 2 * self.runs > self._MOST or n_more() < self.runs:
            self._searching = False
        else:
            self._before, self.runs = rate, 2 * self.runs
        self._begin()

    def lower(self, n: int) -> None:
        """The card has no room for more than so many."""
        self.runs, self._searching = max(1, n), False
