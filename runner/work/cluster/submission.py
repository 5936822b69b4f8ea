"""What a sweep gave a cluster to do, and which of its tasks have begun: files beside the plan."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from runner.errors import StateError
from runner.plan.plan import Plan
from runner.state.root import Root, SweepFolder
from runner.system.files import write_whole

_HELLO = "hello-"


@dataclass(frozen=True)
class Submission:
    """`submission.json` in a launch's folder of jobs: who trains what.

    Only the runs that were left are shared out: some task's share of the whole plan might be
    trained already.
    """

    folder: Path = field(compare=False)
    launch: str
    #: The launcher, by its name: `slurm`.
    cluster: str
    #: How the cluster names it; empty before it has taken it.
    job: str
    #: The keys of the runs of each task.
    shares: list[list[str]]

    @property
    def path(self) -> Path:
        return self.folder / "submission.json"

    @property
    def plan(self) -> Path:
        """The plan of its sweep."""
        return SweepFolder(self.folder.parent).plan

    @property
    def root(self) -> Root:
        return Root.of_plan(self.plan)

    @property
    def n_tasks(self) -> int:
        return len(self.shares)

    def write(self) -> None:
        """Keep it; tasks of one before in this folder are forgotten."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.job:
            for file in self.folder.glob(f"{_HELLO}*"):
                file.unlink()
        kept = {name: value for name, value in vars(self).items() if name != "folder"}
        write_whole(self.path, json.dumps(kept).encode("ascii"))

    def say_hello(self, index: int) -> None:
        """Tell the sweep's process that a task has begun, on a host that sees the root."""
        (self.folder / f"{_HELLO}{index}").touch()

    def begun(self) -> set[int]:
        """The tasks that have begun."""
        return {int(file.name.removeprefix(_HELLO)) for file in self.folder.glob(f"{_HELLO}*")}


def read(path: Path) -> Submission:
    """A submission, from its file.

    Raises
    ------
    StateError
        When it cannot be read as one.
    """
    try:
        return Submission(folder=path.parent, **json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError) as error:
        raise StateError(f"{path}: not what was submitted to a cluster ({error})") from error


def latest(plan: Plan, root: Root) -> Submission | None:
    """What was last submitted of a sweep; None where nothing was."""
    files = root.sweep(plan.sweep_key).submissions()
    return read(files[0]) if files else None
