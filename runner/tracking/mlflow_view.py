"""Views of MLflow's page of runs: what it lists, its columns, its charts, and their addresses.

The page's address can name a view by its id. MLflow keeps it as a tag of the experiment, and offers
it by its name in the menu of saved views.
"""

import base64
import json
import zlib
from collections.abc import Iterable
from math import isfinite, nan
from typing import Any

from runner.plan.plan import Plan
from runner.record import sweep_tag
from runner.state.run_record import RunRecord

#: The id of the view of all sweeps.
ALL_SWEEPS = "sweeps"
_TAG = "mlflow.sharedViewState."
#: What a tag of an experiment takes in every database of MLflow's.
_LONGEST = 5000
#: Drawn first, in this order; MLflow draws the other metrics below.
_CURVES = ("test/accuracy", "train_eval/accuracy", "test/loss", "train/loss")
#: Of the parent runs.
_SWEEP_METRICS = ("runs_planned", "runs_trained", "train_min")


def view_id(sweep_key: str) -> str:
    """The id of the view of a sweep."""
    return sweep_key[:8]


def view_tag(id: str) -> str:
    """The experiment's tag that holds a view."""
    return f"{_TAG}{id}"


def page(experiment_id: str, id: str, charts: bool = False) -> str:
    """The address of a view below that of the server, on the pages for model training."""
    mode = "&compareRunsMode=CHART" if charts else ""
    where = f"#/experiments/{experiment_id}/runs"
    return f"{where}?viewStateShareKey={id}&workflowType=machine_learning{mode}"


def sweep_view(plan: Plan, made_ms: int, records: Iterable[RunRecord] = ()) -> str:
    """The view of a sweep's runs, whichever sweep trained them first: a group for each cell.

    A group shows the mean over its seeds, and in charts the range beside it.

    Parameters
    ----------
    records
        Of its runs: charts reach as far as their values. Else MLflow lets them begin at 0.
    """
    tag = sweep_tag(plan.sweep_key)
    own = dict.fromkeys(name for run in plan.runs for name in run.config.metrics)
    cells = [cell_of(runs[0].cell) for runs in plan.cells.values()]
    state = _state(
        f"tags.`{tag}` LIKE '%'",
        ["metrics.`test/accuracy`", *(f"metrics.`{name}`" for name in [*_CURVES[1:], *own])],
        [f"params.`{knob}`" for knob in plan.swept],
    ) | {
        "orderByKey": "metrics.`test/accuracy`",
        "groupBy": {
            "aggregateFunction": "average",
            "groupByKeys": [{"mode": "tag", "groupByData": tag}],
        },
        # A line a cell at first.
        "groupsExpanded": {f"tag.{tag}.{cell}": False for cell in cells},
        "compareRunCharts": [_chart(of, _reach(of, records)) for of in [*_CURVES, *own]],
        "compareRunSections": [
            {"uuid": "curves", "name": "Curves", "display": True, "isReordered": True, "columns": 2}
        ],
        "isAccordionReordered": True,
    }
    view = _saved(f"{plan.name} ({plan.sweep_key[:8]})", state, made_ms)
    # Of very many cells, the groups are open.
    return view if len(view) <= _LONGEST else _saved(plan.name, state | {"groupsExpanded": {}}, 0)


def all_sweeps_view(made_ms: int) -> str:
    """The view of all sweeps of an experiment."""
    metrics = [f"metrics.`sweep/{name}`" for name in _SWEEP_METRICS]
    state = _state("tags.kind = 'sweep'", ["attributes.`Description`"], metrics)
    return _saved("All sweeps", state | {"orderByKey": "attributes.start_time"}, made_ms)


def cell_of(cell: str) -> str:
    """A cell's name as the value of a tag, which MLflow does not leave empty."""
    return cell or "all"


def _state(listed: str, *columns: Iterable[str]) -> dict[str, Any]:
    return {
        "searchFilter": listed,
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [column for some in columns for column in some],
        # MLflow draws ten runs unless it is told otherwise.
        "runsHiddenMode": "SHOW_ALL",
    }


def _reach(metric: str, records: Iterable[RunRecord]) -> dict[str, float]:
    """The axis of a metric's chart; empty where there is no value."""
    epochs = [epoch.metrics for record in records for epoch in record.epochs.values()]
    values = [of[metric] for of in epochs if isfinite(of.get(metric, nan))]
    if not values:
        return {}
    low, high = min(values), max(values)
    edge = (high - low) / 20 or 0.01
    return {"yMin": round(low - edge, 6), "yMax": round(high + edge, 6)}


def _chart(metric: str, reach: dict[str, float]) -> dict[str, Any]:
    return {
        "range": reach,
        "uuid": metric,
        "type": "LINE",
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "metricSectionId": "curves",
        "isGenerated": True,
        "deleted": False,
        "xAxisKey": "step",
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
        "lineSmoothness": 0,
        "scaleType": "linear",
        "xAxisScaleType": "linear",
    }


def _saved(name: str, state: dict[str, Any], made_ms: int) -> str:
    """What MLflow's page writes when a person saves a view."""
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode(), 9)).decode("ascii")
    times = {"createdAt": made_ms, "updatedAt": made_ms}
    return json.dumps({"name": name, **times, "state": f"deflate;{packed}"})
