"""What a store holds of a sweep as two tidy frames: a row a planned run, a row a run and epoch."""

from array import array
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.read.store import Store, StoredRun
from analysis.read.sweeps import Knob
from runner.record import (
    CODE_OF_VERSION_1,
    DONE,
    METRICS,
    TAG_CAUSE,
    TAG_CODE,
    TAG_COMPLETE,
    TAG_FALLBACKS,
    TAG_STATUS,
    WEIGHTS,
    cell_name,
    in_order,
    is_metric,
    recorded_tags,
    run_name,
    sha256_tag,
)

#: States of a run beside those in which it ends.
MISSING, RUNNING = "missing", "running"
#: The file with one bit a test image: whether the run classified it right.
CORRECT = "test_correct.npy"
#: Tags that become columns, besides `version.*`.
_TAGS = (
    "device", "data.sha256", "first_batch_order.sha256", "engine", TAG_CODE, TAG_FALLBACKS,
    "git.commit", "git.dirty", "card", "processor", sha256_tag(CORRECT), sha256_tag(WEIGHTS),
)  # fmt: skip


def runs_frame(
    plan: dict[str, Any], stored: dict[str, StoredRun], epochs: pd.DataFrame
) -> pd.DataFrame:
    """One row a planned run, in the plan's order, with index run_key.

    Parameters
    ----------
    plan
        As `sweeps.plan_of` gives it.
    stored
        What the store holds of them, by run key.
    epochs
        As `epochs_frame` gives them.

    Returns
    -------
    DataFrame
        The run's name, cell, seed and state, every swept group and recorded knob by its name,
        `without_effect` (the names of the knobs that change nothing in this run, or that it does
        not have), and what was recorded of it.
    """
    knobs = plan["knobs"]
    n_epochs = epochs.groupby("run_key").size()
    keys = [run["run_key"] for run in plan["runs"]]
    rows = [
        _row(run, knobs, stored.get(key), int(n_epochs.get(key, 0)))
        for key, run in zip(keys, plan["runs"], strict=True)
    ]
    frame = pd.DataFrame(rows)
    for knob in knobs:
        # None is a value: pandas would make nan of it, and 4.0 of the 4 beside it.
        values = pd.Series([row[knob.name] for row in rows], dtype=object)
        frame[knob.name] = values if values.isna().any() else values.infer_objects()
    return frame.set_index("run_key", drop=False).rename_axis(None)


def epochs_frame(store: Store, stored: dict[str, StoredRun], keys: list[str]) -> pd.DataFrame:
    """One row a run and epoch, a column a metric; nan where a run did not record that metric.

    Every run's metrics have a column; the others have one where a run recorded them. Of a row that
    was sent twice the later one counts.

    Parameters
    ----------
    stored
        What the store holds of the runs, by run key.
    keys
        The run keys in the plan's order, which is that of the rows.
    """
    recorded, (place, number, step, time_ms, value) = _sent(store, stored, keys)
    metrics = in_order({*METRICS, *recorded})
    columns = {metric: column for column, metric in enumerate(metrics)}
    metric = np.array([columns[of] for of in recorded], dtype=np.int64)[number]
    first = step.min(initial=0)
    n_steps = step.max(initial=0) - first + 1
    run_epoch, row = np.unique(place * n_steps + step - first, return_inverse=True)
    run_epochs = np.stack([run_epoch // n_steps, run_epoch % n_steps + first], axis=1)
    table = np.full((len(run_epochs), len(metrics)), np.nan)
    later = np.argsort(time_ms, kind="stable")
    table[row.reshape(-1)[later], metric[later]] = value[later]
    frame = pd.DataFrame(table, columns=metrics)
    frame.insert(0, "epoch", run_epochs[:, 1])
    frame.insert(0, "run_key", pd.Series([keys[place] for place in run_epochs[:, 0]], dtype=object))
    return frame


def _sent(
    store: Store, stored: dict[str, StoredRun], keys: list[str]
) -> tuple[list[str], list[NDArray[Any]]]:
    """The metrics that were recorded of these runs; and of each row the place of its run's key, the
    number of its metric, step, time in ms and value.

    What others logged there, such as MLflow's own metrics of the system, is left out.
    """
    places = {stored[key].run_id: place for place, key in enumerate(keys) if key in stored}
    numbers: dict[str, int] = {}
    others: set[str] = set()
    # Millions of rows: as numbers, and not as objects of Python's.
    place, number, steps, times_ms = array("i"), array("i"), array("q"), array("q")
    values = array("d")
    for run_id, metric, step, time_ms, value in store.rows(
        [stored[key] for key in keys if key in stored]
    ):
        if metric not in numbers:
            if metric in others or run_id not in places:
                continue
            if not is_metric(metric):
                others.add(metric)
                continue
            numbers[metric] = len(numbers)
        if run_id in places:
            place.append(places[run_id])
            number.append(numbers[metric])
            steps.append(step)
            times_ms.append(time_ms)
            values.append(value)
    columns = place, number, steps, times_ms, values
    return list(numbers), [np.asarray(column) for column in columns]


def _row(
    run: dict[str, Any], knobs: list[Knob], stored: StoredRun | None, n_epochs: int
) -> dict[str, Any]:
    tags, seed = recorded_tags(stored.tags if stored else {}), run["config"]["seed"]
    row: dict[str, Any] = {
        "run_key": run["run_key"],
        "name": run_name(run["knobs"], seed),
        "cell": cell_name(run["knobs"]),
        "cell_key": run["cell_key"],
        "seed": seed,
        "state": _state(stored),
        "cause": tags.get(TAG_CAUSE, ""),
        "n_epochs": n_epochs,
    }
    for name in ("run_id", "artifact_uri", "start_ms", "end_ms"):
        row[name] = getattr(stored, name, None)
    n_parameters = tags.get("n_parameters", "")
    row["n_parameters"] = int(n_parameters) if n_parameters.isdigit() else None
    groups = {knob.name: run["knobs"].get(knob.name) for knob in knobs if knob.is_group}
    names = [knob.name for knob in knobs if not knob.is_group]
    recorded = dict(_recorded(run["config"], names))
    lacking = [name for name in names if name not in recorded]
    row |= dict.fromkeys(names) | recorded
    row["without_effect"] = (*run["without_effect"], *lacking)
    planned = {"device": run.get("device"), TAG_CODE: CODE_OF_VERSION_1 if stored else None}
    planned[TAG_FALLBACKS] = "[]"  # as of runs of before it was recorded
    # A tag without a value is not written now, and was written empty before.
    row |= {name: tags.get(name) or planned.get(name) for name in _TAGS}
    # A store gives tags in any order.
    row |= {name: tags[name] for name in sorted(tags) if name.startswith("version.")}
    return row | groups


def _state(stored: StoredRun | None) -> str:
    if stored is None:
        return MISSING
    state = stored.tags.get(TAG_STATUS, RUNNING)
    # The last write of a trained run says that the store holds all of it.
    return RUNNING if state == DONE and stored.tags.get(TAG_COMPLETE) != "1" else state


def _recorded(
    config: dict[str, Any], knobs: Collection[str], prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """The recorded knobs of a configuration with their values, by dotted name."""
    for name, value in config.items():
        if prefix + name in knobs:
            yield prefix + name, value
        elif isinstance(value, dict):
            yield from _recorded(value, knobs, f"{prefix}{name}.")
