"""MLflow's own variables, which give the tracking store and the experiment their defaults."""

import subprocess
import sys

import pytest
from commands import MAIN, end, environment, start, stored

from runner.tracking.store import address

pytest_plugins = "roots"

WORDS = (
    "-m",
    *MAIN[2:],
    "model.channels=1",
    "model.dropout=true,false",
    "seed=0",
)


@pytest.fixture
def elsewhere(tmp_path, empty_store):
    """A store that is not the root's, and the variables that name it."""
    file = tmp_path / "of a lab" / "store.db"
    file.parent.mkdir()
    file.write_bytes(empty_store.read_bytes())
    uri = address.sqlite_uri(file)
    return file, environment(MLFLOW_TRACKING_URI=uri, MLFLOW_EXPERIMENT_NAME="mine"), uri


def command(module, root, *words, env, code=0):
    line = [sys.executable, "-m", module, "--root", root, *words]
    ended = subprocess.run(
        line, capture_output=True, text=True, env=env, cwd=root.parent, timeout=90
    )
    assert ended.returncode == code, ended.stderr
    return ended.stdout + ended.stderr


@pytest.mark.long
def test_the_variables_are_defaults_of_every_command_and_named_at_the_start(elsewhere, tmp_path):
    file, env, uri = elsewhere
    root = tmp_path / "root"
    out = end(start(root, *WORDS, env=env), 0).out
    assert f"MLflow: {uri} (MLFLOW_TRACKING_URI), experiment mine (MLFLOW_EXPERIMENT_NAME)" in out
    assert not (root / "mlflow.db").exists()
    assert [run.tags["complete"] for run in stored(file)] == ["1", "1"]
    assert "Report: " in command("analysis", root, env=env)
    assert "2 runs looked at" in command("runner.sync", root, "--verify", env=env)
    assert "only the local store" in command("runner.ui", root, env=env, code=2)
    # What is typed wins.
    out = end(start(root, *WORDS, "tracking.uri=null", "tracking.experiment=mine", env=env), 0).out
    assert "MLFLOW_TRACKING_URI" not in out and (root / "mlflow.db").exists()


def test_empty_variables_are_as_unset_ones(tmp_path):
    env = environment(MLFLOW_TRACKING_URI="", MLFLOW_EXPERIMENT_NAME="")
    out = end(start(tmp_path / "root", *WORDS, "plan=true", env=env), 0).out
    assert str(tmp_path / "root" / "mlflow.db") in out and "MLFLOW" not in out


@pytest.mark.parametrize(
    "uri", ["./mlruns", "databricks", "file:///tmp/mlruns", "http://me:pw@127.0.0.1:1"]
)
def test_an_address_that_is_of_no_use_is_refused_before_anything_is_written(uri, tmp_path):
    root = tmp_path / "root"
    err = end(start(root, *WORDS, env=environment(MLFLOW_TRACKING_URI=uri)), 2).err
    assert len(err.splitlines()) == 1 and "tracking.uri=" in err and "pw" not in err
    assert "MLFLOW_TRACKING_URI" in err
    assert not root.exists()


def test_a_server_has_pages_of_its_own(tmp_path):
    env = environment(MLFLOW_TRACKING_URI="http://me:pw@127.0.0.1:1")
    told = command("runner.ui", tmp_path, env=env)
    assert told == "MLflow has pages of its own: http://***@127.0.0.1:1\n"
