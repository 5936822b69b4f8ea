"""The only reader of MLflow: a sweep as two tidy frames, one row a planned run, one row a run and epoch."""

import contextlib
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy.engine import URL

from analysis.read import database
from analysis.read.store import Store, StoredRun
from runner.errors import StateError, StoreError
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
    as_text,
    sha256_tag,
)

MISSING, RUNNING = "missing", "running"
#: Parts of a configuration that say how a run was started, and not what was trained.
_NOT_KNOBS = ("plan", "progress", "tracking", "runner", "worker", "claims")
_BITS = "test_correct.npy"
#: Tags that become columns, besides `version.*`.
_TAGS = (
    "device", "data.sha256", "first_batch_order.sha256", "engine", "git.commit", "git.dirty", "card", "processor",
    sha256_tag(_BITS),
)  # fmt: skip
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
    #: With how many seeds sweeps before set these very claims on these cells, if with some of these seeds alone.
    looks: tuple[int, ...] = ()
    #: The store that it was read from, and the experiment there.
    uri: str = ""
    experiment: str = ""


def read(uri: str, experiment: str = "ablations", sweep: str | None = None) -> Sweep:
    """A sweep of a tracking store.

    Parameters
    ----------
    uri
        `sqlite:///FILE` or another database's URL, or an MLflow server's `http://...`.
    sweep
        A sweep's name (the latest of it), the start of its key, or its run id; None for the latest.

    Raises
    ------
    StoreError
        When there is no store, no such sweep, or its plan cannot be read.
    """
    with _opened(uri, experiment) as store:
        parents = sorted(store.tagged(TAG_SWEEP_KEY), key=_last_used)
        parent = _choose(parents, sweep)
        plan = _plan(store, parent)
        looks = _looks(store, parents, parent, plan)
        stored = _kept(store.tagged(TAG_RUN_KEY))
        keys = {run["run_key"]: position for position, run in enumerate(plan["runs"])}
        ids = {one.run_id: keys[key] for key, one in stored.items() if key in keys}
        epochs = _epochs(store, ids, list(keys))
    n_epochs = epochs.groupby("run_key").size()
    rows = [_row(run, stored.get(run["run_key"]), int(n_epochs.get(run["run_key"], 0))) for run in plan["runs"]]
    begun = [one.start_ms or 0 for one in parents if one.tags.get(TAG_CLAIMS_SHA256) == plan["claims_sha256"]]
    return Sweep(
        key=plan["sweep_key"],
        name=plan["name"],
        run_id=parent.run_id,
        swept=plan["swept"],
        claims={name: Claim(**claim) for name, claim in plan["claims"].items()},
        claims_sha256=plan["claims_sha256"],
        declared_ms=min(begun, default=None),
        claims_origin=plan["claims_origin"],
        command=" ".join(plan["command"]),
        runs=pd.DataFrame(rows).set_index("run_key", drop=False).rename_axis(None),
        epochs=epochs,
        looks=looks,
        uri=uri,
        experiment=experiment,
    )


def local_uri(root: Path) -> str:
    """The SQLAlchemy URL of the local store under a root, right for any path."""
    return URL.create("sqlite", database=str(root / "mlflow.db")).render_as_string(hide_password=False)


def correct(sweep: Sweep) -> dict[str, NDArray[np.bool_]]:
    """Which test images each run had right at its end, by run key, shape (n_test_images,).

    A run whose file is not at hand is left out. The bits are kept eight to a byte: of a test set whose size is no
    multiple of eight up to seven more follow, the same in every run.
    """
    found: dict[str, NDArray[np.bool_]] = {}
    with _opened(sweep.uri, sweep.experiment) as store:
        for key, run in sweep.runs[sweep.runs["state"] == "done"].iterrows():
            at = StoredRun(run["run_id"], run["name"], run["artifact_uri"], None, None)
            with contextlib.suppress(OSError):
                content = store.artifact(at, _BITS)
                expected = run[sha256_tag(_BITS)]
                if expected and hashlib.sha256(content).hexdigest() != expected:
                    raise StateError(
                        f"{run['artifact_uri']}/{_BITS}: it is not what {run['name']} wrote; put it back, or"
                        " delete that run and its folder under state/ to train it anew"
                    )
                packed = np.load(io.BytesIO(content), allow_pickle=False)
                found[str(key)] = np.unpackbits(packed).astype(bool)
    return found


@contextlib.contextmanager
def _opened(uri: str, experiment: str) -> Iterator[Store]:
    if uri.startswith(("http://", "https://")):
        from analysis.read.server import Server  # MLflow's client takes a second to import

        yield Server(uri, experiment)
    else:
        with database.opened(uri, experiment) as found:
            yield found


def _last_used(parent: StoredRun) -> tuple[int, str]:
    used = parent.tags.get(TAG_LAST_USED, "")
    return int(used) if used.isdigit() else parent.start_ms or 0, parent.run_id


def _choose(parents: list[StoredRun], sweep: str | None) -> StoredRun:
    if not parents:
        raise StoreError("the store holds no sweep yet; train one first: python -m runner -m ...")
    if sweep is None:
        return parents[-1]
    named = [one for one in parents if sweep in (one.name, one.run_id)]
    if named:
        return named[-1]
    begun = [one for one in parents if len(sweep) >= 4 and one.tags[TAG_SWEEP_KEY].startswith(sweep)]
    if len(begun) == 1:
        return begun[0]
    known = ", ".join(f"{one.name} ({one.tags[TAG_SWEEP_KEY][:8]})" for one in parents[::-1][:_SHOWN])
    what = "is the start of several keys" if begun else "names no sweep of the store"
    raise StoreError(f"{sweep[:80]}: {what}; there are: {known}")


def _plan(store: Store, parent: StoredRun) -> dict[str, Any]:
    try:
        # A lone surrogate, which JSON can spell, is no character: no frame and no file takes it.
        whole = json.dumps(json.loads(store.artifact(parent, "sweep.json")), ensure_ascii=False)
        plan = json.loads(whole.encode("utf-8", "replace"))
        if plan["sweep_key"] != parent.tags[TAG_SWEEP_KEY] or not plan["runs"]:
            raise ValueError("it is of another sweep")
        for part in ("name", "swept", "claims", "claims_sha256", "claims_origin", "command"):
            plan[part]
        return dict(plan)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"the plan of {parent.name} ({parent.artifact_uri}/sweep.json) cannot be read ({error});"
            " python -m runner.sync puts it back"
        ) from error


def _looks(store: Store, parents: list[StoredRun], parent: StoredRun, plan: dict[str, Any]) -> tuple[int, ...]:
    """How many seeds the sweeps before had that are this one with fewer: whoever extends one has seen its verdicts."""
    ours, found = _seeds_of(plan), []
    for one in parents:
        earlier = (one.start_ms or 0) < (parent.start_ms or 0)
        if plan["claims"] and earlier and one.tags.get(TAG_CLAIMS_SHA256) == plan["claims_sha256"]:
            with contextlib.suppress(StoreError):
                theirs = _seeds_of(_plan(store, one))
                if theirs.keys() == ours.keys() and all(seeds < ours[cell] for cell, seeds in theirs.items()):
                    found.append(max(map(len, theirs.values())))
    return tuple(found)


def _seeds_of(plan: dict[str, Any]) -> dict[str, set[int]]:
    seeds: dict[str, set[int]] = {}
    for run in plan["runs"]:
        seeds.setdefault(run["cell_key"], set()).add(run["config"]["seed"])
    return seeds


def _kept(stored: list[StoredRun]) -> dict[str, StoredRun]:
    """The run of each key: the complete one, else the first."""
    # What is kept comes last: the complete one, and of several the first.
    ordered = sorted(stored, key=lambda one: (one.tags.get(TAG_COMPLETE) == "1", -(one.start_ms or 0), one.run_id))
    return {one.tags[TAG_RUN_KEY]: one for one in ordered}


def _epochs(store: Store, ids: dict[str, int], keys: list[str]) -> pd.DataFrame:
    """All curves, a column a metric; of a row that was sent twice, the later one."""
    columns = {metric: column for column, metric in enumerate(METRICS)}
    rows = [
        (ids[run_id], columns[metric], step, timestamp, value)
        for run_id, metric, step, timestamp, value in store.rows(ids, columns)
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


def _row(run: dict[str, Any], stored: StoredRun | None, n_epochs: int) -> dict[str, Any]:
    cell = " ".join(f"{knob.rpartition('.')[2]}={as_text(value)}" for knob, value in run["knobs"].items())
    tags = stored.tags if stored else {}
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
        row[name] = getattr(stored, name, None)
    row |= dict(_leaves({part: value for part, value in run["config"].items() if part not in (*_NOT_KNOBS, "seed")}))
    row |= {name: tags.get(name, run.get("device") if name == "device" else None) for name in _TAGS}
    # A store gives tags in any order.
    row |= {name: tags[name] for name in sorted(tags) if name.startswith("version.")}
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
