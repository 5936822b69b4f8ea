"""`runner.sync --from`: what a colleague's root holds, verified, and nothing twice."""

import os
import shutil
import tarfile

import pytest
from commands import attempt_of, image, journals, listing, plan_of, results, stored, sync
from places import VERSION1
from replays import in_process

from runner import sync as syncing
from runner.archive import take_over as taking
from runner.archive.take_over import take_over
from runner.errors import ConfigError, StoreError
from runner.state.root import Root
from runner.state.run_record import read_run

pytest_plugins = "roots"


@pytest.fixture
def theirs(main_job):
    """A colleague's root; nothing may be written to it."""
    before = listing(main_job.root)
    yield Root(main_job.root)
    assert listing(main_job.root) == before


@pytest.fixture
def copied(theirs, new_root):
    """A copy of it that may be damaged."""
    return Root(new_root("copied", state=theirs.path))


def test_runs_and_sweeps_come_whole_and_once(theirs, root):
    told = sync(root, "--from", str(theirs)).stdout
    assert told.splitlines() == [
        f"8 runs and 1 sweep taken over from {theirs}; 0 were here already",
        "8 runs looked at; the store is in step",
    ]
    assert results(root) == results(theirs.path) and journals(root) == journals(theirs.path)
    assert image(Root(root).database) == image(theirs.database)
    assert syncing.verify(Root(root), None, "ablations") == (8, [])
    again = take_over(Root(root), theirs)
    assert (again.n_runs, again.n_sweeps, again.n_here, again.problems) == (0, 0, 8, [])
    in_process(root)
    assert len(stored(Root(root).database)) == 8
    assert not Root(root).incoming.exists()


@pytest.mark.parametrize("name", ["weights.npz", "test_predicted.npy", "config.json"])
def test_a_run_whose_results_are_not_what_it_wrote_stays_there(name, copied, root):
    key = plan_of(copied.path)["runs"][0]["run_key"]
    file = attempt_of(copied.path, key).path / name
    file.write_bytes(file.read_bytes() + b"\n")
    taken = take_over(Root(root), copied)
    assert taken.n_runs == 7 and str(file) in taken.problems[0] and len(taken.problems) == 1
    assert not read_run(Root(root).run(key)).trained


def test_a_damaged_journal_and_a_damaged_plan_stay_there(copied, root):
    key = plan_of(copied.path)["runs"][0]["run_key"]
    journal = attempt_of(copied.path, key).journal
    journal.write_bytes(journal.read_bytes().replace(b"test/accuracy", b"test/accuracz", 1))
    (sweep,) = copied.sweeps()
    sweep.plan.write_bytes(sweep.plan.read_bytes().replace(b'"lr": 0.001', b'"lr": 0.009'))
    taken = take_over(Root(root), copied)
    assert (taken.n_runs, taken.n_sweeps, taken.n_untrained) == (7, 0, 1)
    told = " ".join(taken.problems)
    assert str(journal) in told and str(sweep.plan) in told


@pytest.mark.parametrize("n_copies", [0, 1, 5])
def test_a_copy_that_breaks_off_is_finished_by_the_next_one(n_copies, theirs, root, monkeypatch):
    left, rename = [n_copies], os.rename

    def breaking(*places):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        rename(*places)

    monkeypatch.setattr(taking.os, "rename", breaking)
    with pytest.raises(KeyboardInterrupt):
        take_over(Root(root), theirs)
    monkeypatch.undo()
    assert sum(read_run(run).trained for run in Root(root).runs()) == n_copies
    assert take_over(Root(root), theirs).n_runs == 8 - n_copies
    assert results(root) == results(theirs.path)


def test_a_run_that_was_begun_here_is_that_of_the_other_root_from_then_on(theirs, copied):
    key = plan_of(copied.path)["runs"][0]["run_key"]
    mine = attempt_of(copied.path, key)
    lines = mine.journal.read_bytes().splitlines(keepends=True)
    mine.journal.write_bytes(b"".join(lines[:-1]))
    moved = mine.path.rename(mine.path.with_name("mine"))
    shutil.rmtree(moved)  # its checksums are those of its name
    assert take_over(copied, theirs).n_runs == 1
    assert results(copied.path) == results(theirs.path)


def test_what_version_1_left_is_taken_over_too(tmp_path, root):
    with tarfile.open(VERSION1) as archive:
        archive.extractall(tmp_path, filter="data")
    theirs = Root(tmp_path / "ablations")
    trained = {run.key for run in theirs.runs() if read_run(run).trained}
    taken = take_over(Root(root), theirs)
    assert (taken.n_runs, taken.n_untrained, taken.problems) == (len(trained), 1, [])
    assert {run.key for run in Root(root).runs()} == trained
    assert take_over(Root(root), theirs).n_here == len(trained)


def test_a_root_that_is_none_or_the_same_is_refused(theirs, root):
    with pytest.raises(ConfigError, match="the root itself"):
        take_over(theirs, theirs)
    with pytest.raises(StoreError, match="there is no such folder"):
        take_over(Root(root), Root(root / "nowhere"))
    assert not Root(root).state.exists()
