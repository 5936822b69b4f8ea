"""Replays of a root into its store, in this process."""

from runner import sync as syncing
from runner.plan import plan as plans


def in_process(root):
    return syncing.sync(root, None, "ablations")


class BreaksOff:
    """A client whose store goes away after so many calls: the last one is done, and its answer lost."""

    def __init__(self, client, n_calls):
        self.client, self.left = client, n_calls

    def __getattr__(self, name):
        def call(*args, **kwargs):
            answer = getattr(self.client, name)(*args, **kwargs)
            self.left -= 1
            if not self.left:
                raise ConnectionError("the answer was lost")
            return answer

        return call


def only_plan(root):
    (path,) = (root / "state" / "sweeps").glob("*/sweep.json")
    return plans.read(path)
