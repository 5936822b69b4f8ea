"""Slurm: an array of tasks by `sbatch`, their states by `squeue`, or else by `sacct`.

Plain commands, and no submitit: a task here is a command line and no pickle, what it did lies in
journals and is no return value, and without accounting submitit reads every state as UNKNOWN. What
would be left of it is the line of `sbatch`.
"""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import ClassVar

from runner.errors import ConfigError, RunnerError, short_text
from runner.state.root import WORKER
from runner.work.cluster.seam import Task
from runner.work.cluster.submission import Submission

#: A controller that is busy takes its time.
_PATIENCE_S = 60.0
#: Slurm leaves any other state by itself.
_OVER = frozenset(
    "BOOT_FAIL CANCELLED COMPLETED DEADLINE FAILED NODE_FAIL OUT_OF_MEMORY PREEMPTED REVOKED"
    " TIMEOUT".split()
)
#: Slurm's reason where it has started a task too often on nodes that failed to (max_batch_requeue):
#: it waits for an administrator then.
_GIVEN_UP = "JobHoldMaxRequeue"
#: `sbatch` says so of what no node has, and of any request while no node is up.
_NO_SUCH_NODES = "Requested node configuration is not available"
#: A line of `sacct`: the tasks of an array, their state, and the node.
_OF_SACCT = re.compile(r"^\d+_([^|]+)\|(\w+)[^|]*\|(?:None assigned|(.*))$", re.MULTILINE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

#: exec: the warning, and the SIGTERM of a preemption, reach the worker itself.
_SCRIPT = """#!/bin/sh
export {worker}="slurm-$SLURM_ARRAY_JOB_ID-$SLURM_ARRAY_TASK_ID-${{SLURM_RESTART_COUNT:-0}}"
exec {python} -m runner.work.cluster.task {submission} "$SLURM_ARRAY_TASK_ID"
"""


@dataclass(frozen=True)
class Slurm:
    """A `Cluster`; hydra_plugins/slurm_launcher.py says what each field is, and gives defaults."""

    n_tasks: int
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    time: str | None = None
    memory: str | None = None
    cpus: int = 1
    gpus: int = 0
    constraint: str | None = None
    array_parallelism: int = 0
    warning_s: int = 120

    name: ClassVar[str] = "slurm"
    asked: ClassVar[str] = "Slurm"

    def check(self, device: str) -> None:
        """Refuse what Slurm would refuse.

        Raises
        ------
        ConfigError
            No sbatch, no such partition, a number that is none, GPUs that nothing would use.
        """
        smallest = {"tasks": 1, "cpus": 1, "gpus": 0, "array_parallelism": 0, "warning_s": 0}
        for field, least in smallest.items():
            value = self.n_tasks if field == "tasks" else getattr(self, field)
            if value < least:
                raise ConfigError(f"hydra.launcher.{field}={value}: allowed are {least} and above")
        if self.gpus and device != "gpu":
            raise ConfigError(
                f"hydra.launcher.gpus={self.gpus}: nobody asks the cards of another machine; with"
                " GPUs type device=gpu, too"
            )
        refused = self._refused(["sbatch", "--test-only", *self._options(), "--wrap=true"])
        if refused and not (_NO_SUCH_NODES in refused and not _nodes_up()):
            raise ConfigError(f"hydra/launcher=slurm: {refused}; nothing was submitted")

    def submit(self, submission: Submission) -> str:
        """Submit an array with a task for each share; its job's number.

        Raises
        ------
        RunnerError
            When sbatch refuses it.
        """
        last = submission.n_tasks - 1
        at_once = f"%{self.array_parallelism}" if self.array_parallelism else ""
        line = [
            "sbatch", "--parsable", f"--array=0-{last}{at_once}", *self._options(), "--requeue",
            f"--signal=B:USR1@{self.warning_s}", "--open-mode=append",
            f"--job-name=ablation-{submission.folder.parent.name[:8]}",
            # A % stands for something in this one.
            "--output=" + str(submission.folder).replace("%", "%%") + "/task-%a.log",
        ]  # fmt: skip
        script = _SCRIPT.format(
            worker=WORKER,
            python=shlex.quote(sys.executable),
            submission=shlex.quote(str(submission.path)),
        )
        ended = _do(line, script)
        if ended.returncode:
            raise RunnerError(
                f"hydra/launcher=slurm: {_complaint(ended)}; nothing was submitted, what is trained"
                " is kept"
            )
        return ended.stdout.partition(";")[0].strip()

    def look(self, job: str) -> list[Task] | None:
        """The tasks that the controller remembers, or else the accounting, if there is any."""
        form = "--format=%K|%T|%r|%N"
        ended = _do(["squeue", "--noheader", "--array", "--states=all", f"--jobs={job}", form])
        if not ended.returncode:
            lines = (line.partition("|") for line in ended.stdout.splitlines())
            return [_task(int(index), *rest.split("|")) for index, _, rest in lines]
        if "Invalid job id" not in ended.stderr:
            return None
        form = "--format=JobID,State,NodeList"
        ended = _do(["sacct", "--noheader", "--parsable2", "--allocations", f"--jobs={job}", form])
        tasks: dict[int, Task] = {}
        # The line of the tasks that never began still holds some that did: each task's own goes
        # before it.
        lines_of = sorted(_OF_SACCT.findall(ended.stdout), key=lambda found: found[0][:1] == "[")
        for indices, state, node in lines_of:
            for index in _indices(indices):
                # It is over even where its end never reached the accounting.
                tasks.setdefault(index, replace(_task(index, state, "", node), is_over=True))
        return list(tasks.values())

    def cancel(self, job: str, waiting: bool = False) -> None:
        """Cancel the job, or those of its tasks that wait to begin."""
        _do(["scancel", *(["--state=PENDING"] if waiting else []), job])

    def _options(self) -> list[str]:
        given = {
            "partition": self.partition, "account": self.account, "qos": self.qos,
            "constraint": self.constraint, "time": _time(self.time), "mem": self.memory,
            "gpus-per-task": self.gpus or None,
        }  # fmt: skip
        asked = [f"--{name}={value}" for name, value in given.items() if value is not None]
        return ["--nodes=1", "--ntasks=1", f"--cpus-per-task={self.cpus}", *asked]

    def _refused(self, line: list[str]) -> str:
        """What Slurm says against a line; empty: nothing."""
        ended = _do(line)
        if not ended.returncode:
            return ""
        why = _complaint(ended)
        if "partition" in why and self.partition:
            there = ", ".join(_do(["sinfo", "--noheader", "--format=%R"]).stdout.split())
            why += f" (hydra.launcher.partition={self.partition}; there are {there or 'none'})"
        return why


def n_cpus() -> int:
    """How many processors the task of this process has."""
    return int(os.environ.get("SLURM_CPUS_PER_TASK", 1))


def requeue() -> None:
    """Have Slurm start the task of this process again.

    Raises
    ------
    RunnerError
        When it does not.
    """
    ended = _do(["scontrol", "requeue", os.environ["SLURM_JOB_ID"]])
    if ended.returncode:
        raise RunnerError(f"scontrol requeue: {_complaint(ended)}")


def _task(index: int, state: str, reason: str, node: str) -> Task:
    reason = "" if reason == "None" else reason
    is_over, is_oom = state in _OVER or reason == _GIVEN_UP, state == "OUT_OF_MEMORY"
    return Task(index, state, reason, node, is_over, is_oom)


def _indices(text: str) -> list[int]:
    """`2`; of tasks of an array that never began `[0,2-5%3]`, of which 3 were to run at once."""
    spans = (span.partition("-") for span in text.strip("[]").partition("%")[0].split(","))
    return [n for first, _, last in spans for n in range(int(first), int(last or first) + 1)]


def _time(text: str | None) -> str | None:
    """Slurm's own form of a time such as 4h; any other text is left to sbatch."""
    known = re.fullmatch(r"(\d+)([smhd])", text or "")
    if known is None:
        return text
    minutes, seconds = divmod(int(known[1]) * _SECONDS[known[2]], 60)
    return f"{minutes}:{seconds:02d}"


def _nodes_up() -> str:
    up = ["sinfo", "--noheader", "--format=%D", "--states=idle,allocated,mixed"]
    return _do(up).stdout.strip()


def _do(line: list[str], text: str = "") -> "subprocess.CompletedProcess[str]":
    """A command of Slurm's; one that cannot be started or does not end counts as failed."""
    # Jobs inherit the environment, which Slurm keeps in files: without the store's address.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    how = {"input": text, "env": environment, "capture_output": True, "text": True}
    try:
        # A session of its own: a Ctrl-C reaches the sweep alone.
        return subprocess.run(line, timeout=_PATIENCE_S, start_new_session=True, **how)  # type: ignore[call-overload,no-any-return]
    except FileNotFoundError:
        why = f"there is no command {line[0]} here; type this where jobs of Slurm are submitted"
    except subprocess.TimeoutExpired:
        why = f"{line[0]} has no answer within {_PATIENCE_S:g} s: does Slurm's controller run?"
    return subprocess.CompletedProcess(line, 1, "", why)


def _complaint(ended: "subprocess.CompletedProcess[str]") -> str:
    """The first line of what a command said, without its own name."""
    first = next(iter(ended.stderr.strip().splitlines()), f"ended with {ended.returncode}")
    return short_text(first.removeprefix(f"{ended.args[0]}: ").removeprefix("error: "), 200)
