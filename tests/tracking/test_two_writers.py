"""Two processes tell one store of the same runs, and no lock keeps one from the other's calls."""

import contextlib
import random
import shutil
import threading
from dataclasses import replace

import pytest
from commands import stored, stored_by_key
from replays import only_plan

from runner.state.root import Root

pytest_plugins = ("roots", "stores")
pytestmark = pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
OTHER = "f" * 64


class Turns:
    """Who calls the store next is drawn; a party that has left is passed over."""

    def __init__(self, seed, n):
        self._rng, self._free = random.Random(seed), threading.Condition()
        self._here = set(range(n))
        self._next = self._rng.choice(sorted(self._here))

    @contextlib.contextmanager
    def of(self, party):
        with self._free:
            assert self._free.wait_for(lambda: self._next == party, timeout=60)
            yield
            self._pass_on()

    def leave(self, party):
        with self._free:
            self._here.discard(party)
            self._pass_on()

    def _pass_on(self):
        if self._here:
            self._next = self._rng.choice(sorted(self._here))
        self._free.notify_all()


class InTurn:
    """A client each of whose calls waits for its turn."""

    def __init__(self, client, turns, party):
        self._client, self._turns, self._party = client, turns, party

    def __getattr__(self, name):
        of_client = getattr(self._client, name)
        if not callable(of_client):
            return of_client

        def call(*args, **kwargs):
            with self._turns.of(self._party):
                return of_client(*args, **kwargs)

        return call


@pytest.fixture
def writers(copied):
    """Of the same runs: one of the sweep that trained them, one of another sweep that has them."""
    made = [copied.writer(), copied.writer()]
    plan = only_plan(copied.root)
    of_plan, of_other = (Root(copied.root).sweep(key).path for key in (plan.sweep_key, OTHER))
    shutil.copytree(of_plan, of_other)
    made[1].tracker.open_sweep(replace(plan, sweep_key=OTHER))
    for writer in made:
        writer.tracker._alone = contextlib.nullcontext()
    return made


def told(writer, turns, party):
    """All that a process tells, in a thread of its own."""
    tracker = writer.tracker
    tracker.client = tracker.runs._client = InTurn(tracker.client, turns, party)

    def tell():
        try:
            writer.update()
            writer.settle()
        finally:
            turns.leave(party)

    thread = threading.Thread(target=tell)
    thread.start()
    return thread


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("began", ["before", "after"])
def test_whatever_the_order_of_their_calls_each_run_is_stored_once_and_is_of_both_sweeps(
    seed, began, copied, writers, main_job
):
    """The runs began before or after the processes: they look first, or create first."""
    if began == "after":
        for writer in writers:
            writer.tracker._since_ms = 0
    turns = Turns(seed, len(writers))
    for thread in [told(writer, turns, n) for n, writer in enumerate(writers)]:
        thread.join()
    sweeps = {f"sweep.{key[:8]}" for key in (only_plan(main_job.root).sweep_key, OTHER)}
    assert all(sweeps <= set(run.tags) for run in stored(copied.database))
    assert rows_of(copied.database) == rows_of(Root(main_job.root).database)


def rows_of(database):
    return {
        key: (run.name, run.status, run.started, run.ended, run.params, run.rows)
        for key, run in stored_by_key(database).items()
    }
