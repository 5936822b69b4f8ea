"""Runs in MLflow: how they are found, one by its key or all that are whole of a sweep at once."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from runner.plan.plan import PlannedRun
from runner.record import SWEEP_TAGS, TAG_COMPLETE, TAG_RUN_KEY, sweep_tag
from runner.tracking.tracker import Replaced, TrackedRun

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Run

#: MLflow's own default: a page of runs with all that they hold is some megabytes.
_RUNS_A_CALL = 1000
#: So long what was seen of a whole sweep is taken for what is there.
_SEEN_S = 10.0
#: What MLflow says of a call about a run that was deleted.
_GONE = ("INVALID_PARAMETER_VALUE", "INVALID_STATE", "RESOURCE_DOES_NOT_EXIST")


@dataclass
class MlflowRun(TrackedRun):
    """A run in MLflow."""

    run: PlannedRun = field(kw_only=True)
    #: Where its artifacts lie.
    artifact_uri: str = field(kw_only=True)
    #: Parameters that MLflow has not been sent yet, as JSON text by Hydra name.
    parameters: dict[str, str] = field(kw_only=True)
    #: The data set, as far as MLflow has not been told of it.
    data: "DatasetInput | None" = field(kw_only=True)

    def log_files(self, client: "MlflowClient", files: list[Path]) -> None:
        """As the client's `log_artifact`, which asks the store first where the artifacts lie."""
        if not files:
            return
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        to = get_artifact_repository(self.artifact_uri, tracking_uri=client.tracking_uri)
        for path in files:
            to.log_artifact(str(path))  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class WholeRun:
    """What is kept of a run that the store says it has all of."""

    id: str
    artifact_uri: str
    end_time: int | None
    tags: dict[str, str]


class StoredRuns:
    """The runs of an experiment."""

    def __init__(self, client: "MlflowClient", experiment_id: str) -> None:
        self._client, self._experiment_id = client, experiment_id
        self._whole: dict[str, WholeRun] = {}
        #: The sweep of these, and when they were seen.
        self._seen = ("", 0.0)

    def of(self, run: PlannedRun) -> "list[Run]":
        """The runs of a key: the complete one first, else the first; the others are spare.

        A reply that was lost leaves a second run.
        """
        found = self._client.search_runs(
            [self._experiment_id], f"tags.{TAG_RUN_KEY} = '{run.run_key}'"
        )
        return sorted(
            found,
            key=lambda stored: (
                stored.data.tags.get(TAG_COMPLETE) != "1",
                stored.info.start_time,
                stored.info.run_id,
            ),
        )

    def find(self, run: PlannedRun) -> "Run | None":
        """The run of a key; spare ones are deleted."""
        found = self.of(run)
        for spare in found[1:]:
            self.replace(spare, str(found[0].info.run_id))
        return found[0] if found else None

    def replace(self, spare: "Run", kept_id: str) -> None:
        """Delete a run of a key; the one that is kept is of all its sweeps, too."""
        for name, value in spare.data.tags.items():
            if name.startswith(SWEEP_TAGS):
                self._client.set_tag(kept_id, name, value)
        self._client.delete_run(spare.info.run_id)

    @contextmanager
    def unless_replaced(self, run_id: str) -> Iterator[None]:
        """Turn a call that failed since another process deleted the run into `Replaced`."""
        try:
            yield
        except Exception as error:
            if getattr(error, "error_code", None) in _GONE and self._is_deleted(run_id):
                raise Replaced(f"{run_id} was replaced") from error
            raise

    def _is_deleted(self, run_id: str) -> bool:
        return bool(self._client.get_run(run_id).info.lifecycle_stage == "deleted")

    def whole(self, run: PlannedRun, sweep_key: str) -> WholeRun | None:
        """The run of a key, where it is whole and one of the sweep's; None says nothing.

        All runs of the sweep are looked for once, by the first call, which is a search for each of
        them less. What was seen is used once: who asks again doubts it.
        """
        if self._seen[0] != sweep_key:
            self._whole = self._whole_of(sweep_key)
            self._seen = sweep_key, time.monotonic()
        found = self._whole.pop(run.run_key, None)
        return found if time.monotonic() - self._seen[1] < _SEEN_S else None

    def _whole_of(self, sweep_key: str) -> dict[str, WholeRun]:
        """The whole runs of a sweep by key, those left out of which there are several."""
        ids: dict[str, str] = {}
        whole: dict[str, WholeRun] = {}
        several: set[str] = set()
        for stored in self._all_of(sweep_key):
            info, tags = stored.info, dict(stored.data.tags)
            key, id = tags.get(TAG_RUN_KEY, ""), str(info.run_id)
            if ids.setdefault(key, id) != id:
                several.add(key)
            if tags.get(TAG_COMPLETE) == "1":
                whole[key] = WholeRun(id, info.artifact_uri, info.end_time, tags)
        return {key: found for key, found in whole.items() if key not in several}

    def _all_of(self, sweep_key: str) -> "Iterator[Run]":
        query, page = f"tags.`{sweep_tag(sweep_key)}` LIKE '%'", None
        while True:
            found = self._client.search_runs(
                [self._experiment_id], query, max_results=_RUNS_A_CALL, page_token=page
            )
            yield from found
            page = found.token
            if not page:
                return
