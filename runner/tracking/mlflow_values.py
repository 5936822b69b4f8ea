"""What MLflow is told of a run: its parameters, its tags, the rows of its metrics."""

import json
from collections.abc import Iterable
from typing import Any

from runner.config.schema import GROUPS, recorded
from runner.plan.plan import PlannedRun
from runner.record import (
    TAG_CAUSE,
    TAG_CELL_KEY,
    TAG_CODE,
    TAG_FALLBACKS,
    TAG_MIXED,
    TAG_RUN_KEY,
    TAG_STATUS,
    sha256_tag,
)
from runner.state.records import Epoch
from runner.state.run_record import RunRecord

_RUNNING = "running"


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
    """What is told of a run: how it ended, and what it was trained with."""
    start, setup, end = record.start, record.setup, record.end
    assert start is not None
    tags = {
        TAG_RUN_KEY: run.run_key,
        TAG_CELL_KEY: run.cell_key,
        TAG_STATUS: end.status if end else _RUNNING,
        TAG_CAUSE: (end.cause or "") if end else "",
        "kind": "run",
        "cell": run.cell,
        "seed": str(run.config.seed),
        "data.name": run.data_name,
        "data.sha256": run.data_sha256,
        "first_batch_order.sha256": setup.first_batch_order_sha256 if setup else "",
        "engine": start.engine,
        TAG_FALLBACKS: json.dumps(setup.fallbacks if setup else []),
        "n_parameters": str(setup.n_parameters) if setup and setup.n_parameters is not None else "",
        "device": run.device,
        "card": start.card or "",
        "processor": start.processor,
        TAG_CODE: start.code,
        "git.commit": start.git.get("commit") or "",
        "git.dirty": json.dumps(start.git.get("dirty")),
    }
    if setup and setup.taken_from:
        tags["epochs.taken_from"] = setup.taken_from
    if record.is_mixed:
        tags[TAG_MIXED] = "1"
    hashes = {sha256_tag(name): value for name, value in end.sha256.items()} if end else {}
    versions = {f"version.{package}": version for package, version in start.versions.items()}
    return tags | hashes | versions
