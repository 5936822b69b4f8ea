"""Sweeps on a real Slurm, with what happens there: each ends with the local sweep's bits."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
from commands import end, environment, start, stored, until
from compared import ALL, SMALL, SWEEP, ended, gone_on, n_begun, read_until, records
from places import FAULTY

from runner.state.root import Root
from runner.state.run_record import read_run

pytest_plugins = ("roots", "scenarios")
pytestmark = [pytest.mark.slurm, pytest.mark.timeout(400)]
ON_SLURM = ("hydra/launcher=slurm", "hydra.launcher.tasks=3")
WORDS = (*SWEEP, *ON_SLURM)
OTHER = (*SMALL, *ON_SLURM, "model.channels=2,3")


@pytest.fixture
def gate(tmp_path):
    """A file: until it is there, no run goes on after its first epoch."""
    return tmp_path / "gate"


@pytest.fixture
def begin(slurm, root, gate):
    """Call for a command on the cluster that is under way; it and its jobs end with the test."""
    begun = []

    def command(*words, of=WORDS, at="runner", **names):
        names |= slurm.environment | {"PYTHONPATH": FAULTY, "GATE": str(gate)}
        if at == "runner":
            begun.append(start(root, *of, *words, env=environment(**names)))
        else:
            line = [sys.executable, "-m", at, *words, "--root", str(root)]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            begun.append(subprocess.Popen(line, **pipes, env=environment(**names), cwd=root.parent))
        return begun[-1]

    yield command
    for process in begun:
        if process.poll() is None:
            process.kill()
            process.communicate()
    slurm.do("scancel", f"--user={os.getuid()}")
    slurm.until_idle()


def mid_training(slurm, root, n=3):
    """Until so many tasks wait at the gate; the number of their job."""
    until(lambda: n_begun(root) == n, seconds=100)
    return {line.partition("_")[0] for line in slurm.jobs()}.pop()


def without_other(root):
    """Remove the runs that the local sweep does not have."""
    for folder in Root(root).runs():
        if read_run(folder).start.config["model"]["channels"] == 3:
            shutil.rmtree(folder.path)


def test_an_array_sweep(begin, gate, root, scenario):
    gate.touch()
    sweep = ended(begin())
    assert " submitted: 3 tasks for 6 runs" in sweep.out and ALL in sweep.out
    scenario(root)
    assert all(record.attempt.startswith("slurm-") for record in records(root))
    assert {tag.tags["complete"] for tag in stored(Root(root).database)} == {"1"}
    assert list(root.glob("state/sweeps/*/*.jobs")) == []


def test_a_node_that_dies_with_its_task(begin, slurm, gate, root, scenario):
    sweep = begin()
    mid_training(slurm, root)
    node = slurm.running()["1"]
    slurm.kill_node(node)
    gate.touch()
    until(lambda: "1" not in slurm.running())
    slurm.begin_node(node)
    told = ended(sweep)
    assert ALL in told.out and told.err == "" and told.out.count(" submitted: ") == 1
    scenario(root)
    # The same task of the same job, started a second time.
    for record in gone_on(root):
        first, second = (id.split("-")[:4] for id in record.chain)
        assert first[:3] == second[:3] and (first[3], second[3]) == ("0", "1")


def test_a_task_that_is_cancelled_and_one_that_is_queued_again_by_hand(
    begin, slurm, gate, root, scenario
):
    sweep = begin()
    job = mid_training(slurm, root)
    slurm.do("scancel", f"{job}_0")
    slurm.do("scontrol", "requeue", f"{job}_1")
    until(lambda: not set(slurm.running()) & {"0", "1"})
    gate.touch()
    told = ended(sweep)
    # What is left of the share of the first is submitted again.
    assert told.out.count(" submitted: ") == 2 and ALL in told.out and told.err == ""
    scenario(root)
    assert len(gone_on(root)) >= 2


def test_preemption_by_a_partition_that_comes_first(begin, slurm, gate, root, scenario):
    sweep = begin("hydra.launcher.partition=main")
    mid_training(slurm, root)
    slurm.do("sbatch", "-purgent", "-N3", "--exclusive", "-o/dev/null", "--wrap=sleep 1")
    until(lambda: not set(slurm.running()) & {"0", "1", "2"})
    gate.touch()
    told = ended(sweep)
    assert told.out.count(" submitted: ") == 1 and ALL in told.out
    scenario(root)
    assert len(gone_on(root)) == 3


def test_a_task_whose_time_is_over_goes_on_in_the_next(begin, slurm, gate, root, scenario):
    # Slurm warns up to a minute early: here as soon as it looks.
    sweep = begin("hydra.launcher.time=1m", "hydra.launcher.warning_s=50")
    mid_training(slurm, root)
    until(lambda: not set(slurm.running()) & {"0", "1", "2"})
    gate.touch()
    told = ended(sweep)
    assert told.out.count(" submitted: ") == 1 and ALL in told.out
    scenario(root)
    assert len(gone_on(root)) >= 3


def test_a_node_that_does_not_see_the_root(begin, slurm, gate, root, scenario):
    slurm.end_node("n1")
    slurm.begin_node("n1", hides=root)
    try:
        sweep = begin()
        read_until(sweep, " submitted: ")
        told = read_until(sweep, " tasks have begun after ", seconds=65)
        assert f"does n1 see {root}? Slurm says " in told
        os.kill(sweep.pid, signal.SIGINT)
        stopped = end(sweep, 130, timeout=30)
        assert "interrupted" in stopped.err and "go on with: python -m runner -m" in stopped.err
        assert " hydra/launcher=slurm hydra.launcher.tasks=3 " in stopped.err
        until(lambda: not slurm.jobs(), seconds=20)
    finally:
        slurm.end_node("n1")
        slurm.begin_node("n1")
    gate.touch()
    slurm.until_idle()
    assert ALL in ended(begin()).out
    scenario(root)


def test_a_parent_that_is_killed_and_the_same_command_again(begin, slurm, gate, root, scenario):
    sweep = begin()
    job = mid_training(slurm, root)
    os.killpg(sweep.pid, signal.SIGKILL)
    sweep.communicate()
    again = begin()
    assert f"job {job} is at it already; Slurm says 3 RUNNING" in read_until(again, "already; ")
    gate.touch()
    told = ended(again)
    assert " submitted: " not in told.out and ALL in told.out
    scenario(root)
    assert all(len(record.attempts) == 1 for record in records(root)), "the work went on"


def test_a_sweep_that_is_left_then_looked_at_and_followed(begin, slurm, gate, root, scenario):
    left = ended(begin("runner.detach=true"))
    key = re.search(r"runner\.status (\w{8}) ", left.out)[1]
    assert f"runner.sync --follow {key} --root {root} " in left.out
    job = mid_training(slurm, root)
    again = ended(begin("runner.detach=true")).out
    assert f"job {job} is at it already; Slurm says 3 RUNNING" in again
    shown = ended(begin(at="runner.status")).out
    assert "0 of 6 runs trained, 3 running, " in shown
    assert f"  job {job}: Slurm says 3 RUNNING\n" in shown and "go on: " not in shown
    killed = begin("--follow", key, at="runner.sync")
    read_until(killed, f"job {job}: Slurm says 3 RUNNING")
    killed.kill()
    killed.communicate()
    follower = begin("--follow", key, at="runner.sync")
    gate.touch()
    assert "the sweep is over; the store is in step" in ended(follower).out
    assert [tag.tags.get("complete") for tag in stored(Root(root).database)] == ["1"] * 6
    assert stored(Root(root).database, "sweep")[0].status == "FINISHED"
    scenario(root)


def test_a_job_that_slurm_has_forgotten(begin, slurm, gate, root, scenario):
    ended(begin("hydra.launcher.array_parallelism=1", "runner.detach=true"))
    job = mid_training(slurm, root, n=1)
    slurm.do("scancel", job)
    until(lambda: slurm.forgot(job), seconds=60)
    shown = ended(begin(at="runner.status")).out
    assert f"  job {job}: Slurm says 3 CANCELLED\n" in shown and "  go on: " in shown
    gate.touch()
    assert ALL in ended(begin()).out
    scenario(root)


def test_an_account_that_there_is_not_is_refused(begin, root):
    out, err = begin("hydra.launcher.account=nobodys").communicate(timeout=100)
    assert "Invalid account" in err and "nothing was submitted" in err and err.count("\n") == 1
    assert not list(root.glob("state/sweeps/*/*.jobs"))


def test_two_sweeps_that_share_runs(begin, slurm, gate, root, scenario):
    other = begin("seed=0,1", of=OTHER)
    mid_training(slurm, root)
    sweep = begin()
    mid_training(slurm, root, n=6)
    gate.touch()
    assert ALL in ended(sweep).out
    assert "8 of 8 runs trained and stored" in ended(other).out
    assert {len(record.attempts) for record in records(root)} == {1}, "nothing is trained twice"
    without_other(root)
    scenario(root)


def test_locks_that_do_not_reach_from_node_to_node(begin, slurm, gate, root, scenario):
    other = begin("seed=0,1,2", of=OTHER, LOCKS="none")
    mid_training(slurm, root)
    sweep = begin(LOCKS="none")
    until(lambda: sum(len(record.attempts) for record in records(root)) == 6, seconds=100)
    gate.touch()
    assert ALL in ended(sweep).out
    assert "12 of 12 runs trained and stored" in ended(other).out
    assert any(len(record.trained_by) > 1 for record in records(root))
    runs = [tag.tags["run_key"] for tag in stored(Root(root).database)]
    assert len(runs) == len(set(runs)) == 12
    without_other(root)
    scenario(root)


def test_clocks_that_differ_by_hours(begin, gate, root, scenario):
    gate.touch()
    assert ALL in ended(begin(CLOCK="jumps")).out
    scenario(root)


def test_a_shared_folder_that_is_full(begin, slurm, gate, root, empty_store, scenario):
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", root], check=True)
    try:
        shutil.copy(empty_store, Root(root).database)
        sweep, filler = begin(), root / "filler"
        mid_training(slurm, root)
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        gate.touch()
        out, err = sweep.communicate(timeout=200)
        assert sweep.returncode in (1, 4), (out, err)
        assert "No space left" in err and "Traceback" not in err and err.count("\n") <= 4, err
        slurm.until_idle()
        filler.unlink()
        assert ALL in ended(begin()).out
        scenario(root)
    finally:
        subprocess.run(["umount", "--lazy", root], check=True)
