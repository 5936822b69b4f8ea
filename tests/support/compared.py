"""Sweeps on a cluster beside the same one on this machine alone: what both tiers share."""

import shutil
import threading
import time

import pytest
from commands import end, lines, results, start

from runner.state.root import Root
from runner.state.run_record import read_run

#: Runs of milliseconds; what takes time is that Python starts, and what slows epochs down.
SMALL = (
    "-m", "data=digits", "model.hidden_size=16", "train.epochs=4", "model.dropout=true,false",
    "runner.checkpoint_every_s=0",
)  # fmt: skip
SWEEP = (*SMALL, "model.channels=2", "seed=0,1,2")
ALL = "6 of 6 runs trained and stored"


@pytest.fixture(scope="session")
def local(tmp_path_factory, empty_store):
    """What the sweep comes to on this machine alone."""
    root = tmp_path_factory.mktemp("local")
    shutil.copy(empty_store, Root(root).database)
    end(start(root, *SWEEP, "runner.workers=2"), 0, timeout=300)
    return results(root)


@pytest.fixture
def scenario(request, local):
    """Call with a root that must equal the local sweep's; a row of the table, equal or not."""
    # A plugin: pytest rewrites its assertions when it imports it itself.
    import scenarios

    began = time.monotonic()
    row = scenarios.begun(request.node.name.removeprefix("test_").replace("_", " "))

    def compare(root):
        assert results(root) == local
        row.equal = "yes"

    compare.row = row
    yield compare
    row.seconds = time.monotonic() - began


def ended(process, code=0):
    return end(process, code, timeout=200)


def read_until(process, text, seconds=100):
    """The first line that a command prints with a text in it; it is killed if that is too late."""
    late = threading.Timer(seconds, process.kill)
    late.start()
    try:
        return next(line for line in process.stdout if text in line)
    finally:
        late.cancel()


def records(root):
    return [read_run(folder) for folder in Root(root).runs()]


def n_begun(root):
    """How many runs have an epoch to lose."""
    return sum(bool(epochs) for epochs in lines(root, "epoch").values())


def gone_on(root):
    """The records of runs that an attempt went on with after its first epoch."""
    after = [record for record in records(root) if len(record.chain) > 1]
    assert after and all(record.setup.goes_on_from_epoch == 2 for record in after)
    return after
