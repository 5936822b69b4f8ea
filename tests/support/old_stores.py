"""Shared by the tests of stores that another MLflow made."""

import contextlib
import sqlite3
import subprocess
import sys

from commands import environment

OF_2_22 = "0584bdc529eb"

# What MLflow 2.22 is asked to write: experiments, metrics of every kind, a run that was deleted.
MAKE = """
import sys, mlflow
assert mlflow.__version__.startswith("2.22."), mlflow.__version__
client = mlflow.MlflowClient(tracking_uri=sys.argv[1])
experiment = client.create_experiment("old", tags={"of": "2.22"})
for n in range(3):
    run = client.create_run(experiment, run_name=f"old {n}", tags={"key": "value " * n}).info.run_id
    for step in range(50):
        client.log_metric(run, "loss", 0.1 ** step / 3, timestamp=step, step=step)
    for value in (float("nan"), float("inf"), -1e300, 0.1 + 0.2):
        client.log_metric(run, "odd", value, step=7)
    client.log_param(run, "lr", 0.1)
    client.set_terminated(run, ("FINISHED", "FAILED", "KILLED")[n])
client.delete_run(run)
"""


def python(*words):
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env=environment(), timeout=240
    )


def stamp(database, revision):
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("update alembic_version set version_num = ?", (revision,))


def names(root):
    return {path.name for path in root.iterdir()} - {"state"}
