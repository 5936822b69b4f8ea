"""What the local store says of sweeps, brought in step with their reports."""

from runner.archive.contents import Contents
from runner.record import TAG_LAST_USED
from runner.state.root import Root
from runner.tracking.mlflow_sweep import MlflowSweep
from runner.tracking.mlflow_tracker import MlflowTracker
from runner.tracking.store import mlflow_store as store
from runner.tracking.writer import Writer


def describe(root: Root, experiment: str) -> str | None:
    """Describe each sweep that the local store knows, as its journals and its report say now.

    Returns
    -------
    The key of the sweep that was used last; None where the store knows no sweep of the root.

    Raises
    ------
    StoreError
        When the store cannot be used, or there is nothing under the root.
    """
    kept = Contents(root)
    client = store.connect(None, root)
    experiment_id = store.experiment_id(client, experiment, None, root)
    used: dict[str, int] = {}

    def tracker() -> MlflowTracker:
        return MlflowTracker(client, experiment_id, root)

    for plan in kept.sweeps:
        parent = MlflowSweep(client, experiment_id, root, plan).find()
        if parent is None:
            continue
        writer = Writer(tracker, kept.journals, plan.runs)
        writer.tracker.open_sweep(plan, used=False)
        writer.close_as_recorded()
        used[plan.sweep_key] = int(parent.data.tags.get(TAG_LAST_USED, "0"))
    return max(used, key=lambda key: used[key], default=None)
