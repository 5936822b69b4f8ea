"""A sweep's workers on a cluster: submitted, waited for, and submitted again for what is left."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from runner.errors import RunnerError
from runner.plan.plan import Plan
from runner.state.journals import Journals
from runner.system.language import Said, say
from runner.work.cluster.seam import Cluster, Task, in_words
from runner.work.cluster.submission import Submission
from runner.work.cluster.submitted import submitted, tidy
from runner.work.launch import MAX_IDLE_LAUNCHES, n_done, unsettled
from runner.work.share import dealt, end_under_way, out_of_memory
from runner.work.stop import Stop

#: A controller serves everybody: it is not asked more often.
_ASK_S = 5.0
_LOOK_S = 0.5
#: A task that begins says so in a file; one that is not seen after so long is told of.
HELLO_S = 60.0


@dataclass
class ClusterLaunch:
    """The tasks of one command, from their submission to the end of the last run.

    The cluster owns them: it starts a task again whose host died, and nobody here blames a run for
    that. A task goes through its share by itself, and gives a run up whose worker ended without a
    word several times.
    """

    plan: Plan
    journals: Journals
    stop: Stop
    cluster: Cluster
    name: str
    #: Says a line to the person who waits.
    tell: Callable[[Said], None]
    _told: set[str] = field(default_factory=set)

    def until_settled(self, n_tasks: int) -> None:
        """Have tasks train until each run is trained, has failed, or a stop is asked for.

        Raises
        ------
        RunnerError
            When nothing can be submitted, or tasks end without training anything.
        """
        given, n_idle = self.begun(), 0
        while unsettled(self.plan, self.journals, self.name) and not self.stop():
            before = n_done(self.plan, self.journals, self.name)
            given = given or self.submit(n_tasks)
            try:
                tasks = self._outlast(given)
            except BaseException:
                self.cluster.cancel(given.job)
                raise
            if self.stop():
                self.cluster.cancel(given.job)
                return
            self.cluster.cancel(given.job, waiting=True)
            self._end_out_of_memory(given, tasks)
            is_idle = n_done(self.plan, self.journals, self.name) == before
            n_idle = n_idle + 1 if is_idle else 0
            if n_idle >= MAX_IDLE_LAUNCHES:
                raise RunnerError(
                    f"tasks end without training anything: {self.cluster.asked} says"
                    f" {in_words(tasks)}, their logs are in {given.folder}; what is trained is"
                    " kept, the same command goes on"
                )
            given = None
        if all(self.journals[run.run_key].trained for run in self.plan.runs):
            tidy(self.plan, self.journals.root)

    def begun(self) -> Submission | None:
        """What an earlier command submitted, if a task of it is not over yet."""
        before = submitted(self.plan, self.journals.root)
        if before is None or before.is_over or before.given.cluster != self.cluster.name:
            return None
        told = say(
            "{command} says {states}",
            command=self.cluster.asked,
            states=in_words(before.tasks or []),
        )
        self.tell(say("job {job} is at it already; {told}", job=before.given.job, told=told))
        return before.given

    def submit(self, n_tasks: int) -> Submission:
        """Submit a task for each share of what is left.

        Raises
        ------
        RunnerError
            When the cluster refuses it.
        """
        left = unsettled(self.plan, self.journals, self.name)
        folder = self.journals.root.sweep(self.plan.sweep_key).jobs(self.name)
        dealt_out = dealt([run.cell_key for run in left], n_tasks)
        shares = [[left[place].run_key for place in share] for share in dealt_out]
        given = Submission(folder, self.name, self.cluster.name, "", shares)
        given.write()
        given = replace(given, job=self.cluster.submit(given))
        given.write()
        submitted = "job {job} submitted: {tasks} for {runs}; their logs: {folder}"
        tasks = say("{n} task" if len(shares) == 1 else "{n} tasks", n=len(shares))
        n_runs = say("{n} run" if len(left) == 1 else "{n} runs", n=len(left))
        self.tell(say(submitted, job=given.job, tasks=tasks, runs=n_runs, folder=folder))
        return given

    def _outlast(self, given: Submission) -> list[Task]:
        """Wait until all runs are settled, all tasks are over, or a stop is asked for.

        Returns
        -------
        Each task as it was last seen: a controller forgets those that ended some minutes ago.
        """
        began, was_over, next_ask = time.monotonic(), False, 0.0
        last: dict[int, Task] = {}
        while not self.stop() and unsettled(self.plan, self.journals, self.name):
            now = time.monotonic()
            if now >= next_ask:
                next_ask = now + _ASK_S
                seen = self.cluster.look(given.job)
                last |= {task.index: task for task in seen or []}
                self._tell_unseen(given, list(last.values()), now - began)
                is_over = seen is not None and all(task.is_over for task in seen)
                # Slurm may show a task whose host died as failed before it queues it again.
                if is_over and was_over:
                    break
                was_over = is_over
            time.sleep(_LOOK_S)
        return list(last.values())

    def _tell_unseen(self, given: Submission, tasks: list[Task], seconds: float) -> None:
        """Say so when tasks have not begun that should have: their hosts may not see the root."""
        begun = given.begun()
        unseen = [task for task in tasks if task.index not in begun]
        lost = [task for task in unseen if task.is_over]
        if not lost and (seconds < HELLO_S or len(begun) == given.n_tasks):
            return
        told = "{n} of {all} tasks have begun after {s} s: {asked} says {states}"
        nodes = sorted({task.node for task in unseen if task.node})
        if nodes:
            told = (
                "{n} of {all} tasks have begun after {s} s: does {nodes} see {root}? {asked} says"
                " {states}"
            )
        states = in_words(tasks)
        if f"{given.job} {len(begun)} {states}" in self._told:
            return
        self._told.add(f"{given.job} {len(begun)} {states}")
        root, asked = self.journals.root, self.cluster.asked
        where = {"nodes": ", ".join(nodes), "root": root} if nodes else {}
        n, s = len(begun), f"{seconds:.0f}"
        self.tell(say(told, n=n, all=given.n_tasks, s=s, asked=asked, states=states, **where))

    def _end_out_of_memory(self, given: Submission, tasks: list[Task]) -> None:
        """Record the run as failed that a task was at when it took too much memory."""
        out = [key for task in tasks if task.is_out_of_memory for key in given.shares[task.index]]
        for key in out:
            end_under_way(self.journals, key, self.name, out_of_memory(self.cluster.asked))
