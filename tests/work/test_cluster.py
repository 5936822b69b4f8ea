"""Tasks of a cluster: what each takes, and what the command that waits makes of them."""

import os
import stat
from types import SimpleNamespace

import pytest
from commands import environment, run
from configs import configured
from journaling import append

from runner.errors import ConfigError, RunnerError
from runner.record import FAILED
from runner.state.journals import Journals
from runner.state.records import End, Start
from runner.state.root import WORKER, Root
from runner.work.cluster import launch as launches
from runner.work.cluster import slurm
from runner.work.cluster.launch import ClusterLaunch
from runner.work.cluster.seam import Task, in_words
from runner.work.cluster.slurm import Slurm
from runner.work.cluster.submission import Submission, read
from runner.work.launcher import Local, OnCluster
from runner.work.share import MAX_WORDLESS, Share
from runner.work.stop import Stop

KEYS = [letter * 64 for letter in "abcde"]
LAUNCH = "7-launch"


@pytest.fixture
def root(tmp_path):
    return Root(tmp_path)


@pytest.fixture
def plan():
    """A plan of five runs, as far as tasks need it."""
    runs = [SimpleNamespace(run_key=key, cell_key=key, name=key[0], device="cpu") for key in KEYS]
    return SimpleNamespace(sweep_key="s" * 64, runs=runs)


def begin(root, key, id, launch=LAUNCH):
    append(root.run(key).attempt(id), Start(key, "", {}, {}, {}, "cpu", 1, launch))


def test_a_submission_is_read_as_it_was_written_and_a_new_one_has_no_hellos(root):
    folder = root.sweep("s").jobs(LAUNCH)
    given = Submission(folder, LAUNCH, "slurm", "12", [[KEYS[0]], KEYS[1:4], [KEYS[4]]])
    given.write()
    given.say_hello(2)
    assert read(given.path) == given and given.begun() == {2}
    Submission(folder, LAUNCH, "slurm", "", [KEYS]).write()
    assert given.begun() == set()


def test_an_attempt_is_named_by_its_task(root, monkeypatch):
    monkeypatch.setenv(WORKER, "slurm-12-0-1")
    assert root.run(KEYS[0]).new_attempt().id.rpartition("-")[0] == "slurm-12-0-1"


def test_a_task_goes_on_with_what_its_launch_left_even_where_the_lock_is_held(root, plan):
    begin(root, KEYS[0], "dead")
    begin(root, KEYS[1], "of-another", launch="8-other")
    own, others = (Share(plan.runs, root, LAUNCH, is_own) for is_own in (True, False))
    assert own.is_open(plan.runs[0]) and not others.is_open(plan.runs[0])
    with root.run(KEYS[0]).locked(), root.run(KEYS[1]).locked():
        with own.held(plan.runs[0]) as is_mine:
            assert is_mine
        with own.held(plan.runs[1]) as is_mine:
            assert not is_mine, "another sweep has it"


def test_a_run_that_ends_its_worker_without_a_word_again_and_again_fails(root, plan):
    share = Share(plan.runs, root, LAUNCH, is_own=True)
    for n in range(MAX_WORDLESS):
        assert share.is_open(plan.runs[0])
        with share.held(plan.runs[0]):
            assert share.is_open(plan.runs[0])
        begin(root, KEYS[0], f"attempt-{n}")
    with share.held(plan.runs[0]):
        assert not share.is_open(plan.runs[0])
    record = share.journals.read(KEYS[0])
    assert record.status == FAILED and "3 times without a word" in record.end.cause


class Made:
    """A cluster that does as it is told: what its tasks do, and in which state they end."""

    name, asked, n_tasks = "slurm", "Slurm", 2

    def __init__(self, root, does=lambda key: None, state="COMPLETED"):
        self.root, self.does, self.state = root, does, state
        self.submitted, self.cancelled = [], []

    def check(self, device):
        pass

    def submit(self, submission):
        self.submitted.append(submission)
        for share in submission.shares:
            for key in share:
                self.does(key)
        return str(len(self.submitted))

    def look(self, job):
        is_oom = self.state == "OUT_OF_MEMORY"
        n = self.submitted[-1].n_tasks
        return [Task(index, self.state, "", "n1", True, is_oom) for index in range(n)]

    def cancel(self, job, waiting=False):
        self.cancelled.append((job, waiting))


@pytest.fixture
def launch(root, plan, monkeypatch):
    monkeypatch.setattr(launches, "_ASK_S", 0.0)
    monkeypatch.setattr(launches, "_LOOK_S", 0.01)

    def begin(cluster):
        told = []
        made = ClusterLaunch(plan, Journals(root, KEYS), Stop(), cluster, LAUNCH, told.append)
        return made, told

    return begin


def test_what_a_job_left_is_submitted_again_until_it_comes_to_nothing(root, launch):
    def trains_two(key):
        if key in KEYS[:2]:
            begin(root, key, "first")
            append(root.run(key).attempt("first"), End("diverged"))

    cluster = Made(root, trains_two, "FAILED")
    made, told = launch(cluster)
    with pytest.raises(RunnerError, match="without training anything: Slurm says 2 FAILED"):
        made.until_settled(2)
    assert [sum(map(len, given.shares)) for given in cluster.submitted] == [5, 3, 3, 3]
    # Their tasks never said hello: what node may not see the root is told at once.
    assert any(f"does n1 see {root}? Slurm says 2 FAILED" in line for line in told)


def test_out_of_memory_is_said_only_where_the_cluster_says_so(root, launch):
    made, _ = launch(Made(root, lambda key: begin(root, key, "first"), "OUT_OF_MEMORY"))
    made.until_settled(2)
    ends = [made.journals.read(key).end for key in KEYS]
    assert {end.status for end in ends} == {FAILED}
    assert {end.cause for end in ends} == {"out of memory (Slurm says so)"}


def test_states_are_counted():
    tasks = [Task(0, "RUNNING"), Task(1, "PENDING", "Resources"), Task(2, "RUNNING")]
    assert in_words(tasks) == "2 RUNNING, 1 PENDING (Resources)"


@pytest.fixture
def says(tmp_path, monkeypatch):
    """Call with a command of Slurm's, what it prints, and its exit code: stands in for it."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def command(name, out="", err="", code=0):
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\necho '{out}'\necho '{err}' >&2\nexit {code}\n")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)

    return command


def test_accounting_is_asked_where_the_controller_has_forgotten(says):
    says("squeue", err="slurm_load_jobs error: Invalid job id specified", code=1)
    # As sacct of Slurm 22.05 prints an array of which two tasks at a time were to run.
    accounted = ["12_0|COMPLETED|n1", "12_1|CANCELLED by 0|n3", "12_2|OUT_OF_MEMORY|n3",
                 "12_3|RUNNING|n2", "12_[3-4,6-7%2]|CANCELLED by 0|None assigned"]  # fmt: skip
    says("sacct", out="\n".join(accounted))
    tasks = Slurm(n_tasks=8).look("12")
    assert [(task.index, task.state, task.node) for task in tasks] == [
        (0, "COMPLETED", "n1"), (1, "CANCELLED", "n3"), (2, "OUT_OF_MEMORY", "n3"),
        (3, "RUNNING", "n2"), *((n, "CANCELLED", "") for n in (4, 6, 7)),
    ]  # fmt: skip
    assert [task.index for task in tasks if task.is_out_of_memory] == [2]
    # The end of one never reached the accounting; nobody is to wait for it.
    assert all(task.is_over for task in tasks)


def test_a_task_has_as_many_threads_as_slurm_gave_it_processors(monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "4")
    assert slurm.n_cpus() == 4
    monkeypatch.delenv("SLURM_CPUS_PER_TASK")
    assert slurm.n_cpus() == 1


def test_a_task_that_slurm_does_not_start_any_more_is_over(says):
    says("squeue", out="0|PENDING|JobHoldMaxRequeue|\n1|PENDING|Resources|\n2|RUNNING|None|n1")
    assert [task.is_over for task in Slurm(n_tasks=3).look("12")] == [True, False, False]


def test_a_controller_that_is_silent_is_no_end_of_tasks(says):
    says("squeue", err="slurm_load_jobs error: Unable to contact slurm controller", code=1)
    assert Slurm(n_tasks=3).look("12") is None


@pytest.mark.parametrize(
    "slurm, said",
    [
        (Slurm(n_tasks=0), "hydra.launcher.tasks=0: allowed are 1 and above"),
        (Slurm(n_tasks=1, gpus=1), "with GPUs type device=gpu"),
        (Slurm(n_tasks=1, partition="nope"), r"partition=nope; there are main\); nothing was sub"),
    ],
)
def test_what_slurm_would_refuse_is_refused_first(says, slurm, said):
    says("sbatch", err="sbatch: error: invalid partition specified: nope", code=1)
    says("sinfo", out="main")
    with pytest.raises(ConfigError, match=said):
        slurm.check("auto")


def test_a_request_that_no_node_meets_just_now_is_left_to_the_queue(says):
    says("sbatch", err="allocation failure: Requested node configuration is not available", code=1)
    says("sinfo")
    Slurm(n_tasks=1).check("auto")


def test_leaving_needs_a_cluster_and_a_cluster_its_own_number_of_tasks():
    with pytest.raises(ConfigError, match="it needs a cluster, such as -m hydra/launcher=slurm"):
        Local(None).check(configured({"runner.detach": True}))
    with pytest.raises(ConfigError, match="hydra.launcher.tasks that says how many"):
        OnCluster(Made(None)).check(configured({"runner.workers": 3}))
    looks = {"runner.detach": True, "sweep.seeds": "until_decided"}
    with pytest.raises(ConfigError, match="has to decide each look"):
        OnCluster(Made(None)).check(configured(looks))


def test_where_there_is_no_slurm_nothing_is_written(tmp_path):
    root = tmp_path / "root"
    words = ("-m", "data=digits", "seed=0,1", "hydra/launcher=slurm")
    ended = run(root, *words, env=environment(PATH=str(tmp_path)), code=2)
    assert "there is no command sbatch here" in ended.err and ended.err.count("\n") == 1
    assert not root.exists()
