"""Every path below the root, known to one object."""

import os
import platform
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runner.record import WEIGHTS
from runner.system.files import checkout, naming_room

#: The folder of the local store's artifacts, beside its file.
ARTIFACTS = "mlartifacts"
#: The environment variable by which a cluster names a task of its own: `slurm-12-0-1`, of a job,
#: its first task, started a second time. The attempts of other processes have host and process.
WORKER = "RUNNER_WORKER"


@dataclass(frozen=True)
class Root:
    """The folder of state/, mlflow.db, mlartifacts/, reports/ and server/."""

    path: Path

    @classmethod
    def of(cls, configured: str | None) -> "Root":
        """The root as configured, else the checkout, else the working directory."""
        if configured is not None:
            return cls(Path(configured).expanduser().resolve())
        return cls(checkout() or Path.cwd())

    @classmethod
    def of_plan(cls, path: Path) -> "Root":
        """The root below which this sweep.json lies."""
        return cls(path.parents[3])

    def __str__(self) -> str:
        return str(self.path)

    @property
    def state(self) -> Path:
        """What training writes: a folder for each run, the plans, the data sets."""
        return self.path / "state"

    @property
    def data(self) -> Path:
        """The data sets, checked, as arrays that workers map into memory."""
        return self.state / "data"

    @property
    def cards(self) -> Path:
        """Locks by which workers share the GPUs of a machine."""
        return self.state / "cards"

    @property
    def tracking_lock(self) -> Path:
        """Held from looking for a sweep in the tracking store to creating it there."""
        return self.state / "tracking.lock"

    @property
    def incoming(self) -> Path:
        """Attempts that are being copied from another root, and are not whole yet."""
        return self.state / "incoming"

    @property
    def forgotten(self) -> Path:
        """Folders of runs that are being removed."""
        return self.state / "forgotten"

    @property
    def database(self) -> Path:
        """The SQLite file of the local MLflow store."""
        return self.path / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        """The artifacts of the local MLflow store."""
        return self.path / ARTIFACTS

    @property
    def server(self) -> Path:
        """What `runner.server` keeps: the database, its password, artifacts."""
        return self.path / "server"

    @property
    def reports(self) -> Path:
        """A folder for each report."""
        return self.path / "reports"

    def run(self, run_key: str) -> "RunFolder":
        """The folder of a run, whether it is there or not."""
        return RunFolder(self.state / run_key)

    def runs(self) -> "Iterator[RunFolder]":
        """The folders of all runs that were ever started, in the order of their keys."""
        journals = self.state.glob("*/journal.jsonl"), self.state.glob("*/attempts/*/journal.jsonl")
        keys = {path.relative_to(self.state).parts[0] for paths in journals for path in paths}
        for key in sorted(keys):
            yield self.run(key)

    def kept_epochs(self) -> set[int]:
        """The numbers of epochs after which a final state was kept."""
        names = [file.name for file in self.state.glob("*/attempts/*/final-*")]
        return {int(name[6:]) for name in names if re.fullmatch(r"final-[0-9]{1,9}", name)}

    def sweep(self, sweep_key: str) -> "SweepFolder":
        """The folder of a sweep, whether it is there or not."""
        return SweepFolder(self.state / "sweeps" / sweep_key)

    def sweeps(self) -> "Iterator[SweepFolder]":
        """The folders of all sweeps that were ever planned, the oldest first."""
        plans = (self.state / "sweeps").glob("*/sweep.json")
        for plan in sorted(plans, key=lambda path: path.stat().st_mtime):
            yield SweepFolder(plan.parent)


@dataclass(frozen=True)
class SweepFolder:
    """`state/sweeps/<sweep_key>/`: a plan, and how its workers are reached."""

    path: Path

    @property
    def plan(self) -> Path:
        return self.path / "sweep.json"

    def stop_file(self, launch: str) -> Path:
        """The file whose appearance asks the workers of a launch to stop."""
        return self.path / f"{launch}.stop"

    def jobs(self, launch: str) -> Path:
        """What a launcher writes about the jobs of a launch."""
        return self.path / f"{launch}.jobs"

    def submissions(self) -> list[Path]:
        """What was submitted to a cluster, in the folders of jobs; the latest first."""
        files = self.path.glob("*.jobs/submission.json")
        return sorted(files, key=lambda file: file.stat().st_mtime_ns, reverse=True)


#: The id of what versions 1 and 2 left: one journal in the run's own folder, for all its attempts.
BEFORE_ATTEMPTS = "before-attempts"


@dataclass(frozen=True)
class RunFolder:
    """`state/<run_key>/`: the attempts at a run."""

    path: Path

    @property
    def key(self) -> str:
        return self.path.name

    @property
    def attempts(self) -> Path:
        return self.path / "attempts"

    def attempt(self, id: str) -> "AttemptFolder":
        """The folder of an attempt, whether it is there or not."""
        return AttemptFolder(self.path if id == BEFORE_ATTEMPTS else self.attempts / id, id)

    def attempt_ids(self) -> list[str]:
        """The ids of all attempts, in no order."""
        try:
            ids = os.listdir(self.attempts)
        except FileNotFoundError:
            ids = []
        before = self.attempt(BEFORE_ATTEMPTS)
        return [BEFORE_ATTEMPTS, *ids] if before.journal.exists() else ids

    def new_attempt(self) -> "AttemptFolder":
        """The folder of this process's attempt, made."""
        process = os.environ.get(WORKER) or f"{platform.node()[:64]}-{os.getpid()}"
        process = re.sub(r"[^\w.-]", "-", process)
        attempt = self.attempt(f"{process}-{uuid.uuid4().hex[:8]}")
        with naming_room(attempt.path):
            attempt.path.mkdir(parents=True)
        return attempt

    @contextmanager
    def locked(self, wait_s: float = 0) -> Iterator[bool]:
        """Hold the run's lock; False when another process has it. It is freed with its holder.

        It saves work: where a file system's locks do not reach from host to host, two processes may
        train the run at once, each in an attempt of its own.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(str(self.path / "lock"))
        try:
            with naming_room(self.path / "lock"):
                self.path.mkdir(parents=True, exist_ok=True)
                lock.acquire(timeout=wait_s)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()


@dataclass(frozen=True)
class AttemptFolder:
    """`state/<run_key>/attempts/<id>/`: written to by the one process that makes the attempt."""

    path: Path
    id: str

    @property
    def run_key(self) -> str:
        """The key of the run, by the place of the folder."""
        return self.path.name if self.is_before_attempts else self.path.parents[1].name

    @property
    def is_before_attempts(self) -> bool:
        return self.id == BEFORE_ATTEMPTS

    @property
    def journal(self) -> Path:
        return self.path / "journal.jsonl"

    @property
    def death(self) -> Path:
        """How the attempt ended, as the sweep's process found where its own process died."""
        return self.path / "death.jsonl"

    @property
    def weights(self) -> Path:
        return self.path / WEIGHTS

    @property
    def test_correct(self) -> Path:
        return self.path / "test_correct.npy"

    @property
    def test_predicted(self) -> Path:
        return self.path / "test_predicted.npy"

    @property
    def config(self) -> Path:
        return self.path / "config.json"

    @property
    def error(self) -> Path:
        """The traceback of an attempt that failed."""
        return self.path / "error.txt"

    def final_state(self, n_epochs: int) -> Path:
        """Weights and optimizer at the run's end, from which one with more epochs goes on."""
        return self.path / f"final-{n_epochs}"

    @property
    def results(self) -> tuple[Path, ...]:
        """The files whose hashes stand in the journal's last line."""
        return self.config, self.weights, self.test_correct, self.test_predicted

    def tidy(self, keep_results: bool) -> None:
        """Remove what the attempt left behind that a trained run has no use for."""
        left = [*self.path.glob("checkpoint*"), *self.path.glob(".*.tmp"), self.error]
        results = [*self.results, *self.path.glob("final-*")]
        for file in left if keep_results else [*left, *results]:
            file.unlink(missing_ok=True)
