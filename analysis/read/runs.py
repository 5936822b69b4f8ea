"""The only reader of MLflow: a sweep as it was planned, with what the store holds of it."""

import contextlib
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy.engine import URL

from analysis.read import database, frames, sweeps
from analysis.read.store import Store, StoredRun
from analysis.read.sweeps import Design, Knob, Planned
from runner.errors import StateError, StoreError
from runner.record import (
    DONE,
    TAG_CLAIMS_SHA256,
    TAG_COMPLETE,
    TAG_RUN_KEY,
    TAG_SWEEP_KEY,
    Claim,
    sha256_tag,
)


@dataclass(frozen=True, eq=False)
class Sweep:
    """A sweep as it was planned, with what the store holds of it."""

    key: str
    name: str
    #: Of the parent run in MLflow.
    run_id: str
    #: Values of each swept knob, in the order given.
    swept: dict[str, list[Any]]
    #: The knobs of its runs but the seed, in the order in which a reader should see them.
    knobs: list[Knob]
    claims: dict[str, Claim]
    claims_sha256: str
    #: Where each claim comes from: declared, default, generated.
    claims_origin: dict[str, str]
    command: str
    #: `frames.runs_frame`: one row a planned run.
    runs: pd.DataFrame
    #: `frames.epochs_frame`: one row a run and epoch.
    epochs: pd.DataFrame
    #: When a sweep with exactly these claims was first recorded, in ms since 1970; None for never.
    declared_ms: int | None = None
    #: With how many seeds sweeps asked the same before the others began (`sweeps.looks`).
    looks: tuple[int, ...] = ()
    #: The looks that were planned.
    planned: Planned = Planned()
    #: Seeds that are not of its plan, of which the store holds a run of each cell: those that are
    #: used, and those that are left out.
    further_seeds: tuple[int, ...] = ()
    unused_seeds: tuple[int, ...] = ()
    #: Which cells of the grid it has; None for all.
    design: Design | None = None
    #: How many runs of the store were evaluated on the sweep's test images, by the data's name.
    test_reads: dict[str, int] = field(default_factory=dict)
    #: The store that it was read from, and the experiment there.
    uri: str = ""
    experiment: str = ""


def read(
    uri: str, experiment: str = "ablations", sweep: str | None = None, as_planned: bool = False
) -> Sweep:
    """A sweep of a tracking store, with all seeds that the store holds of its cells.

    Parameters
    ----------
    uri
        `sqlite:///FILE` or another database's URL, or an MLflow server's `http://...`.
    sweep
        A sweep's name (the latest of it), the start of its key, or its run id; None for the latest.
    as_planned
        Whether to leave out seeds that are not of its plan.

    Raises
    ------
    StoreError
        When there is no store, no such sweep, or its plan cannot be read.
    """
    with _opened(uri, experiment) as store:
        parents = sorted(store.tagged(TAG_SWEEP_KEY), key=sweeps.last_used)
        parent = sweeps.chosen(parents, sweep)
        plan = sweeps.plan_of(store, parent)
        runs = store.tagged(TAG_RUN_KEY)
        further = sweeps.further_seeds(runs, plan)
        # Where seeds come until it is decided, the plan says at which of them one looks.
        is_left_out = as_planned or bool(plan["planned"].looks)
        plan = plan if is_left_out else sweeps.with_seeds(plan, further)
        looks = sweeps.looks(store, parents, plan, runs)
        stored = _by_key(runs)
        keys = [run["run_key"] for run in plan["runs"]]
        epochs = frames.epochs_frame(store, stored, keys)
    same_claims = [
        run for run in parents if run.tags.get(TAG_CLAIMS_SHA256) == plan["claims_sha256"]
    ]
    return _sweep(
        plan,
        parent.run_id,
        frames.runs_frame(plan, stored, epochs),
        epochs,
        declared_ms=min((run.start_ms or 0 for run in same_claims), default=None),
        looks=looks,
        further_seeds=() if is_left_out else tuple(further),
        unused_seeds=tuple(further) if is_left_out else (),
        test_reads=sweeps.test_reads(stored, plan),
        uri=uri,
        experiment=experiment,
    )


def planned(plan: dict[str, Any]) -> Sweep:
    """A sweep without its runs' results, from the content of its plan."""
    return _as_planned(sweeps.typed(plan), run_id="")


def all_planned(uri: str, experiment: str) -> list[Sweep]:
    """The sweeps of a store without their runs' results, the latest first.

    Raises
    ------
    StoreError
        When there is no store.
    """
    found = []
    with _opened(uri, experiment) as store:
        for parent in sorted(store.tagged(TAG_SWEEP_KEY), key=sweeps.last_used, reverse=True):
            # A plan that cannot be read tells nothing here; whoever asks for that sweep is told.
            with contextlib.suppress(StoreError):
                found.append(_as_planned(sweeps.plan_of(store, parent), parent.run_id))
    return found


def _as_planned(plan: dict[str, Any], run_id: str) -> Sweep:
    nothing = pd.DataFrame({"run_key": pd.Series(dtype=object), "epoch": pd.Series(dtype=int)})
    return _sweep(plan, run_id, frames.runs_frame(plan, {}, nothing), nothing)


def _sweep(
    plan: dict[str, Any], run_id: str, runs: pd.DataFrame, epochs: pd.DataFrame, **found: Any
) -> Sweep:
    return Sweep(
        key=plan["sweep_key"],
        name=plan["name"],
        run_id=run_id,
        swept=plan["swept"],
        knobs=plan["knobs"],
        claims=plan["claims"],
        claims_sha256=plan["claims_sha256"],
        claims_origin=plan["claims_origin"],
        command=" ".join(plan["command"]),
        runs=runs,
        epochs=epochs,
        planned=plan["planned"],
        design=plan["design"],
        **found,
    )


def local_uri(root: Path) -> str:
    """The SQLAlchemy URL of the local store under a root, right for any path."""
    return URL.create("sqlite", database=str(root / "mlflow.db")).render_as_string(
        hide_password=False
    )


def correct(sweep: Sweep) -> dict[str, NDArray[np.bool_]]:
    """Which test images each run classified right at its end, by run key, shape (n_test_images,).

    A run whose file is not at hand is left out. The file holds eight images a byte: of a test set
    whose size is no multiple of eight up to seven padding bits follow, the same in every run.

    Raises
    ------
    StateError
        When a file is not the one that its run wrote.
    """
    answers: dict[str, NDArray[np.bool_]] = {}
    with _opened(sweep.uri, sweep.experiment) as store:
        for key, run in sweep.runs[sweep.runs["state"] == DONE].iterrows():
            stored = StoredRun(run["run_id"], run["name"], run["artifact_uri"], None, None)
            with contextlib.suppress(OSError):
                content = store.artifact(stored, frames.CORRECT)
                expected = run[sha256_tag(frames.CORRECT)]
                if expected and hashlib.sha256(content).hexdigest() != expected:
                    raise StateError(
                        f"{run['artifact_uri']}/{frames.CORRECT}: it is not what {run['name']}"
                        " wrote; put"
                        " it back, or delete that run and its folder under state/ to train it anew"
                    )
                packed = np.load(io.BytesIO(content), allow_pickle=False)
                answers[str(key)] = np.unpackbits(packed).astype(bool)
    return answers


@contextlib.contextmanager
def _opened(uri: str, experiment: str) -> Iterator[Store]:
    if uri.startswith(("http://", "https://")):
        from analysis.read.server import Server  # MLflow's client takes a second to import

        yield Server(uri, experiment)
    else:
        with database.opened(uri, experiment) as store:
            yield store


def _by_key(stored: list[StoredRun]) -> dict[str, StoredRun]:
    """The run of each run key: the complete one, else the one that began first."""
    # The last of a key is kept.
    ordered = sorted(
        stored,
        key=lambda run: (run.tags.get(TAG_COMPLETE) == "1", -(run.start_ms or 0), run.run_id),
    )
    return {run.tags[TAG_RUN_KEY]: run for run in ordered}
