"""What MLflow is told of a run: its parameters, tags, data, and the rows of its metrics."""

import contextlib
import getpass
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from runner.config.schema import GROUPS, recorded
from runner.plan.plan import PlannedRun
from runner.record import (
    TAG_CAUSE,
    TAG_CELL_KEY,
    TAG_CODE,
    TAG_COMMIT,
    TAG_FALLBACKS,
    TAG_HASHES,
    TAG_MIXED,
    TAG_RUN_KEY,
    TAG_STATUS,
    TAG_VERSIONS,
    as_words,
)
from runner.state.records import Epoch
from runner.state.run_record import RunRecord

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput

_RUNNING = "running"
#: Tags by which a run is found and named.
_FIRST = ("kind", "cell", "seed", TAG_RUN_KEY, TAG_CELL_KEY)


def rows_of(epochs: Iterable[Epoch]) -> list[tuple[str, float, int, int]]:
    """Metric, value, time stamp and step."""
    return [
        (name, value, epoch.time_ms, epoch.epoch)
        for epoch in epochs
        for name, value in epoch.metrics.items()
    ]


def parameters_of(run: PlannedRun) -> dict[str, str]:
    """The configuration and the chosen files of swept groups, under their Hydra names.

    A text is itself, so that a filter such as `params.model.kind = 'cnn'` finds it; anything else
    is JSON. Types are those of the plan.
    """
    groups = {knob: value for knob, value in run.knobs.items() if knob in GROUPS}
    return {name: _text(value) for name, value in (recorded(run.config) | groups).items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def first_time_ms(record: RunRecord) -> int:
    assert record.start is not None
    return min([record.start.time_ms, *(epoch.time_ms for epoch in record.epochs.values())])


def tags_of(run: PlannedRun, record: RunRecord) -> dict[str, str]:
    """What is told of a run: how it ended, and what it was trained with.

    MLflow shows tags in the order in which they were first written.
    """
    start, setup, end = record.start, record.setup, record.end
    assert start is not None
    tags = {
        "kind": "run",
        "cell": run.cell,
        "seed": str(run.config.seed),
        TAG_STATUS: end.status if end else _RUNNING,
        TAG_CAUSE: (end.cause or "") if end else "",
        "device": run.device,
        "card": start.card or "",
        "processor": start.processor,
        "engine": start.engine,
        TAG_FALLBACKS: json.dumps(setup.fallbacks if setup else []),
        "n_parameters": str(setup.n_parameters) if setup and setup.n_parameters is not None else "",
        TAG_CODE: start.code,
        TAG_COMMIT: start.git.get("commit") or "",
        "git.dirty": json.dumps(start.git.get("dirty")),
        TAG_VERSIONS: as_words(start.versions),
        "data.name": run.data_name,
        "data.sha256": run.data_sha256,
        "first_batch_order.sha256": setup.first_batch_order_sha256 if setup else "",
        TAG_RUN_KEY: run.run_key,
        TAG_CELL_KEY: run.cell_key,
    }
    if setup and setup.taken_from:
        tags["epochs.taken_from"] = setup.taken_from
    if record.is_mixed:
        tags[TAG_MIXED] = "1"
    if end and end.sha256:
        tags[TAG_HASHES] = as_words(end.sha256)
    # An empty value is told where another attempt may have left one.
    is_only = len(record.attempts) == 1
    return {name: value for name, value in tags.items() if value or not is_only}


def first_tags_of(run: PlannedRun, record: RunRecord) -> dict[str, str]:
    """What a run is created with; of one that has ended, all else follows in the next call."""
    tags = tags_of(run, record)
    return {name: tags[name] for name in _FIRST if name in tags} if record.end else tags


def origin() -> dict[str, str]:
    """MLflow's own tags of where a run comes from: the user as it records them by itself."""
    user = "unknown"
    with contextlib.suppress(OSError, KeyError):  # a container may have no such account
        user = getpass.getuser()
    source = {"mlflow.source.type": "LOCAL", "mlflow.source.name": "python -m runner"}
    return {"mlflow.user": user} | source


def data_of(run: PlannedRun, record: RunRecord) -> "DatasetInput":
    """The data set that a run is trained on, as MLflow shows the input of a run."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    digest, setup = run.data_sha256[:8], record.setup
    profile = None
    if setup and setup.image_shape:
        profile = json.dumps({"image_shape": setup.image_shape, "n_classes": setup.n_classes})
    source = json.dumps({"uri": f"state/data/{run.data_name}-{digest}"})
    data = Dataset(run.data_name, digest, "local", source, profile=profile)
    return DatasetInput(data, [InputTag("mlflow.data.context", "training")])
