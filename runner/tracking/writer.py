"""The only writer of MLflow: a sweep and its runs there, brought in step with the journals again and again."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from runner.plan import plan as plans
from runner.plan.plan import Plan, PlannedRun
from runner.record import FAILED, KILLED, TAG_CLAIMS_SHA256, TAG_LAST_USED, TAG_SWEEP_KEY, sweep_tag
from runner.tracking.mlflow_run import Mirror
from runner.tracking.mlflow_store import in_short

if TYPE_CHECKING:
    from mlflow import MlflowClient

_POLL_S = 1.0
#: Wait after a failed call, in seconds; doubled up to the second figure.
_BACKOFF_S = (2.0, 30.0)
#: So long another process may be in the middle of creating a run; one that was stopped there must hold nobody up.
_ALONE_S = 30.0
#: Whoever interrupted a sweep waits no longer for a call to MLflow that is under way.
_INTERRUPTED_S = 5.0


class Ledger:
    """A sweep's images in MLflow: the parent run and a mirror for each of its runs.

    Parameters
    ----------
    probe
        Raises when the store does not answer, much sooner than MLflow's own client would.
    """

    def __init__(
        self,
        client: "MlflowClient",
        experiment_id: str,
        root: Path,
        runs: list[PlannedRun],
        probe: Callable[[], None] = lambda: None,
    ) -> None:
        self.client, self.experiment_id, self.root, self.probe = client, experiment_id, root, probe
        self.parent_id: str | None = None
        #: Tags that tie a run to this sweep.
        self.link: dict[str, str] = {}
        self.mirrors = [Mirror(self, run) for run in runs]
        #: Held from looking for a run in MLflow to creating it: two sweeps at once would each create it.
        self.alone = FileLock(str(root / "state" / "tracking.lock"), timeout=_ALONE_S)

    def open_sweep(self, plan: Plan, used: bool = True) -> str:
        """The sweep's parent run, with its plan and claims: in MLflow before the first run trains.

        `used` makes it the latest sweep; bringing a store in step does not use one.
        """
        with self.alone:
            self.parent_id = self._find_or_create_parent(plan)
        folder = plans.sweep_folder(self.root, plan.sweep_key)
        self.client.log_artifact(self.parent_id, str(folder / "sweep.json"))
        if used or TAG_LAST_USED not in self.client.get_run(self.parent_id).data.tags:
            self.client.set_tag(self.parent_id, TAG_LAST_USED, str(time.time_ns() // 1_000_000))
        self.link = {sweep_tag(plan.sweep_key): "1", "mlflow.parentRunId": str(self.parent_id)}
        return str(self.parent_id)

    def _find_or_create_parent(self, plan: Plan) -> str:
        found = self.client.search_runs([self.experiment_id], f"tags.{TAG_SWEEP_KEY} = '{plan.sweep_key}'")
        if found:
            return str(found[-1].info.run_id)
        tags = {
            TAG_SWEEP_KEY: plan.sweep_key,
            TAG_CLAIMS_SHA256: plan.claims_sha256,
            "kind": "sweep",
            "command": " ".join(plan.command)[:5000],
        }
        return str(self.client.create_run(self.experiment_id, tags=tags, run_name=plan.name).info.run_id)

    def update(self, patience: int = 2) -> None:
        """One pass over all runs.

        A run that the store refuses does not keep the others from it; the `patience`th refusal is taken for a store
        that is away, and the pass ends. Raises the first.
        """
        refused: list[Exception] = []
        for mirror in self.mirrors:
            try:
                mirror.update()
            except Exception as error:
                mirror.forget()
                refused.append(error)
                # Of a locked file MLflow takes twenty seconds to say so, each time.
                if len(refused) >= patience or "database is locked" in str(error):
                    break
        if refused:
            raise refused[0]

    def close_sweep(self, status: str) -> None:
        """MLflow's own state of the parent: FINISHED, FAILED or KILLED."""
        if self.parent_id is not None:
            self.client.set_terminated(self.parent_id, status)

    def close_as_recorded(self) -> None:
        """The parent's state after the fact, from the journals; left alone while a run has not ended."""
        statuses = [mirror.reader.poll().status for mirror in self.mirrors]
        if all(statuses):
            self.close_sweep("FAILED" if FAILED in statuses else "KILLED" if KILLED in statuses else "FINISHED")

    @property
    def n_behind(self) -> int:
        """How many runs have something on disk that the store does not hold."""
        return len([m for m in self.mirrors if m.reader.poll().trained and not m.stored])


class Tracker(threading.Thread):
    """Keeps a ledger in step while runs train. A store that is away is tried again; training never waits."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(name="tracking", daemon=True)
        self.ledger = ledger
        #: Why the store is behind, for the display; None while it is in step.
        self.trouble: str | None = None
        self._finish = threading.Event()

    def run(self) -> None:
        wait_s = _BACKOFF_S[0]
        while not self._finish.wait(_POLL_S if self.trouble is None else wait_s):
            wait_s = _BACKOFF_S[0] if self._pass() else min(2 * wait_s, _BACKOFF_S[1])

    def _pass(self) -> bool:
        try:
            self.ledger.probe()
            # At the end a person waits.
            self.ledger.update(patience=1 if self.trouble and self._finish.is_set() else 2)
            self.trouble = None
        except Exception as error:
            self.trouble = in_short(error)
        return self.trouble is None

    def finish(self, status: str, interrupted: bool = False) -> str | None:
        """One last pass and the parent's end; what the store still lacks, as in `2 runs are`, or None."""
        self._finish.set()
        if self.is_alive():
            self.join(_INTERRUPTED_S if interrupted else None)
        if self.is_alive():
            self.trouble = self.trouble or "a call to it is still under way"
        elif self._pass():
            try:
                self.ledger.close_sweep(status)
            except Exception as error:
                self.trouble = in_short(error)
        if self.trouble is None:
            return None
        n_behind = self.ledger.n_behind
        return f"{n_behind} runs are" if n_behind > 1 else "1 run is" if n_behind else "how it ended is"
