"""A tracking store behind an MLflow server, read by MLflow's client and its bulk history."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from analysis.read.store import Row, StoredRun, no_experiment
from runner.errors import StoreError, without_password
from runner.state.root import Root
from runner.tracking.store import mlflow_store as store

#: MLflow's limits: runs in a request of the history, epochs of a run in it (a server leaves out any
#: further epochs), and runs in a page of a search.
_RUNS_A_REQUEST, _EPOCHS_A_RUN, _RUNS_A_PAGE = 100, 2500, 1000
_HISTORY = "/api/2.0/mlflow/metrics/get-history-bulk-interval"


class Server:
    """An experiment of a server.

    Users and passwords are given as to MLflow: in the URI, or by MLFLOW_TRACKING_USERNAME,
    MLFLOW_TRACKING_PASSWORD and MLFLOW_TRACKING_TOKEN.

    Raises
    ------
    StoreError
        When the server does not answer within seconds, or has no such experiment; by any method,
        when the server no longer answers.
    """

    def __init__(self, uri: str, experiment: str) -> None:
        self._uri, self._client = uri, store.connect(uri, Root(Path()))
        known = self._client.get_experiment_by_name(experiment)
        if known is None:
            raise no_experiment(uri, experiment)
        self._experiment_id = str(known.experiment_id)

    def tagged(self, tag: str) -> list[StoredRun]:
        """As `Store.tagged`, by a request for each 1,000 runs."""
        from mlflow.exceptions import MlflowException

        runs: list[StoredRun] = []
        token: str | None = None
        try:
            while token is None or token:
                page = self._client.search_runs(
                    [self._experiment_id],
                    f"tags.`{tag}` != ''",
                    max_results=_RUNS_A_PAGE,
                    page_token=token,
                )
                runs += [_stored_run(run.info, run.data) for run in page]
                token = page.token or ""
        except MlflowException as error:
            raise self._away(error) from error
        return runs

    def rows(self, runs: Collection[StoredRun]) -> Iterable[Row]:
        """As `Store.rows`, by a request a metric for each 100 runs; up to 2,500 epochs of a run."""
        for metric in sorted({metric for run in runs for metric in run.metrics}):
            ids = [run.run_id for run in runs if metric in run.metrics]
            for first in range(0, len(ids), _RUNS_A_REQUEST):
                some = ids[first : first + _RUNS_A_REQUEST]
                asked = {"run_ids": some, "metric_key": metric, "max_results": _EPOCHS_A_RUN}
                for row in self._get(_HISTORY, asked).json()["metrics"]:
                    epoch, written_ms = int(row.get("step", 0)), int(row["timestamp"])
                    yield row["run_id"], row["key"], epoch, written_ms, float(row["value"])

    def artifact(self, run: StoredRun, name: str) -> bytes:
        """As `Store.artifact`, wherever the server keeps its artifacts."""
        answer = self._get(
            "/get-artifact", {"run_uuid": run.run_id, "path": name}, expected=(200, 404, 500)
        )
        if answer.status_code != 200:
            raise FileNotFoundError(
                f"{without_password(self._uri)} has no {name} of run {run.run_id}"
            )
        return bytes(answer.content)

    def _get(
        self, endpoint: str, params: dict[str, Any], expected: tuple[int, ...] = (200,)
    ) -> Any:
        from mlflow.exceptions import MlflowException
        from mlflow.utils.rest_utils import http_request

        try:
            credentials = self._client._tracking_client.store.get_host_creds()
            answer = http_request(  # type: ignore[no-untyped-call]
                credentials, endpoint, "GET", params=params, raise_on_status=False
            )
        except MlflowException as error:
            raise self._away(error) from error
        if answer.status_code not in expected:
            raise self._away(f"{endpoint}: status {answer.status_code}")
        return answer

    def _away(self, why: object) -> StoreError:
        text = " ".join(str(why).split())[:200]
        return StoreError(f"{without_password(self._uri)} does not answer: {text}")


def _stored_run(info: Any, data: Any) -> StoredRun:
    named, times = (info.run_id, info.run_name, info.artifact_uri), (info.start_time, info.end_time)
    return StoredRun(*named, *times, dict(data.tags), frozenset(data.metrics))
