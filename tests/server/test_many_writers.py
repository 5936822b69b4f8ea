"""A server holds what local stores would, with many sweeps at once, and killed in mid-sweep."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from commands import end, environment, image, query, start, sync, until
from places import FAULTY
from replays import in_process

from runner.record import METRICS
from runner.state.root import Root
from runner.tracking.mlflow_sweep import totals

pytest_plugins = ("roots", "stores", "scenarios")
pytestmark = pytest.mark.server

N_WRITERS, N_EPOCHS = 8, 3
SMALL = ("data=digits", "model.hidden_size=8", "model.dropout=true,false", "hydra/launcher=basic")
#: Of a sweep's own run, beside the rows of its runs.
N_TOTALS = len(totals({}))


def local_image(root, empty_store):
    """What a local store holds of the same journals."""
    shutil.copy(empty_store, Root(root).database)
    in_process(root)
    return image(Root(root).database)


def n_rows(database):
    ((n,),) = query(database, "select count(*) from metrics")
    return n


def test_eight_sweeps_at_once_leave_what_eight_local_stores_would_hold(
    killed_server, scenario, tmp_path, empty_store
):
    server = killed_server
    server.empty()
    roots = [tmp_path / f"root {seed}" for seed in range(N_WRITERS)]
    with scenario(f"{N_WRITERS} sweeps at once") as told:
        begun = []
        for seed, root in enumerate(roots):
            root.mkdir()
            words = (*SMALL, "model.channels=1,2", f"seed={seed}", f"train.epochs={N_EPOCHS}")
            begun.append(start(root, "-m", *words, f"tracking.uri={server.uri}"))
        for process in begun:
            assert "4 of 4 runs trained and stored" in end(process, 0, timeout=280).out
        told.rows = n_rows(server.database)
        assert told.rows == N_WRITERS * (4 * N_EPOCHS * len(METRICS) + N_TOTALS)
        runs, sweeps = {}, {}
        for root in roots:
            of_runs, of_sweeps = local_image(root, empty_store)
            runs, sweeps = runs | of_runs, sweeps | of_sweeps
        assert image(server.database) == (runs, sweeps)


def everything(server):
    server.kill()


def one(what):
    def kill(server):
        (victim,) = [pid for pid in server.processes() if what in line_of(pid)]
        os.kill(victim, signal.SIGKILL)
        assert server.process.wait(timeout=60) == 1
        assert "ended by itself, with exit code -9; no run is lost" in server.said

    return kill


def line_of(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:  # it has ended
        return ""


KILLS = {
    "server and database": everything,
    "the database": one("postgres\0-D"),
    "the server": one("mlflow\0server"),
}


@pytest.mark.parametrize("what", KILLS)
def test_what_is_killed_in_mid_sweep_and_started_again_loses_nothing_and_holds_nothing_twice(
    what, killed_server, scenario, tmp_path, empty_store
):
    server, root, epochs = killed_server, tmp_path / "root", 4
    server.empty()
    root.mkdir()
    words = (*SMALL, "model.channels=1", "seed=0,1,2", f"train.epochs={epochs}")
    slow = environment(PYTHONPATH=FAULTY, EPOCH_SLEEP="1", MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    with scenario(f"{what} killed in mid-sweep") as told:
        process = start(root, "-m", *words, f"tracking.uri={server.uri}", env=slow)
        until(lambda: n_rows(server.database) > N_TOTALS or process.poll() is not None)
        KILLS[what](server)
        assert process.poll() is None, "killed in mid-sweep"
        server.begin()
        out, err = process.communicate(timeout=120)
        assert process.returncode in (0, 4), err
        if process.returncode == 4:
            told.note = "by runner.sync, as the sweep said"
            assert "python -m runner.sync" in err
            sync(root, "--uri", server.uri)
        told.rows = n_rows(server.database)
        assert told.rows == 6 * epochs * len(METRICS) + N_TOTALS
        assert image(server.database) == local_image(root, empty_store)
