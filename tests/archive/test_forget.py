"""`runner.forget`: what no other sweep needs goes, from everywhere, and nothing else."""

import shutil
import subprocess
import sys

import pytest
from commands import MAIN, environment, query, results, run, stored
from filelock import FileLock

from runner import sync as syncing
from runner.archive.contents import Contents
from runner.archive.forget import doomed
from runner.errors import RunnerError, StoreError
from runner.state.root import Root

pytest_plugins = "roots"
pytestmark = pytest.mark.long

WORDS = ("-m", *MAIN[2:], "model.dropout=true", "model.channels=1,3")


@pytest.fixture(scope="module")
def two_sweeps(tmp_path_factory, empty_store):
    """Two sweeps that share a run, and a single run that is one of the second's."""
    root = tmp_path_factory.mktemp("two_sweeps")
    shutil.copy(empty_store, Root(root).database)
    run(root, *WORDS, "seed=0")
    (first,) = Root(root).sweeps()
    run(root, *WORDS[:-1], "model.channels=3,4", "seed=0")
    run(root, *WORDS[1:-1], "model.channels=4")
    keys = [plan.sweep_key for plan in Contents(Root(root)).sweeps]
    assert keys[0] == first.path.name
    return root, *keys


@pytest.fixture
def root(two_sweeps, tmp_path):
    shutil.copytree(two_sweeps[0], tmp_path / "root")
    return tmp_path / "root"


def forget(root, *words, code=0, **options):
    line = [sys.executable, "-m", "runner.forget", "--root", root, *words]
    ended = subprocess.run(
        line, capture_output=True, text=True, env=environment(), cwd=root.parent, timeout=90,
        stdin=subprocess.DEVNULL, **options,
    )  # fmt: skip
    assert ended.returncode == code, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stdout + ended.stderr


def test_a_sweep_goes_and_what_another_needs_stays_and_has_a_parent(root, two_sweeps):
    _, first, second = two_sweeps
    before = results(root)
    keys = {
        plan.sweep_key: {run.run_key for run in plan.runs} for plan in Contents(Root(root)).plans
    }
    told = forget(root, first[:12], "--yes")
    assert "1 of them stay: channels" in told and "to be removed: 1 run, " in told
    assert results(root) == {key: before[key] for key in keys[second]}
    assert not Root(root).sweep(first).path.exists() and not Root(root).forgotten.exists()
    (parent,) = stored(Root(root).database, kind="sweep")
    runs = stored(Root(root).database)
    assert {run.tags["run_key"] for run in runs} == keys[second]
    assert {run.tags["mlflow.parentRunId"] for run in runs} == {parent.id}
    assert all(f"sweep.{first[:8]}" not in run.tags for run in runs)
    # For good: no rows, no files.
    ids = {id for (id,) in query(Root(root).database, "select distinct run_uuid from metrics")}
    assert ids == {parent.id, *(run.id for run in runs)}
    assert {path.name for path in Root(root).artifacts.iterdir()} == ids
    assert syncing.verify(Root(root), None, "ablations") == (2, [])
    assert "holds no such sweep or run" in forget(root, first[:12], "--yes", code=2)


def test_a_run_that_a_sweep_needs_stays_and_one_typed_alone_goes(root, two_sweeps):
    _, _, second = two_sweeps
    plan = Contents(Root(root)).sweep(second)
    (alone,) = [run.run_key for run in plan.runs if run.knobs["model.channels"] == 4]
    told = forget(root, alone[:10], "--yes", code=1)
    assert f"the sweep {plan.name} ({second[:8]}) needs it" in told
    # The single run needs it, too, when its sweep goes.
    assert "2 of them stay" in forget(root, second, "--yes")
    forget(root, alone[:10], "--yes")
    assert alone not in results(root) and len(list(Root(root).sweeps())) == 1


def test_it_asks_first_and_without_a_terminal_nobody_can_agree(root, two_sweeps):
    before = results(root)
    assert "give --yes" in forget(root, two_sweeps[1], code=2)
    assert results(root) == before and len(stored(Root(root).database)) == 3


def test_a_run_that_is_being_trained_stays(root, two_sweeps):
    contents = Contents(Root(root))
    key = doomed(contents, two_sweeps[1]).runs[0].run_key
    lock = FileLock(str(Root(root).run(key).path / "lock"))
    with lock, pytest.raises(RunnerError, match="is being trained now"):
        doomed(contents, two_sweeps[1])


def test_a_word_that_names_nothing_or_two_things_is_refused(root, two_sweeps):
    contents = Contents(Root(root))
    with pytest.raises(StoreError, match="holds no such sweep or run"):
        doomed(contents, "nothing")
    assert contents.sweep("channels").sweep_key == two_sweeps[2], "the latest of that name"
    assert contents.sweep(two_sweeps[1][:3]) is None, "too short for the start of a key"
