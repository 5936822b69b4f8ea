"""A run's record: what its attempts say together, and which of them count."""

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from runner.record import DONE, FAILED, TIMES, TRAINED, seconds_spent
from runner.state.journal import Attempt, JournalReader
from runner.state.records import End, Epoch, Setup, Start
from runner.state.root import AttemptFolder, RunFolder

#: What is said of a file of results that does not fit its hash.
NOT_WRITTEN = (
    "not what the run wrote; move the run's folder away and type the sweep's command again"
)


class RunRecord:
    """The chain of attempts that ends in the one that trained the run first, else in the last one.

    Each attempt names the one that it goes on after. Of two that trained the run, which happens
    only where locks do not reach, the one that ended first counts, by its clock and then its id.
    """

    def __init__(self, attempts: Mapping[str, Attempt], refusal: str | None = None) -> None:
        self._attempts = attempts
        later = [a.of_later_version for a in attempts.values() if a.of_later_version]
        #: Why the run is left as it is, and nobody trains it: a later version of this program wrote
        #: part of it, or its folder is none.
        self.refusal = refusal or next(iter(later), None)
        self._chain: list[Attempt] = []
        #: By epoch, the first record of the chain; a later one where that differs.
        self.epochs: dict[int, Epoch] = {}
        #: What an attempt of the chain trained while the next one was under way already.
        self._late: list[Epoch] = []
        #: Whether attempts of the chain differ in an epoch that both trained: on processors of two
        #: families.
        self.is_mixed = False
        #: What is wrong with files of the run, if anything; what they say from there on is not
        #: used.
        self.damages = [a.damage for a in attempts.values() if a.damage]
        self._choose()
        #: Of training and evaluation, over all epochs.
        self.seconds = sum(seconds_spent(epoch.metrics) for epoch in self.epochs.values())

    @property
    def attempt(self) -> str | None:
        """The id of the attempt that counts; None for a run that was never begun."""
        return self._chain[-1].id if self._chain else None

    @property
    def attempts(self) -> list[str]:
        """The ids of all attempts."""
        return list(self._attempts)

    @property
    def chain(self) -> list[str]:
        """The ids of the attempts that the record is made of, the first one first."""
        return [attempt.id for attempt in self._chain]

    @property
    def trained_by(self) -> list[str]:
        """The ids of the attempts that trained the run; more than one where locks do not reach."""
        return [a.id for a in self._attempts.values() if a.end and a.end.status in TRAINED]

    @property
    def start(self) -> Start | None:
        return self._chain[-1].start if self._chain else None

    @property
    def setup(self) -> Setup | None:
        return self._chain[-1].setup if self._chain else None

    @property
    def compiling(self) -> bool:
        """Whether the engine is compiling its kernels, before the first epoch."""
        return bool(self._chain) and self._chain[-1].compiling

    @property
    def end(self) -> End | None:
        if self.refusal:
            return End(FAILED, self.refusal)
        return self._chain[-1].end if self._chain else None

    @property
    def status(self) -> str | None:
        """done, diverged, failed or killed; None while it has not ended."""
        return self.end.status if self.end else None

    @property
    def trained(self) -> bool:
        """Whether the run is a result and will never be trained again."""
        return self.status in TRAINED

    @property
    def last(self) -> dict[str, float]:
        """The metrics of the last epoch; empty before the first."""
        return self.epochs[max(self.epochs)].metrics if self.epochs else {}

    @property
    def is_contested(self) -> bool:
        """Whether there are epochs that do not count, and which a store may have been told."""
        beside = any(a.epochs for a in self._attempts.values() if a.id not in self.chain)
        return beside or any(self.epochs[late.epoch] is not late for late in self._late)

    def settled(self, launch: str) -> bool:
        """Whether a launch is done with the run: it is trained, has failed in it, or is refused."""
        if self.trained or self.refusal:
            return True
        attempt = self.of_launch(launch)
        return attempt is not None and attempt.end is not None and attempt.end.status == FAILED

    def under_way(self, launch: str) -> bool:
        """Whether a worker of a launch, alive or dead, began the run and has not ended it."""
        attempt = self.of_launch(launch)
        return attempt is not None and not attempt.has_ended and not self.trained

    def taken(self, launch: str) -> bool:
        """Whether the other workers of a launch have nothing to do for the run.

        Not even when the worker that began it has died: a run that takes its worker with it would
        take them one by one. The sweep's process finds out whose fault it was.
        """
        return self.settled(launch) or self.under_way(launch)

    def n_wordless(self, launch: str) -> int:
        """How many attempts of a launch have not ended: their processes died, but for the last."""
        attempts = [a for a in self._attempts.values() if a.start and a.start.launch == launch]
        return sum(not attempt.has_ended for attempt in attempts)

    def of_launch(self, launch: str) -> Attempt | None:
        """The last attempt that a worker of a launch began."""
        return _last(a for a in self._attempts.values() if a.start and a.start.launch == launch)

    def _choose(self) -> None:
        """Choose the attempt that counts, and merge its chain."""
        trained = [self._attempts[id] for id in self.trained_by]
        for attempt in sorted(trained, key=lambda a: (_ended(a), a.id)):
            self._merge(attempt)
            missing = self._missing()
            if not missing:
                return
            self.damages.append(f"{attempt.file}: epochs {missing} are missing; it does not count")
        self._chain, self.epochs, self._late, self.is_mixed = [], {}, [], False
        last = _last(a for a in self._attempts.values() if a.start and a not in trained)
        if last:
            self._merge(last)

    def _merge(self, last: Attempt) -> None:
        self._chain = list(reversed(list(self._before(last))))
        self.epochs, self._late, self.is_mixed = {}, [], False
        for attempt, following in itertools.zip_longest(self._chain, self._chain[1:]):
            for epoch in attempt.epochs.values():
                if following and _is_late(epoch, following):
                    self._late.append(epoch)
                else:
                    self._take(epoch)
        for epoch in self._late:
            # Another attempt may have gone on from its checkpoint.
            self.epochs.setdefault(epoch.epoch, epoch)

    def _take(self, epoch: Epoch) -> None:
        before = self.epochs.get(epoch.epoch)
        if before is None or differing(before.metrics, epoch.metrics):
            self.is_mixed |= before is not None
            self.epochs[epoch.epoch] = epoch

    def _before(self, attempt: Attempt) -> Iterator[Attempt]:
        """An attempt, and those that it goes on after."""
        seen: set[str] = set()
        following: Attempt | None = attempt
        while following is not None and following.id not in seen:
            seen.add(following.id)
            yield following
            after = following.start.after if following.start else None
            following = self._attempts.get(after) if after else None

    def _missing(self) -> str:
        """The epochs that a trained run must have and this one lacks, in words."""
        last, start = self._chain[-1], self._chain[-1].start
        assert last.end is not None
        planned = start.config.get("train", {}).get("epochs") if start else None
        n_epochs = planned if planned and last.end.status == DONE else max(self.epochs, default=0)
        lost = [str(n) for n in range(1, n_epochs + 1) if n not in self.epochs]
        return ", ".join(lost[:10])


class RunReader:
    """Follows the attempts at one run while other processes make them."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.record = RunRecord({})
        self._readers: dict[str, JournalReader] = {}

    def poll(self) -> bool:
        """Take what was written since; whether there was anything."""
        try:
            ids = self.folder.attempt_ids()
        except OSError as error:
            is_news = self.record.refusal is None
            self.record = RunRecord({}, f"{error.filename}: {error.strerror}; move it away")
            return is_news
        for id in ids:
            if id not in self._readers:
                self._readers[id] = JournalReader(self.folder.attempt(id))
        changed = [reader.poll() for reader in self._readers.values()]
        if any(changed):
            # Copies: another thread may still look at the record before.
            readers = self._readers.items()
            self.record = RunRecord({id: replace(reader.attempt) for id, reader in readers})
        return any(changed)


def read_run(folder: RunFolder) -> RunRecord:
    """The record of a run as it stands now; an empty one where there is none."""
    reader = RunReader(folder)
    reader.poll()
    return reader.record


def differing(before: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
    """The metrics, times apart, in which two trainings of one epoch differ.

    A metric that the version which trained one of them did not measure is no difference.
    """
    both = [name for name in now if name in before and name not in TIMES]
    return [name for name in both if now[name] != before[name]]


def changed_files(folder: AttemptFolder, sha256: Mapping[str, str]) -> list[Path]:
    """The files of an attempt's results, by the hashes in its `end`, that are not what it wrote."""
    changed = []
    for name, expected in sha256.items():
        file = folder.path / name
        try:
            is_whole = hashlib.sha256(file.read_bytes()).hexdigest() == expected
        except OSError:
            is_whole = False
        if not is_whole:
            changed.append(file)
    return changed


def _last(begun: Iterable[Attempt]) -> Attempt | None:
    """The attempt that none of the others goes on after; of several the one that began last."""
    attempts = [attempt for attempt in begun if attempt.start]
    followed = {attempt.start.after for attempt in attempts if attempt.start}
    leaves = [attempt for attempt in attempts if attempt.id not in followed]
    return max(leaves, key=lambda a: (a.start.time_ms if a.start else 0, a.id), default=None)


def _is_late(epoch: Epoch, following: Attempt) -> bool:
    """Whether an attempt trained an epoch while the one that goes on after it trained it, too.

    So it is where locks do not reach. What counts must not change with what it writes later.
    """
    assert following.start is not None
    goes_on_from = following.setup.goes_on_from_epoch if following.setup else 1
    return epoch.time_ms > following.start.time_ms and epoch.epoch >= goes_on_from


def _ended(attempt: Attempt) -> int:
    return attempt.end.time_ms if attempt.end else 0
