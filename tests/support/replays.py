"""Replays of a root into its store, or into a server's, in this process."""

from runner import sync as syncing
from runner.plan import plan as plans
from runner.state.journals import Journals
from runner.state.root import Root
from runner.tracking.mlflow_tracker import MlflowTracker
from runner.tracking.store import mlflow_store as store
from runner.tracking.writer import Writer


def in_process(root, uri=None):
    n_runs, problems = syncing.sync(Root(root), uri, "ablations")
    assert problems == []
    return n_runs


class BreaksOff:
    """A client whose store goes away after so many calls; the answer of the last is lost."""

    def __init__(self, client, n_calls):
        self.client, self.left = client, n_calls

    def __getattr__(self, name):
        of_client = getattr(self.client, name)
        if not callable(of_client):
            return of_client

        def call(*args, **kwargs):
            answer = of_client(*args, **kwargs)
            self.left -= 1
            if not self.left:
                raise ConnectionError("the answer was lost")
            return answer

        return call


def only_plan(root):
    (folder,) = Root(root).sweeps()
    return plans.read(folder.plan)


def writer_to(root, client, number="1"):
    """A writer of the only sweep of a root, to an experiment of an MLflow client's store."""
    runs = only_plan(root).runs
    journals = Journals(Root(root), [run.run_key for run in runs])
    return Writer(lambda: MlflowTracker(client, number, Root(root)), journals, runs)


def writer_of(root, uri=None):
    """A writer to the local store or to a server, with the sweep opened there."""
    client = store.connect(uri, Root(root))
    writer = writer_to(root, client, store.experiment_id(client, "ablations", uri, Root(root)))
    writer.tracker.open_sweep(only_plan(root))
    return writer
