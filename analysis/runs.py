"""The only reader of MLflow: a sweep as two tidy frames, one row a planned run, one row a run and epoch.

A SQL store is read by three queries, however many runs it holds, and never written to.
"""

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from analysis.cells import as_text
from runner.errors import StoreError
from runner.record import (
    METRICS,
    TAG_CAUSE,
    TAG_CLAIMS_SHA256,
    TAG_COMPLETE,
    TAG_LAST_USED,
    TAG_RUN_KEY,
    TAG_STATUS,
    TAG_SWEEP_KEY,
    Claim,
)

MISSING, RUNNING = "missing", "running"
#: Parts of a configuration that say how a run was started, and not what was trained.
_NOT_KNOBS = ("plan", "progress", "tracking", "runner", "worker", "claims")
#: Tags that become columns, besides `version.*`.
_TAGS = ("device", "data.sha256", "first_batch_order.sha256", "engine", "git.commit", "git.dirty", "card", "processor")
_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Sweep:
    """A sweep as it was planned, with what the store holds of it."""

    key: str
    name: str
    #: Of the parent run in MLflow.
    run_id: str
    #: Values of each swept knob, in the order given.
    swept: dict[str, list[Any]]
    claims: dict[str, Claim]
    claims_sha256: str
    #: When a sweep with these very claims was first recorded, in ms since 1970; None where that was not.
    declared_ms: int | None
    #: Where each claim comes from: declared, default, generated.
    claims_origin: dict[str, str]
    command: str
    #: One row a planned run, in the plan's order, indexed by run_key: its name, cell, seed, state, every knob by its
    #: dotted name, and what was recorded of it.
    runs: pd.DataFrame
    #: run_key, epoch and the metrics of record.METRICS; in the plan's order, then by epoch.
    epochs: pd.DataFrame


def local_uri(root: Path) -> str:
    """The SQLAlchemy URL of the local store under a root, right for any path."""
    return URL.create("sqlite", database=str(root / "mlflow.db")).render_as_string(hide_password=False)


def read(uri: str, experiment: str = "ablations", sweep: str | None = None) -> Sweep:
    """A sweep of a SQL store.

    Parameters
    ----------
    uri
        `sqlite:///FILE` or another database's URL.
    sweep
        A sweep's name (the latest of it), the start of its key, or its run id; None for the latest.

    Raises
    ------
    StoreError
        When there is no store, no such sweep, or its plan cannot be read.
    """
    with _connected(uri) as store:
        found = store.execute(text("select experiment_id from experiments where name = :name"), {"name": experiment})
        row = found.fetchone()
        if row is None:
            raise StoreError(f"{_shown(uri)}: there is no experiment {experiment}; train a sweep first")
        parents = _parents(store, row[0])
        parent = _choose(parents, sweep)
        plan = _plan(parent)
        stored = _stored(store, row[0])
        keys = {run["run_key"]: position for position, run in enumerate(plan["runs"])}
        ids = {one["run_id"]: keys[key] for key, one in stored.items() if key in keys}
        epochs = _epochs(store, row[0], ids, list(keys))
    n_epochs = epochs.groupby("run_key").size()
    rows = [_row(run, stored.get(run["run_key"]), int(n_epochs.get(run["run_key"], 0))) for run in plan["runs"]]
    return Sweep(
        key=plan["sweep_key"],
        name=plan["name"],
        run_id=parent["run_id"],
        swept=plan["swept"],
        claims={name: Claim(**claim) for name, claim in plan["claims"].items()},
        claims_sha256=plan["claims_sha256"],
        declared_ms=min(
            (p["start_ms"] for p in parents if p.get(TAG_CLAIMS_SHA256) == plan["claims_sha256"]), default=None
        ),
        claims_origin=plan["claims_origin"],
        command=" ".join(plan["command"]),
        runs=pd.DataFrame(rows).set_index("run_key", drop=False).rename_axis(None),
        epochs=epochs,
    )


def correct(sweep: Sweep, run_key: str) -> NDArray[np.bool_] | None:
    """Which test images a run had right at its end, shape (n_test_images,); None where that is not at hand.

    The bits are kept eight to a byte: of a test set whose size is no multiple of eight up to seven more follow, the
    same in every run.
    """
    folder = sweep.runs.at[run_key, "artifact_uri"]
    path = _local(folder) if folder else None
    if path is None or not (path / "test_correct.npy").is_file():
        return None
    packed = np.load(path / "test_correct.npy", allow_pickle=False)
    return np.unpackbits(packed).astype(bool)


@contextlib.contextmanager
def _connected(uri: str) -> Iterator[Connection]:
    if re.match("https?://", uri):
        raise StoreError(
            f"{_shown(uri)}: a server is not read; give the URL of the database behind it, as sqlite:///FILE"
        )
    try:
        if make_url(uri).get_backend_name() == "sqlite":
            path = Path(make_url(uri).database or "").resolve()
            if not path.is_file():
                raise StoreError(f"{path}: there is no tracking store yet; train a sweep first, or give --root")
            address = f"{path.as_uri()}?mode=ro"
            engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True, timeout=30))
        else:
            engine = create_engine(uri)
        with contextlib.closing(engine.connect()) as connection:
            yield connection
        engine.dispose()
    except (SQLAlchemyError, sqlite3.Error) as error:
        why = " ".join(str(error).split())[:200]
        raise StoreError(f"not a usable MLflow store: {_shown(uri)} ({why}); it is left as it is") from error


def _parents(store: Connection, experiment_id: int) -> list[dict[str, Any]]:
    """The sweeps' parent runs, the latest used last."""
    query = text(
        "select r.run_uuid, r.name, r.artifact_uri, r.start_time, t.key, t.value from runs r join tags t"
        " on t.run_uuid = r.run_uuid where r.experiment_id = :e and r.lifecycle_stage = 'active'"
        f" and t.key in ('{TAG_SWEEP_KEY}', '{TAG_CLAIMS_SHA256}', '{TAG_LAST_USED}')"
    )
    found: dict[str, dict[str, Any]] = {}
    for run_id, name, artifact_uri, start_ms, tag, value in store.execute(query, {"e": experiment_id}):
        one = found.setdefault(
            run_id,
            {
                "run_id": run_id,
                "name": name,
                "artifact_uri": artifact_uri,
                "start_ms": start_ms,
                TAG_LAST_USED: start_ms or 0,
            },
        )
        one[tag] = int(value) if tag == TAG_LAST_USED and value.isdigit() else value
    sweeps = [one for one in found.values() if TAG_SWEEP_KEY in one]
    return sorted(sweeps, key=lambda one: (int(one[TAG_LAST_USED]), one["run_id"]))


def _choose(parents: list[dict[str, Any]], sweep: str | None) -> dict[str, Any]:
    if not parents:
        raise StoreError("the store holds no sweep yet; train one first: python -m runner -m ...")
    if sweep is None:
        return parents[-1]
    named = [one for one in parents if sweep in (one["name"], one["run_id"])]
    if named:
        return named[-1]
    begun = [one for one in parents if len(sweep) >= 4 and one[TAG_SWEEP_KEY].startswith(sweep)]
    if len(begun) == 1:
        return begun[0]
    known = ", ".join(f"{one['name']} ({one[TAG_SWEEP_KEY][:8]})" for one in parents[::-1][:_SHOWN])
    what = "is the start of several keys" if begun else "names no sweep of the store"
    raise StoreError(f"{sweep[:80]}: {what}; there are: {known}")


def _plan(parent: dict[str, Any]) -> dict[str, Any]:
    folder = _local(parent["artifact_uri"])
    try:
        if folder is None:
            raise ValueError(f"{parent['artifact_uri']} is on another machine")
        plan = json.loads((folder / "sweep.json").read_bytes())
        if plan["sweep_key"] != parent[TAG_SWEEP_KEY] or not plan["runs"]:
            raise ValueError("it is of another sweep")
        for part in ("name", "swept", "claims", "claims_sha256", "claims_origin", "command"):
            plan[part]
        return dict(plan)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"the plan of {parent['name']} ({folder}/sweep.json) cannot be read ({error});"
            " python -m runner.sync puts it back"
        ) from error


def _stored(store: Connection, experiment_id: int) -> dict[str, dict[str, Any]]:
    """The active run of each key with its tags: the complete one, else the first."""
    query = text(
        "select r.run_uuid, r.artifact_uri, r.start_time, r.end_time, t.key, t.value from runs r join tags t"
        " on t.run_uuid = r.run_uuid where r.experiment_id = :e and r.lifecycle_stage = 'active'"
        " and t.run_uuid in (select run_uuid from tags where key = :key)"
    )
    runs: dict[str, dict[str, Any]] = {}
    for run_id, folder, start_ms, end_ms, tag, value in store.execute(query, {"e": experiment_id, "key": TAG_RUN_KEY}):
        one = runs.setdefault(
            run_id, {"run_id": run_id, "artifact_uri": folder, "start_ms": start_ms, "end_ms": end_ms, "tags": {}}
        )
        one["tags"][tag] = value
    # What is kept comes last: the complete one, and of several the first.
    ordered = sorted(runs.values(), key=lambda one: (one["tags"].get(TAG_COMPLETE) == "1", -(one["start_ms"] or 0)))
    return {one["tags"][TAG_RUN_KEY]: one for one in ordered}


def _epochs(store: Connection, experiment_id: int, ids: dict[str, int], keys: list[str]) -> pd.DataFrame:
    """All curves by one query, a column a metric; of a row that was sent twice, the later one."""
    query = text(
        "select m.run_uuid, m.key, m.step, m.timestamp, m.value, m.is_nan from metrics m join runs r"
        " on r.run_uuid = m.run_uuid where r.experiment_id = :e and r.lifecycle_stage = 'active'"
    )
    columns = {metric: column for column, metric in enumerate(METRICS)}
    rows = [
        (ids[run_id], columns[metric], step, timestamp, np.nan if is_nan else value)
        for run_id, metric, step, timestamp, value, is_nan in store.execute(query, {"e": experiment_id})
        if run_id in ids and metric in columns
    ]
    values = np.array(rows, dtype=float).reshape(-1, 5)
    values = values[np.argsort(values[:, 3], kind="stable")]
    which, metric, step = (values[:, column].astype(np.int64) for column in (0, 1, 2))
    places, row = np.unique(np.stack([which, step], axis=1), axis=0, return_inverse=True)
    table = np.full((len(places), len(METRICS)), np.nan)
    table[row.reshape(-1), metric] = values[:, 4]
    frame = pd.DataFrame(table, columns=list(METRICS))
    frame.insert(0, "epoch", places[:, 1])
    frame.insert(0, "run_key", pd.Series([keys[position] for position in places[:, 0]], dtype=object))
    return frame


def _row(run: dict[str, Any], stored: dict[str, Any] | None, n_epochs: int) -> dict[str, Any]:
    cell = " ".join(f"{knob.rpartition('.')[2]}={as_text(value)}" for knob, value in run["knobs"].items())
    tags = stored["tags"] if stored else {}
    row: dict[str, Any] = {
        "run_key": run["run_key"],
        "name": f"{cell} seed={run['config']['seed']}".lstrip(),
        "cell": cell,
        "cell_key": run["cell_key"],
        "seed": run["config"]["seed"],
        "state": tags.get(TAG_STATUS, RUNNING) if stored else MISSING,
        "cause": tags.get(TAG_CAUSE, ""),
        "n_epochs": n_epochs,
    }
    for name in ("run_id", "artifact_uri", "start_ms", "end_ms"):
        row[name] = stored[name] if stored else None
    row |= dict(_leaves({part: value for part, value in run["config"].items() if part not in (*_NOT_KNOBS, "seed")}))
    row |= {name: tags.get(name, run.get("device") if name == "device" else None) for name in _TAGS}
    row |= {name: value for name, value in tags.items() if name.startswith("version.")}
    # A trained run whose last write has not arrived is not whole.
    if stored and row["state"] == "done" and tags.get(TAG_COMPLETE) != "1":
        row["state"] = RUNNING
    return row


def _leaves(config: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        # model.options is one knob: what is in it belongs to a model of one's own.
        if isinstance(value, dict) and prefix + name != "model.options":
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _local(uri: str) -> Path | None:
    """The folder of an artifact URI on this machine; None for one elsewhere."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(uri) if not parts.scheme else None


def _shown(uri: str) -> str:
    """A URI without its user and password, for messages."""
    return re.sub(r"//[^/\s]*@", "//***@", uri)
