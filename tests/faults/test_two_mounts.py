"""Two sweeps at once on one folder whose locks do not reach from one to the other."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import end, environment, results, run, start, stored, until
from places import FAULTY

from runner.record import METRICS
from runner.state.root import Root
from runner.state.run_record import read_run
from runner.tracking.store import address

pytest_plugins = "roots"
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="mounts as Linux has them"),
]

N_EPOCHS, N_RUNS, N_KILLS = 6, 4, 3
WORDS = ("data=digits", "model.channels=2", "model.hidden_size=16", f"train.epochs={N_EPOCHS}")
SWEEP = ("-m", *WORDS, "model.dropout=true,false", "seed=0,1", "runner.workers=2")
SFTP = Path("/usr/lib/openssh/sftp-server")
#: What one mount writes the other one sees at once; locks stay within a mount.
OPTIONS = "passive,cache=no,dir_cache=no,attr_timeout=0,entry_timeout=0,negative_timeout=0"


@pytest.fixture
def mounts(tmp_path):
    """Two mounts of one folder by sshfs, each over a pipe of its own."""
    lacking = [name for name in ("sshfs", "fusermount3") if not shutil.which(name)]
    if lacking or not SFTP.exists() or not os.access("/dev/fuse", os.W_OK):
        pytest.skip("needs sshfs, openssh-sftp-server and /dev/fuse")
    folder = tmp_path / "shared"
    (folder / "root").mkdir(parents=True)
    places, processes = [tmp_path / "one", tmp_path / "two"], []
    for place in places:
        place.mkdir()
        server = subprocess.Popen([SFTP], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        line = ["sshfs", "-f", f":{folder}", place, "-o", OPTIONS]
        processes += [server, subprocess.Popen(line, stdin=server.stdout, stdout=server.stdin)]
        server.stdin.close()
        server.stdout.close()
    until(lambda: all(os.path.ismount(place) for place in places), seconds=10)
    yield folder / "root", [place / "root" for place in places]
    for place in places:
        subprocess.run(["fusermount3", "-u", "-z", place], check=False)
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture
def without_locks(tmp_path):
    """One folder, twice, for processes whose locks always succeed."""
    root = tmp_path / "root"
    root.mkdir()
    return root, [root, root]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    root = tmp_path_factory.mktemp("undisturbed")
    run(root, *SWEEP)
    return results(root)


@pytest.mark.parametrize("how", ["mounts", "without_locks"])
def test_two_sweeps_whose_locks_do_not_reach_cost_time_and_never_data(
    how, undisturbed, server, request
):
    folder, roots = request.getfixturevalue(how)
    slow = environment(
        PYTHONPATH=FAULTY,
        EPOCH_SLEEP="0.2",
        LOCKS="none" if how == "without_locks" else "",
    )
    uri, chance = f"tracking.uri={server.uri}", random.Random(how)
    for _ in range(N_KILLS):
        begun = [start(root, *SWEEP, uri, env=slow) for root in roots]
        until(lambda: list(folder.glob("state/*/attempts/*/journal.jsonl")))
        time.sleep(chance.uniform(0.5, 4.0))
        for process in begun:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            process.communicate()
    begun = [start(root, *SWEEP, uri, env=slow) for root in roots]
    for process in begun:
        assert f"{N_RUNS} of {N_RUNS} runs trained and stored" in end(process, 0).out
    assert results(folder) == undisturbed
    records = [read_run(run) for run in Root(folder).runs()]
    assert all(record.trained and not record.damages for record in records)
    assert any(record.is_contested for record in records), "two processes were at one run at once"
    runs = stored(server.database)
    assert [run.tags.get("complete") for run in runs] == ["1"] * N_RUNS
    for stored_run in runs:
        steps = [(metric, step) for metric, step, *_ in stored_run.rows]
        assert len(steps) == len(set(steps)) == N_EPOCHS * len(METRICS)
        epochs = read_run(Root(folder).run(stored_run.tags["run_key"])).epochs
        assert {(step, timestamp) for _, step, _, timestamp in stored_run.rows} == {
            (epoch.epoch, epoch.time_ms) for epoch in epochs.values()
        }


def test_a_sqlite_store_on_a_network_file_system_is_refused_and_state_there_is_not(
    mounts, undisturbed, tmp_path, empty_store
):
    folder, (root, _) = mounts
    refused = run(root, *SWEEP, code=2)
    assert "(fuse.sshfs), whose locks may not hold: give tracking.uri=" in refused.err
    assert refused.err.count("\n") == 1 and not list(folder.iterdir())
    here = tmp_path / "mlflow.db"
    shutil.copy(empty_store, here)
    run(root, *SWEEP, f"tracking.uri={address.sqlite_uri(here)}")
    assert results(folder) == undisturbed and len(stored(here)) == N_RUNS
