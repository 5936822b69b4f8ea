"""The only writer of a tracking store: it brings a sweep there in step with the journals."""

import threading
from collections.abc import Callable
from functools import cached_property

from runner.errors import StateError
from runner.plan.plan import PlannedRun
from runner.record import FAILED, KILLED
from runner.state.journals import Journals
from runner.state.records import Epoch, Start
from runner.state.run_record import RunRecord, read_run
from runner.tracking.store.calls import failure
from runner.tracking.tracker import Replaced, TrackedRun, Tracker

#: Wait for news, in seconds: at first, for the first runs may be short; doubled up to the second
#: figure.
_POLL_S = (0.1, 1.0)
#: Wait after a failed call, in seconds; doubled up to the second figure.
_BACKOFF_S = (2.0, 30.0)
#: Two processes that replace one another's runs soon agree: both read the same record.
_REPLACED_TIMES = 5
#: A person who interrupted a sweep waits no longer for a call that is under way.
_INTERRUPTED_S = 5.0


class Writer:
    """Brings a tracker in step with journals; what it has been told is not told again.

    Parameters
    ----------
    open_tracker
        Called by the first use of the tracker, and again by the next one where it raised.
    """

    def __init__(
        self, open_tracker: Callable[[], Tracker], journals: Journals, runs: list[PlannedRun]
    ) -> None:
        self._open, self.journals = open_tracker, journals
        self._runs = {run.run_key: _RunWriter(run) for run in runs}
        self._position = 0
        self._pending: dict[str, None] = {}
        #: Why runs cannot be recorded as they are, by run key: a file of theirs is not what they
        #: wrote.
        self.refused: dict[str, str] = {}

    @cached_property
    def tracker(self) -> Tracker:
        """The tracker, opened."""
        return self._open()

    def update(self, patience: int = 2) -> None:
        """One pass over the runs of which there is news.

        A run that the store refuses does not keep the others from it; the `patience`th refusal is
        taken for a store that is away, and the pass ends. Raises the first.
        """
        changed, self._position = self.journals.look().changed_since(self._position)
        self._pending |= dict.fromkeys(key for key in changed if key in self._runs)
        errors: list[Exception] = []
        for key in list(self._pending):
            try:
                self._tell(key, self.journals[key])
                del self._pending[key]
            except Exception as error:
                self._runs[key].forget()
                errors.append(error)
                # MLflow takes twenty seconds to say so of a locked file, each time.
                if len(errors) >= patience or "database is locked" in str(error):
                    break
        if errors:
            raise errors[0]

    def settle(self) -> None:
        """Look again at runs of which another process may have told the store, too.

        Each process does so after all that it did itself: the last one sees what all of them did.
        """
        for key, run in self._runs.items():
            if self.journals[key].is_contested:
                run.forget()
                self._tell(key, read_run(self.journals.root.run(key)))

    def _tell(self, key: str, record: RunRecord) -> None:
        run = self._runs[key]
        for n_left in reversed(range(_REPLACED_TIMES)):
            try:
                return run.update(record, self.tracker)
            except Replaced:
                run.forget()
                record = read_run(self.journals.root.run(key))
                if not n_left:
                    raise
            except StateError as error:
                self.refused[key] = str(error)
                return None

    def close(self, status: str) -> None:
        """Record how the sweep ended, FINISHED, FAILED or KILLED, and what it came to."""
        self.tracker.close_sweep(status, {key: self.journals[key] for key in self._runs})

    def close_as_recorded(self) -> None:
        """Record the sweep's end from the journals, unless a run has not ended."""
        statuses = [self.journals[key].status for key in self._runs]
        if all(statuses):
            status = (
                "FAILED" if FAILED in statuses else "KILLED" if KILLED in statuses else "FINISHED"
            )
            self.close(status)

    @property
    def n_behind(self) -> int:
        """How many runs have something on disk that the store does not hold."""
        self.journals.look(max_age_s=0)
        return sum(
            self.journals[key].trained and not run.is_complete for key, run in self._runs.items()
        )


class _RunWriter:
    """What a tracker has been told of one run."""

    def __init__(self, run: PlannedRun) -> None:
        self._run = run
        self.forget()

    def forget(self) -> None:
        """Look for the run again and tell all of it: a store that refused it may have lost it.

        Rows that it has already stay what they are.
        """
        self.is_complete = False
        self._tracked: TrackedRun | None = None
        self._start: Start | None = None
        self._epochs: dict[int, Epoch] = {}

    def update(self, record: RunRecord, tracker: Tracker) -> None:
        """Tell what the record has and the tracker has not been told."""
        start, end = record.start, record.end
        if (
            self.is_complete
            or record.refusal
            or start is None
            or (record.setup is None and end is None)
        ):
            return
        is_new = self._tracked is None or self._start is not start
        if self._tracked is None or is_new:
            tracked = tracker.begin_run(self._run, record)
            if self._tracked is not None and self._tracked.id != tracked.id:
                self.forget()  # another process put it in the place of the one that was told
            self._tracked, self._start = tracked, start
            self.is_complete = tracked.is_complete
        if self.is_complete:
            return
        news = [
            epoch
            for number, epoch in sorted(record.epochs.items())
            if self._epochs.get(number) is not epoch
        ]
        if end is not None:
            tracker.end_run(self._tracked, news, record)
            self.is_complete = record.trained
        elif news or is_new:
            tracker.log_rows(self._tracked, news)
        self._epochs |= {epoch.epoch: epoch for epoch in news}


class WriterThread(threading.Thread):
    """Keeps a tracker in step while runs train; a store that is away is tried again.

    Parameters
    ----------
    after_first_news
        Leave the tracker alone until a journal has a new line: opening it would take the cores
        from workers that are starting.
    """

    def __init__(self, writer: Writer, after_first_news: bool = False) -> None:
        super().__init__(name="tracking", daemon=True)
        self.writer = writer
        #: What was in the journals before.
        self._seen = writer.journals.changed_since(0)[1] if after_first_news else None
        #: Why the store is behind, for the display; None while it is in step.
        self.trouble: str | None = None
        self._finish = threading.Event()

    def run(self) -> None:
        journals = self.writer.journals
        while self._seen is not None and not journals.look().changed_since(self._seen)[0]:
            if self._finish.wait(_POLL_S[0]):
                return
        poll_s, wait_s = _POLL_S[0], _BACKOFF_S[0]
        while not self._finish.wait(poll_s if self.trouble is None else wait_s):
            poll_s = min(2 * poll_s, _POLL_S[1])
            wait_s = _BACKOFF_S[0] if self._pass() else min(2 * wait_s, _BACKOFF_S[1])

    def _pass(self) -> bool:
        try:
            self.writer.tracker.probe()
            # At the end a person waits.
            self.writer.update(patience=1 if self.trouble and self._finish.is_set() else 2)
            self.trouble = None
        except Exception as error:
            self.trouble = failure(error, self.writer.journals.root)
        return self.trouble is None

    def finish(self, status: str, interrupted: bool = False) -> str | None:
        """One last pass, and the sweep's end; what the store lacks (`2 runs are`), or None."""
        self._finish.set()
        if self.is_alive():
            self.join(_INTERRUPTED_S if interrupted else None)
        if self.is_alive():
            self.trouble = self.trouble or "a call to it is still under way"
        elif self._pass():
            try:
                self.writer.settle()
                self.writer.close(status)
            except Exception as error:
                self.trouble = failure(error, self.writer.journals.root)
        if self.trouble is None:
            return None
        n_behind = self.writer.n_behind
        return (
            f"{n_behind} runs are"
            if n_behind > 1
            else "1 run is"
            if n_behind
            else "how it ended is"
        )
