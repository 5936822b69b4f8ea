"""The rounds: every contestant in turn, alone and on the whole machine, so that a slow minute hits
all of them."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import contestants
from benchmarks.nets import BATCH, NETS
from benchmarks.processes import BenchmarkError, Setting, Worker

TASKS = ("train", "evaluate")
#: What a first loss may be: untrained networks of ten classes are at ln 10 = 2.3.
_FIRST_LOSS = (1.9, 3.0)
#: Long enough for the threads of the last one asked to have stopped waiting for more work.
_PAUSE_S = 0.05


@dataclass(frozen=True)
class Entry:
    """One thing to measure: a task, by so many processes of a setting at once."""

    task: str
    setting: Setting
    n_processes: int


@dataclass(frozen=True)
class Measurement:
    """One entry in one round; `seconds` of each process, for `n_batches` in each, of each of its
    networks."""

    round: int
    entry: Entry
    n_batches: int
    seconds: list[float]

    @property
    def images_per_s(self) -> float:
        """Of all networks of all processes together, by the slowest process."""
        n_networks = self.entry.n_processes * contestants.n_seeds(self.entry.setting.contestant)
        return n_networks * self.n_batches * BATCH / max(self.seconds)

    @property
    def step_ms(self) -> float:
        """Wall time of a step in the slowest process, of all its networks."""
        return 1e3 * max(self.seconds) / self.n_batches


@dataclass
class NetResult:
    """All that was measured with one network."""

    net: str
    measurements: list[Measurement] = field(default_factory=list)
    #: First loss, and mean of the last ten, by "contestant, threads=n".
    losses: dict[str, dict[str, float | None]] = field(default_factory=dict)
    #: Why a contestant is missing, by its name.
    failed: dict[str, str] = field(default_factory=dict)


def thread_settings(cores: int) -> list[int]:
    """Numbers of threads that a peer may choose from: one, all, and two between on a machine that
    has them."""
    return sorted({n for n in (1, 4, 8, cores) if n <= cores})


def contestants_of(net: str, pytorch: bool, jax: bool) -> list[str]:
    """Who is timed with this network.

    Two layouts of one channel are the same, so that variant is left out there. With several
    channels JAX's vmap is: on the CPU, XLA computes the convolutions of five seeds at once more
    slowly than one after the other.
    """
    left_out = contestants.JAX_VMAP if NETS[net].channels > 1 else contestants.CHANNELS_LAST
    peers = (contestants.PYTORCH if pytorch else ()) + (contestants.IN_JAX if jax else ())
    names = [*contestants.DEZERO, *peers, contestants.OURS, *contestants.BOUNDS]
    return [name for name in names if name != left_out]


def measure(
    net: str,
    pythons: dict[str, str],
    folder: Path,
    cores: int,
    rounds: int,
    seconds: float,
    say: Callable[[str], None],
) -> NetResult:
    """Start everybody, then time everybody, `rounds` times. `pythons` has an interpreter for each
    contestant.

    Raises
    ------
    BenchmarkError
        When ours or a bound does not run, or a loss shows that a contestant does not train.
    """
    result = NetResult(net)
    with _workers(result, pythons, folder, cores) as workers:
        entries = [
            Entry(task, setting, n)
            for task in TASKS
            for setting, group in workers.items()
            for n in sorted({1, len(group)})
        ]
        say(
            f"{net}: {sum(map(len, workers.values()))} processes are warm; {rounds} rounds of"
            f" {len(entries)} timings"
        )
        n_batches = {
            (task, setting): _calibrate(group[0], task, seconds)
            for task in TASKS
            for setting, group in workers.items()
        }
        for r in range(rounds):
            # Each round begins elsewhere, so that nobody always follows the same neighbour from the
            # same distance.
            first = r * len(entries) // rounds
            for entry in entries[first:] + entries[:first]:
                group = workers[entry.setting][: entry.n_processes]
                n = n_batches[entry.task, entry.setting]
                answers = _ask(group, f"{entry.task} {n}")
                result.measurements.append(
                    Measurement(r, entry, n, [a["seconds"] for a in answers])
                )
                if entry.task == "train" and answers[0]["last_loss"] is not None:
                    result.losses[_label(entry.setting)]["last"] = answers[0]["last_loss"]
            say(f"{net}: round {r + 1} of {rounds} done")
    for label, loss in result.losses.items():
        if loss["first"] is not None and loss["last"] is not None:  # a bound has none
            _check(net, label, loss["first"], loss["last"])
    return result


@contextmanager
def _workers(
    result: NetResult, pythons: dict[str, str], folder: Path, cores: int
) -> Iterator[dict[Setting, list[Worker]]]:
    """Warm processes of each setting: as many as cores with one thread, one with more."""
    with ExitStack() as stack:
        started: dict[Setting, list[Worker]] = {}
        for name, python in pythons.items():
            for threads in _threads(name, cores):
                setting = Setting(name, threads)
                started[setting] = [
                    stack.enter_context(closing(Worker(python, setting, result.net, folder)))
                    for _ in range(cores if threads == 1 else 1)
                ]
        warm: dict[Setting, list[Worker]] = {}
        for setting, group in started.items():
            answers = [worker.answer() for worker in group]
            reasons = [answer["failed"] for answer in answers if "failed" in answer]
            if not reasons:
                warm[setting] = group
                label = _label(setting)
                result.losses[label] = {
                    "first": answers[0]["first_loss"],
                    "last": answers[0]["last_loss"],
                }
            elif setting.contestant in (contestants.OURS, *contestants.BOUNDS):
                raise BenchmarkError(f"{result.net}, {setting.contestant}: {reasons[0]}")
            else:
                result.failed[setting.contestant] = reasons[0]
        yield warm


def _threads(name: str, cores: int) -> list[int]:
    """Our run has one thread beside others and all cores alone; several networks in a process have
    the machine; a bound is that of one thread."""
    if name == contestants.OURS:
        return sorted({1, cores})
    if contestants.n_seeds(name) > 1:
        return [cores]
    return [1] if name in contestants.BOUNDS else thread_settings(cores)


def _ask(group: list[Worker], command: str) -> list[dict[str, Any]]:
    time.sleep(_PAUSE_S)
    for worker in group:
        worker.ask(command)
    return [worker.answer() for worker in group]


def _calibrate(worker: Worker, task: str, seconds: float) -> int:
    """How many batches take about so many seconds in one process, at least two."""
    n = 2
    while True:
        took: float = _ask([worker], f"{task} {n}")[0]["seconds"]
        if took >= seconds / 10:
            return max(2, round(n * seconds / took))
        n *= 4


def _label(setting: Setting) -> str:
    return f"{setting.contestant}, threads={setting.threads}"


def _check(net: str, label: str, first: float, last: float) -> None:
    if not (_FIRST_LOSS[0] <= first <= _FIRST_LOSS[1] and last < first):
        raise BenchmarkError(
            f"{net}, {label}: losses from {first:.3f} to {last:.3f}; this network does not train"
        )
