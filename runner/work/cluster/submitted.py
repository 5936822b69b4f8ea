"""How a sweep that was submitted stands with its cluster, for whoever did not submit it."""

import shutil
from dataclasses import dataclass

from runner.plan.plan import Plan
from runner.state.root import Root
from runner.system.language import Said, say
from runner.work.cluster import submission as submissions
from runner.work.cluster.seam import Cluster, Task, in_words
from runner.work.cluster.slurm import Slurm
from runner.work.cluster.submission import Submission

#: Those whose tasks outlive the sweep's process, by name; only asked, never given anything to do.
_CLUSTERS: dict[str, Cluster] = {"slurm": Slurm(n_tasks=1)}


@dataclass(frozen=True)
class Submitted:
    """What was last submitted of a sweep, and how its tasks are."""

    given: Submission
    cluster: Cluster
    #: None where the cluster does not answer.
    tasks: list[Task] | None

    @property
    def is_over(self) -> bool:
        """Whether the cluster says that no task is left."""
        return self.tasks is not None and all(task.is_over for task in self.tasks)

    @property
    def words(self) -> Said:
        """`job 12: Slurm says 2 RUNNING`."""
        job, asked = self.given.job, self.cluster.asked
        if self.tasks is None:
            return say("job {job}: {asked} does not answer here", job=job, asked=asked)
        states = in_words(self.tasks)
        return say("job {job}: {asked} says {states}", job=job, asked=asked, states=states)


def submitted(plan: Plan, root: Root) -> Submitted | None:
    """How a sweep stands with its cluster; None for one that was never submitted."""
    given = submissions.latest(plan, root)
    cluster = _CLUSTERS.get(given.cluster) if given else None
    if given is None or cluster is None or not given.job:
        return None
    return Submitted(given, cluster, cluster.look(given.job))


def tidy(plan: Plan, root: Root) -> None:
    """Remove what only a sweep under way, or the search for a fault, has a use for."""
    for file in root.sweep(plan.sweep_key).submissions():
        shutil.rmtree(file.parent, ignore_errors=True)
