"""A tracking store behind an MLflow server: read by MLflow's own client and the server's bulk history of metrics."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from analysis.read.store import Row, StoredRun
from runner.errors import StoreError, without_password
from runner.state.root import Root
from runner.tracking import mlflow_store as store

#: MLflow's limits: runs a request of the history, and epochs a run of it; beyond, a server leaves epochs out.
_RUNS_A_REQUEST, _EPOCHS = 100, 2500
_RUNS_A_PAGE = 1000


class Server:
    """An experiment of a server.

    Users and passwords are MLflow's: in the URI, or MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD and
    MLFLOW_TRACKING_TOKEN.

    Raises
    ------
    StoreError
        When the server does not answer within seconds, or has no such experiment; by any method, when it goes away.
    """

    def __init__(self, uri: str, experiment: str) -> None:
        self._uri, self._client = uri, store.connect(uri, Root(Path()))
        found = self._client.get_experiment_by_name(experiment)
        if found is None:
            raise StoreError(f"{without_password(uri)}: there is no experiment {experiment}; train a sweep first")
        self._experiment_id = str(found.experiment_id)

    def tagged(self, tag: str) -> list[StoredRun]:
        """As `Store.tagged`: a request for each 1,000 runs."""
        from mlflow.exceptions import MlflowException

        found: list[StoredRun] = []
        token: str | None = None
        try:
            while token is None or token:
                page = self._client.search_runs(
                    [self._experiment_id], f"tags.`{tag}` != ''", max_results=_RUNS_A_PAGE, page_token=token
                )
                for run in page:
                    i = run.info
                    found.append(
                        StoredRun(i.run_id, i.run_name, i.artifact_uri, i.start_time, i.end_time, dict(run.data.tags))
                    )
                token = page.token or ""
        except MlflowException as error:
            raise self._away(error) from error
        return found

    def rows(self, run_ids: Collection[str], metrics: Collection[str]) -> Iterable[Row]:
        """As `Store.rows`: a request a metric for each 100 runs; of more than 2,500 epochs a server leaves some out."""
        ids = list(run_ids)
        for metric in metrics:
            for first in range(0, len(ids), _RUNS_A_REQUEST):
                asked = {"run_ids": ids[first : first + _RUNS_A_REQUEST], "metric_key": metric, "max_results": _EPOCHS}
                for row in self._get("/api/2.0/mlflow/metrics/get-history-bulk-interval", asked).json()["metrics"]:
                    yield row["run_id"], row["key"], int(row.get("step", 0)), int(row["timestamp"]), float(row["value"])

    def artifact(self, run: StoredRun, name: str) -> bytes:
        """As `Store.artifact`, wherever the server keeps its artifacts."""
        answer = self._get("/get-artifact", {"run_uuid": run.run_id, "path": name}, expected=(200, 404, 500))
        if answer.status_code != 200:
            raise FileNotFoundError(f"{without_password(self._uri)} has no {name} of run {run.run_id}")
        return bytes(answer.content)

    def _get(self, endpoint: str, params: dict[str, Any], expected: tuple[int, ...] = (200,)) -> Any:
        from mlflow.exceptions import MlflowException
        from mlflow.utils.rest_utils import http_request

        try:
            answer = http_request(  # type: ignore[no-untyped-call]
                self._client._tracking_client.store.get_host_creds(), endpoint, "GET", params=params,
                raise_on_status=False,
            )  # fmt: skip
        except MlflowException as error:
            raise self._away(error) from error
        if answer.status_code not in expected:
            raise self._away(f"{endpoint}: status {answer.status_code}")
        return answer

    def _away(self, why: object) -> StoreError:
        return StoreError(f"{without_password(self._uri)} does not answer: {' '.join(str(why).split())[:200]}")
