"""After a signal or a death no process is left, and the sweep goes on to the same numbers."""

import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from commands import (
    descendants,
    end,
    environment,
    is_alive,
    journals,
    lines,
    listing,
    parent,
    recorded_end,
    results,
    run,
    start,
    stored,
    stored_by_key,
    until,
)
from places import FAULTY

from runner.state.root import Root
from runner.tracking.store import address

pytest_plugins = "roots"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes by /proc")

#: A run that hears of a stop one epoch late is still under way after two interruptions: each lets
#: the epoch end that made the test send it, and at most one more.
N_EPOCHS = 6
SLOW = ("data=mnist5k", "model.channels=2", "model.hidden_size=16", f"train.epochs={N_EPOCHS}")
SEEDS = "seed=0,1,2"
SUBMITIT = pytest.param("submitit_local", marks=pytest.mark.long)
LAUNCHERS = pytest.mark.parametrize("launcher", ["cores", SUBMITIT])
GO_ON = "go on with: python -m runner -m data=mnist5k"


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The results of the same runs when nothing happens to them."""
    root = tmp_path_factory.mktemp("undisturbed")
    run(root, "-m", *SLOW, SEEDS, "hydra/launcher=basic")
    return results(root)


def slowly():
    """Epochs that outlast the fifth of a second in which a worker hears of a stop file."""
    return environment(PYTHONPATH=FAULTY, EPOCH_SLEEP="0.5")


def n_epochs(root):
    return sum(len(epochs) for epochs in lines(root, "epoch").values())


def mid_training(root, *words, **options):
    """A command that has just trained an epoch, and the processes below it."""
    before = n_epochs(root)
    process = start(root, *words, **options)
    until(lambda: process.poll() is not None or n_epochs(root) > before)
    assert process.poll() is None, process.communicate()
    return SimpleNamespace(process=process, pids=descendants(process.pid))


def workers_of(root):
    """Process -> the run that it trains now."""
    return {
        starts[-1]["pid"]: key
        for key, starts in lines(root, "start").items()
        if journals(root)[key][-1]["kind"] in ("start", "setup", "epoch")
    }


def all_gone(pids, seconds=5.0):
    until(lambda: not any(is_alive(pid) for pid in pids), seconds)


def ends(root):
    return {records[-1]["status"] for records in lines(root, "end").values() if records}


def goes_on_to(undisturbed, root):
    """The same command again ends well, with the results of undisturbed runs."""
    ended = run(root, "-m", *SLOW, SEEDS, "runner.workers=2")
    assert "3 of 3 runs trained and stored" in ended.out
    assert results(root) == undisturbed
    assert not [
        path
        for path in (root / "state").rglob("*")
        if "checkpoint" in path.name or ".tmp" in path.name
    ]
    stored_runs = stored_by_key(Root(root).database).values()
    assert {(stored_run.status, stored_run.tags["complete"]) for stored_run in stored_runs} == {
        ("FINISHED", "1")
    }
    assert {
        tuple(step for metric, step, *_ in stored_run.rows if metric == "test/loss")
        for stored_run in stored_runs
    } == {tuple(range(1, N_EPOCHS + 1))}
    (parent,) = stored(Root(root).database, "sweep")
    assert parent.status == "FINISHED"


@pytest.mark.long
def test_a_sweep_that_is_interrupted_twice_stops_its_workers_and_goes_on_to_the_same_numbers(
    undisturbed, root
):
    signals = {
        130: lambda pid: os.killpg(
            pid, signal.SIGINT
        ),  # Ctrl-C in a terminal reaches the workers too
        143: lambda pid: os.kill(pid, signal.SIGTERM),  # `kill` or a scheduler: the sweep alone
    }
    for code, send in signals.items():
        begun = mid_training(root, "-m", *SLOW, SEEDS, "runner.workers=2", env=slowly())
        assert len(begun.pids) >= 2
        send(begun.process.pid)
        ended = end(begun.process, code, timeout=20)
        assert f"of 3 runs are trained, nothing is lost; {GO_ON}" in ended.err
        all_gone(begun.pids)
        assert ends(root) <= {"killed", "done"} and "killed" in ends(root)
        assert {records[-1]["kind"] for records in journals(root).values()} == {"end"}
        statuses = {
            stored_run.tags["status"]: stored_run.status
            for stored_run in stored(Root(root).database)
        }
        assert statuses["killed"] == "KILLED"
        (parent,) = stored(Root(root).database, "sweep")
        assert parent.status == "KILLED"
    goes_on_to(undisturbed, root)


def test_a_command_that_is_terminated_before_it_trains_says_so_and_leaves_nothing(root):
    # Imports and composition take a second or two, before the handlers of training are set.
    before = listing(root)
    process = start(root, "-m", *SLOW, SEEDS)

    def catches_sigterm():
        caught = [
            line
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
            if "SigCgt" in line
        ]
        return int(caught[0].split()[1], 16) >> (signal.SIGTERM - 1) & 1

    until(catches_sigterm)
    process.terminate()
    assert (
        "interrupted; what is trained is kept, the same command goes on"
        in end(process, 143, timeout=10).err
    )
    assert listing(root) == before


def test_a_worker_within_the_sweeps_own_process_is_interrupted_too(root):
    begun = mid_training(root, "-m", *SLOW, SEEDS, "hydra/launcher=basic")
    os.kill(begun.process.pid, signal.SIGTERM)
    assert (
        f"0 of 3 runs are trained, nothing is lost; {GO_ON}"
        in end(begun.process, 143, timeout=20).err
    )
    assert ends(root) == {"killed"}


def words_of(pid):
    """The command line of a process; empty when it has gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def test_a_worker_that_is_still_starting_when_its_run_is_interrupted_says_nothing(root):
    process = start(root, *SLOW, "seed=0")
    until(lambda: any("runner.work.worker" in words_of(pid) for pid in descendants(process.pid)))
    os.killpg(process.pid, signal.SIGINT)
    _, printed = process.communicate(timeout=30)
    # A shell says 130 of both: Python ends by the signal itself where that came while a string was
    # executed, such as that of a dataclass of an import.
    assert process.returncode in (130, -signal.SIGINT)
    assert printed.startswith("runner: interrupted") and printed.count("\n") == 1
    assert not descendants(process.pid)


@pytest.mark.long
def test_an_interrupted_single_run_goes_on_to_the_same_numbers(undisturbed, root):
    begun = mid_training(root, *SLOW, "seed=0", env=slowly())
    os.killpg(begun.process.pid, signal.SIGINT)
    ended = end(begun.process, 130, timeout=20)
    assert "go on with: python -m runner data=mnist5k" in ended.err
    n_shown = ended.out.count("epoch: ")
    assert 1 <= n_shown < 3 and f"interrupted after {n_shown} whole epochs" in ended.err
    assert ends(root) == {"killed"}
    (stored_run,) = stored(Root(root).database)
    assert stored_run.status == "KILLED"
    (checkpoint,) = (root / "state").glob("*/attempts/*/checkpoint")
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    checkpoint.write_bytes(content)

    ended = run(root, *SLOW, "seed=0")
    warning = f"seed=0: {checkpoint.parent.name}/checkpoint could not be used (damaged, or another"
    warning += " run's); it went on from epoch 1\n"
    assert ended.err.endswith(warning) and ended.err.count("\n") == 1
    shown = [line.partition(",")[0] for line in ended.out.splitlines() if line.startswith("epoch")]
    assert shown == [f"epoch: {n}" for n in range(1, N_EPOCHS + 1)]
    ((key, result),) = results(root).items()
    assert result == undisturbed[key]
    (again,) = stored(Root(root).database)
    assert (again.id, again.status, again.tags["complete"]) == (stored_run.id, "FINISHED", "1")


@pytest.mark.long
@pytest.mark.parametrize(
    ("launcher", "send"),
    [("cores", os.killpg), pytest.param("submitit_local", os.kill, marks=pytest.mark.long)],
)
def test_a_second_ctrl_c_ends_a_sweep_at_once_though_a_worker_hangs(root, launcher, send):
    begun = mid_training(root, "-m", *SLOW, SEEDS, "runner.workers=2", f"hydra/launcher={launcher}")
    for pid in workers_of(root):
        os.kill(pid, signal.SIGSTOP)
    send(begun.process.pid, signal.SIGINT)
    with pytest.raises(AssertionError):
        until(lambda: begun.process.poll() is not None, seconds=1)
    send(begun.process.pid, signal.SIGINT)
    assert "interrupted" in end(begun.process, 130, timeout=5).err
    all_gone(begun.pids)


@pytest.mark.long
def test_workers_die_with_a_sweep_that_is_killed_and_the_next_one_finishes(undisturbed, root):
    begun = mid_training(
        root, "-m", *SLOW, SEEDS, "runner.workers=2", "runner.checkpoint_every_s=0"
    )
    until(
        lambda: list((root / "state").glob("*/attempts/*/checkpoint"))
    )  # written a moment after the epoch's line
    os.kill(begun.process.pid, signal.SIGKILL)
    begun.process.communicate()
    all_gone(begun.pids)
    assert workers_of(root), "nobody was there to write an end"
    goes_on_to(undisturbed, root)


@LAUNCHERS
def test_workers_that_have_only_just_been_started_end_with_a_sweep_that_is_killed(root, launcher):
    process = start(root, "-m", *SLOW, SEEDS, "runner.workers=2", f"hydra/launcher={launcher}")
    # The guard, two workers that have not run our code yet, and two resource trackers of joblib's
    # or two processes of submitit's that watch the workers.
    until(lambda: len(descendants(process.pid)) >= 5)
    pids = descendants(process.pid)
    process.kill()
    process.communicate()
    all_gone(pids)


# submitit waits 15 s for the result of a job that is lost.
@pytest.mark.long
@pytest.mark.parametrize(
    ("launcher", "how"),
    [("cores", ", SIGKILL(-9)"), pytest.param("submitit_local", "", marks=pytest.mark.long)],
)
def test_a_worker_that_is_killed_costs_the_run_that_it_held_and_no_other(
    undisturbed, root, launcher, how
):
    begun = mid_training(root, "-m", *SLOW, SEEDS, "runner.workers=2", f"hydra/launcher={launcher}")
    pid, key = next(iter(until(lambda: workers_of(root)).items()))
    os.kill(pid, signal.SIGKILL)
    ended = end(begun.process, 1)
    cause = f"its worker died (process {pid}{how}, possibly out of memory)"
    assert cause in ended.err and "1 of 3 runs failed, the others are stored" in ended.err
    assert {k: records[-1]["status"] for k, records in lines(root, "end").items()} == {
        k: "failed" if k == key else "done" for k in undisturbed
    }
    stored_run = stored_by_key(Root(root).database)[key]
    assert recorded_end(stored_run) == ("FAILED", "failed", None)
    assert stored_run.tags["cause"] == cause
    others = {k: records for k, records in journals(root).items() if k != key}
    assert {k: result for k, result in results(root, others).items()} == {
        k: undisturbed[k] for k in others
    }
    goes_on_to(undisturbed, root)
    assert {k: records for k, records in journals(root).items() if k != key} == others


@pytest.mark.long
def test_a_worker_that_is_told_of_its_jobs_end_writes_a_checkpoint_and_another_goes_on(
    undisturbed, root
):
    uri = f"tracking.uri={address.sqlite_uri(Root(root).database)}"
    words = ("-m", *SLOW, SEEDS, "hydra/launcher=submitit_local", "runner.workers=1", uri)
    begun = mid_training(root, *words)
    (jobs,) = (root / "state").glob("sweeps/*/*.jobs")
    pickles = [path.read_bytes() for path in jobs.rglob("*.pkl")]
    assert pickles and not any(b"mlflow.db" in pickle for pickle in pickles), (
        "a store's address may hold a password"
    )
    assert jobs.stat().st_mode & 0o777 == 0o700
    watchers = []
    # submitit queues the job again after the first; it does not handle the second, which ends it.
    for number in (signal.SIGUSR2, signal.SIGUSR1):
        (pid,) = until(lambda: workers_of(root))
        watchers.append(parent(pid))
        os.kill(pid, number)
        until(lambda pid=pid: set(workers_of(root)) - {pid})
    watchers += [parent(pid) for pid in workers_of(root)]
    end(begun.process, 0)
    assert watchers[0] == watchers[1] != watchers[2]
    assert results(root) == undisturbed
    statuses = [line["status"] for records in lines(root, "end").values() for line in records]
    assert sorted(statuses) == ["done"] * 3 + ["killed"] * 2
    assert not jobs.exists()
