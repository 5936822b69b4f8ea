"""Every path below the root, known to one object."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runner.files import checkout


@dataclass(frozen=True)
class Root:
    """The folder of state/, mlflow.db, mlartifacts/ and reports/."""

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
        """Held from looking for a run in the tracking store to creating it there."""
        return self.state / "tracking.lock"

    @property
    def database(self) -> Path:
        """The SQLite file of the local MLflow store."""
        return self.path / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        """The artifacts of the local MLflow store."""
        return self.path / "mlartifacts"

    @property
    def reports(self) -> Path:
        """A folder for each report."""
        return self.path / "reports"

    def run(self, run_key: str) -> "RunFolder":
        """The folder of a run, whether it is there or not."""
        return RunFolder(self.state / run_key)

    def runs(self) -> "Iterator[RunFolder]":
        """The folders of all runs that were ever started, in the order of their keys."""
        for journal in sorted(self.state.glob("*/journal.jsonl")):
            yield RunFolder(journal.parent)

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


@dataclass(frozen=True)
class RunFolder:
    """`state/<run_key>/`: the only place to which a run writes."""

    path: Path

    @property
    def journal(self) -> Path:
        return self.path / "journal.jsonl"

    @property
    def weights(self) -> Path:
        return self.path / "weights.npz"

    @property
    def test_correct(self) -> Path:
        return self.path / "test_correct.npy"

    @property
    def config(self) -> Path:
        return self.path / "config.json"

    @property
    def error(self) -> Path:
        """The traceback of a run that failed."""
        return self.path / "error.txt"

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Hold the run's lock; False when another process has it. It is freed with its holder."""
        from filelock import FileLock, Timeout

        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(str(self.path / "lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        # Only the holder writes here: a half-written file was left by a process that was killed.
        for left in self.path.glob(".*.tmp"):
            left.unlink(missing_ok=True)
        try:
            yield True
        finally:
            lock.release()
