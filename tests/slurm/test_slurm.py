"""Sweeps on a real Slurm, with what happens there: each ends with the local sweep's bits."""

import os
import shutil
import signal
import time

import pytest
from commands import end, environment, lines, run, start, stored, until
from conftest import SMALL, SWEEP
from places import FAULTY

from runner.state.root import Root
from runner.state.run_record import read_run

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(400)]
ON_SLURM = ("hydra/launcher=slurm", "hydra.launcher.tasks=3")
WORDS = (*SWEEP, *ON_SLURM)
OTHER = (*SMALL, *ON_SLURM, "model.channels=2,3")
ALL = "6 of 6 runs trained and stored"


@pytest.fixture
def on(slurm):
    """Call for the environment of a command on the cluster, perhaps with slow epochs."""

    def build(sleep_s=0.0, **names):
        slow = {"PYTHONPATH": FAULTY, "EPOCH_SLEEP": str(sleep_s)}
        return environment(**slurm.environment, **(slow if sleep_s else {}), **names)

    yield build
    slurm.do("scancel", "--user=" + str(os.getuid()))
    slurm.until_idle()


@pytest.fixture
def begin(root):
    """Call for a command that is under way; it ends with the test."""
    begun = []

    def command(*words, of=WORDS, **options):
        begun.append(start(root, *of, *words, **options))
        return begun[-1]

    yield command
    for process in begun:
        if process.poll() is None:
            process.kill()
            process.communicate()


def records(root):
    return [read_run(folder) for folder in Root(root).runs()]


def read_until(process, text, seconds):
    """The first line of a command that has a text in it."""
    deadline = time.monotonic() + seconds
    for line in process.stdout:
        assert time.monotonic() < deadline, "told too late"
        if text in line:
            return line
    raise AssertionError("never told")


def mid_training(slurm, process, root):
    """Until each of the three tasks has an epoch to lose; the number of its job."""
    until(lambda: sum(bool(epochs) for epochs in lines(root, "epoch").values()) >= 3)
    assert process.poll() is None
    (job,) = {line.partition("_")[0] for line in slurm.jobs()}
    return job


def test_an_array_sweep(on, root, scenario):
    ended = run(root, *WORDS, env=on())
    assert " submitted: 3 tasks for 6 runs" in ended.out and ALL in ended.out
    scenario(root)
    assert all(record.attempt.startswith("slurm-") for record in records(root))
    assert {tag.tags["complete"] for tag in stored(Root(root).database)} == {"1"}
    assert list(root.glob("state/sweeps/*/*.jobs")) == []


def test_a_node_that_dies_with_its_task(on, slurm, begin, root, scenario):
    sweep = begin(env=on(1.0))
    mid_training(slurm, sweep, root)
    node = slurm.running()["1"]
    slurm.kill_node(node)
    until(lambda: "1" not in slurm.running())
    slurm.begin_node(node)
    ended = end(sweep, 0, timeout=300)
    assert ALL in ended.out and ended.err == ""
    scenario(root)
    again = [record for record in records(root) if len(record.chain) == 2]
    assert again, "an attempt went on after the one that died"
    assert all(record.chain[1].startswith(record.chain[0][:-11]) for record in again)
    assert any(record.setup.goes_on_from_epoch > 1 for record in again), "from its checkpoint"


def test_a_task_that_is_cancelled_and_one_that_is_queued_again_by_hand(
    on, slurm, begin, root, scenario
):
    sweep = begin(env=on(1.0))
    job = mid_training(slurm, sweep, root)
    slurm.do("scancel", f"{job}_0")
    slurm.do("scontrol", "requeue", f"{job}_1")
    ended = end(sweep, 0, timeout=300)
    # What is left of the share of the first is submitted again.
    assert ended.out.count(" submitted: ") == 2 and ALL in ended.out and ended.err == ""
    scenario(root)
    assert {end.status for record in records(root) for end in [record.end]} == {"done"}


def test_preemption_by_a_partition_that_comes_first(on, slurm, begin, root, scenario):
    sweep = begin("hydra.launcher.partition=main", env=on(1.0))
    mid_training(slurm, sweep, root)
    slurm.do("sbatch", "-purgent", "-N3", "--exclusive", "-o/dev/null", "--wrap=sleep 2")
    until(lambda: not set(slurm.running()) & {"0", "1", "2"})
    ended = end(sweep, 0, timeout=300)
    assert ended.out.count(" submitted: ") == 1 and ALL in ended.out
    scenario(root)
    kept = [record for record in records(root) if record.chain[0] != record.attempt]
    assert kept and any(record.setup.goes_on_from_epoch > 1 for record in kept)


def test_a_task_whose_time_is_over_goes_on_in_the_next(on, slurm, begin, root, scenario):
    # Slurm warns up to a minute early, which with a minute is at once.
    sweep = begin("hydra.launcher.time=1m", "hydra.launcher.warning_s=50", env=on(2.5))
    ended = end(sweep, 0, timeout=300)
    assert ended.out.count(" submitted: ") == 1 and ALL in ended.out
    scenario(root)
    again = [record for record in records(root) if len(record.chain) > 1]
    assert again and all(record.chain[0].split("-")[3] == "0" for record in again)


def test_a_node_that_does_not_see_the_root(on, slurm, begin, root, scenario):
    slurm.end_node("n3")
    slurm.begin_node("n3", hides=root)
    try:
        sweep = begin(env=on(1.0))
        told = read_until(sweep, " tasks have begun after ", seconds=75)
        assert f"does n3 see {root}? squeue says " in told
        os.kill(sweep.pid, signal.SIGINT)
        ended = end(sweep, 130, timeout=20)
        assert "interrupted" in ended.err and "go on with: python -m runner -m" in ended.err
        until(lambda: not slurm.jobs(), seconds=20)
    finally:
        slurm.end_node("n3")
        slurm.begin_node("n3")
    slurm.until_idle()
    assert ALL in run(root, *WORDS, env=on()).out
    scenario(root)


def test_a_parent_that_is_killed_and_the_same_command_again(on, slurm, begin, root, scenario):
    sweep = begin(env=on(1.5))
    job = mid_training(slurm, sweep, root)
    os.killpg(sweep.pid, signal.SIGKILL)
    sweep.communicate()
    assert slurm.running(), "the work goes on"
    again = run(root, *WORDS, env=on())
    assert f"job {job} is at it already; squeue says 3 RUNNING" in again.out
    assert " submitted: " not in again.out and ALL in again.out
    scenario(root)
    assert all(len(record.chain) == 1 for record in records(root))


def without_other(root):
    """Remove the runs that the local sweep does not have."""
    for folder in Root(root).runs():
        if read_run(folder).start.config["model"]["channels"] == 3:
            shutil.rmtree(folder.path)


def test_two_sweeps_that_share_runs(on, begin, root, scenario):
    other = begin("seed=0,1", of=OTHER, env=on(0.5))
    assert ALL in run(root, *WORDS, env=on(0.5)).out
    assert "8 of 8 runs trained and stored" in end(other, 0, timeout=300).out
    assert {len(record.attempts) for record in records(root)} == {1}, "nothing is trained twice"
    without_other(root)
    scenario(root)


def test_locks_that_do_not_reach_from_node_to_node(on, begin, root, scenario):
    other = begin("seed=0,1,2", of=OTHER, env=on(0.7, LOCKS="none"))
    assert ALL in run(root, *WORDS, env=on(0.7, LOCKS="none")).out
    assert "12 of 12 runs trained and stored" in end(other, 0, timeout=300).out
    stored_runs = [tags.tags["run_key"] for tags in stored(Root(root).database)]
    assert len(stored_runs) == len(set(stored_runs)) == 12
    without_other(root)
    scenario(root)
