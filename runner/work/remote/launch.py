"""A sweep's runs on hosts that see nothing of the root: sent, kept here, and sent again."""

import time
from collections import Counter, deque
from collections.abc import Callable, Hashable
from contextlib import ExitStack
from dataclasses import dataclass, field

from runner.errors import RunnerError
from runner.plan.plan import Plan, PlannedRun
from runner.record import FAILED
from runner.state.journals import Journals
from runner.system.language import Said, say
from runner.work.launch import MAX_IDLE_LAUNCHES, unsettled
from runner.work.remote import program
from runner.work.remote.keeper import BadParcel, Keeper
from runner.work.remote.orders import order
from runner.work.remote.seam import Engine, Hello, Over, Parcel
from runner.work.share import dealt, end_under_way, give_up_wordless, out_of_memory
from runner.work.stop import Stop

#: A task that begins says so; when none has after so long, it is told.
HELLO_S = 60.0
#: Where another sweep trains a run, it is asked for again after so long.
_HELD_S = 0.5
#: Tasks that were asked to stop have so long for it: one batch, and a checkpoint.
_STOPPING_S = 60.0


@dataclass
class _Sent:
    """A task that has its order and is not over."""

    runs: list[PlannedRun]
    keeper: Keeper
    #: The locks of its runs.
    locks: ExitStack
    #: Epochs that there were when it was sent.
    n_epochs: int
    has_begun: bool = False


@dataclass
class RemoteLaunch:
    """The tasks of one command, from the first order to the end of the last run.

    The engine finds hosts and processes dead, and no run is blamed for that: what is left of a
    task's runs is sent again, with the checkpoints that came before.
    """

    plan: Plan
    journals: Journals
    stop: Stop
    engine: Engine
    name: str
    #: Says a line to the person who waits.
    tell: Callable[[Said], None]
    _tasks: dict[Hashable, _Sent] = field(default_factory=dict)
    _waiting: deque[list[PlannedRun]] = field(default_factory=deque)
    #: How often in a row a task ended without an epoch more, by its first run.
    _idle: Counter[str] = field(default_factory=Counter)

    def until_settled(self, n_tasks: int) -> None:
        """Have tasks train until each run is trained, has failed, or a stop is asked for.

        Raises
        ------
        RunnerError
            When tasks end without training anything, or hosts have another program.
        OSError
            When what they send cannot be written.
        """
        left = unsettled(self.plan, self.journals, self.name)
        # A process on a card trains several runs at a time; on a core there is one.
        n_shares = n_tasks if left and left[0].device == "gpu" else len(left)
        dealt_out = dealt([run.cell_key for run in left], n_shares)
        self._waiting.extend([left[place] for place in share] for share in dealt_out)
        n_at_once = min(n_tasks, len(self._waiting))
        self.tell(self._beginning(n_at_once, len(left)))
        began, is_told = time.monotonic(), False
        try:
            while self._waiting or self._tasks:
                if self.stop():
                    self._end_in_order()
                    return
                self._send(n_tasks)
                if not self._tasks:
                    time.sleep(_HELD_S)
                self._take()
                seconds = time.monotonic() - began
                if not is_told and seconds > HELLO_S:
                    is_told = True
                    self._tell_waiting(seconds)
        finally:
            for task in list(self._tasks):
                self._drop(task)

    def _beginning(self, n_tasks: int, n_runs: int) -> Said:
        tasks = say("{n} task" if n_tasks == 1 else "{n} tasks", n=n_tasks)
        runs = say("{n} run" if n_runs == 1 else "{n} runs", n=n_runs)
        told = "{where}: {tasks} at a time for {runs}"
        return say(told, where=self.engine.words, tasks=tasks, runs=runs)

    def _send(self, n_tasks: int) -> None:
        """Give tasks what waits, as far as no other sweep is at it."""
        for _ in range(len(self._waiting)):
            if len(self._tasks) >= n_tasks:
                return
            runs, held, locks = self._waiting.popleft(), [], ExitStack()
            for run in runs:
                if not locks.enter_context(self.journals.root.run(run.run_key).locked()):
                    held.append(run)
            runs = [run for run in runs if run not in held]
            # Another sweep may have trained them a moment ago.
            runs = [run for run in runs if not self._is_settled(run)]
            if held:
                self._waiting.append(held)
            if not runs:
                locks.close()
                continue
            root = self.journals.root
            task = self.engine.start(order(runs, root, self.name))
            keeper = Keeper(root, [run.run_key for run in runs])
            self._tasks[task] = _Sent(runs, keeper, locks, self._n_epochs(runs))

    def _take(self) -> None:
        """Keep what tasks have sent."""
        for task, item in self.engine.news(list(self._tasks)):
            sent = self._tasks.get(task)
            if sent is None:  # it was dropped a moment ago
                continue
            if isinstance(item, Hello):
                sent.has_begun = True
                if other := program.is_other(self.engine.name, item.host, item.program):
                    raise RunnerError(f"{other}; what is trained is kept")
            elif isinstance(item, Parcel):
                try:
                    sent.keeper.keep(item)
                except BadParcel as error:
                    self.engine.drop(task)
                    self._over(task, Over(f"{error}"))
            else:
                self._over(task, item)

    def _over(self, task: Hashable, how: Over) -> None:
        """A task has ended: what is left of its runs waits to be sent again."""
        sent = self._forget(task)
        for key in (run.run_key for run in sent.runs):
            if how.is_out_of_memory:
                end_under_way(self.journals, key, self.name, out_of_memory(self.engine.asked))
            give_up_wordless(self.journals, key, self.name)
        left = [run for run in sent.runs if not self._is_settled(run)]
        for run in sent.runs:
            record = self.journals[run.run_key]
            if record.status == FAILED and run.config.runner.fail_fast:
                self.stop.tell_workers()
        if not left:
            return
        self._waiting.appendleft(left)
        first = sent.runs[0].run_key
        is_idle = self._n_epochs(sent.runs) == sent.n_epochs
        self._idle[first] = self._idle[first] + 1 if is_idle else 0
        why = how.why or "they end in order"
        if self._idle[first] >= MAX_IDLE_LAUNCHES:
            raise RunnerError(
                f"tasks end without training anything: {self.engine.asked} says {why}; what is"
                " trained is kept, the same command goes on"
            )
        if how.why and not self.stop():
            told = "{asked} lost a task ({why}): what it was at goes on from its checkpoint"
            self.tell(say(told, asked=self.engine.asked, why=why))

    def _end_in_order(self) -> None:
        """Have tasks write their checkpoints, keep these, and end."""
        self._waiting.clear()
        self.engine.stop()
        for task in [task for task, sent in self._tasks.items() if not sent.has_begun]:
            self._drop(task)
        deadline = time.monotonic() + _STOPPING_S
        while self._tasks and time.monotonic() < deadline:
            self._take()
            self._waiting.clear()

    def _drop(self, task: Hashable) -> None:
        self.engine.drop(task)
        self._forget(task)

    def _forget(self, task: Hashable) -> _Sent:
        sent = self._tasks.pop(task)
        sent.keeper.close()
        sent.locks.close()
        return sent

    def _is_settled(self, run: PlannedRun) -> bool:
        return self.journals.read(run.run_key).settled(self.name)

    def _n_epochs(self, runs: list[PlannedRun]) -> int:
        return sum(len(self.journals.read(run.run_key).epochs) for run in runs)

    def _tell_waiting(self, seconds: float) -> None:
        """Say so when no task has begun that should have: other work may have the hosts."""
        begun = [sent for sent in self._tasks.values() if sent.has_begun]
        if begun or not self._tasks:
            return
        told = "{n} of {all} tasks have begun after {s} s: {asked} says {states}"
        n_tasks, s = len(self._tasks), f"{seconds:.0f}"
        asked, states = self.engine.asked, self.engine.free()
        self.tell(say(told, n=0, all=n_tasks, s=s, asked=asked, states=states))
