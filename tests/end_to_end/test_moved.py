"""A root that was moved, renamed or copied: everything works there, and nothing elsewhere."""

import os
import shlex
import shutil
import subprocess
import sys

import pytest
from commands import MAIN, environment, image, listing, results, run, stored_by_key, sync

from runner.state.root import Root

pytest_plugins = "roots"
pytestmark = pytest.mark.long

SWEEP = ("-m", *MAIN, "seed=0,1", "runner.workers=2")


def report(root, out):
    """What the analysis prints, but for the places in it, and every file of the report."""
    line = [sys.executable, "-m", "analysis", "--root", str(root), "--out", str(out)]
    ended = subprocess.run(line, capture_output=True, env=environment(), timeout=60, check=True)
    said = ended.stdout.decode().replace(str(out), "OUT").replace(shlex.quote(str(root)), "ROOT")
    return (said, ended.stderr), {
        path.name: path.read_bytes() for path in out.rglob("*") if path.is_file()
    }


def artifacts(root):
    """Of every run in the store: where its files are."""
    return {
        run.uri.partition("/mlartifacts/")[0] for run in stored_by_key(Root(root).database).values()
    }


@pytest.fixture
def moved(main_job, tmp_path):
    """A root that was moved, with what the analysis said of it before; its old place is gone."""
    first, now = tmp_path / "first place", tmp_path / "now #1"
    first.mkdir()
    run(first, *SWEEP)
    before = report(first, tmp_path / "before")
    first.rename(now)
    return first, now, before


@pytest.mark.parametrize(
    "old_place",
    ["gone", "a file", "a copy that was changed"],
)
def test_everything_works_where_a_root_was_moved_to_and_nothing_is_written_elsewhere(
    old_place, moved, main_job, tmp_path
):
    first, root, before = moved
    if old_place == "a file":
        first.write_bytes(b"nothing can be made below this")
    elif old_place != "gone":
        shutil.copytree(root, first)
        for file in (first / "mlartifacts").rglob("*.*"):
            file.write_bytes(b"changed")
    there = listing(tmp_path)
    assert report(root, tmp_path / "after") == before
    numbers, whole = results(root), image(Root(root).database)

    told = f"runner: {root}/mlflow.db: its artifacts are in {root}/mlartifacts now, no longer in"
    assert sync(root).stderr.startswith(told) and artifacts(root) == {root.as_uri()}
    assert image(Root(root).database) == whole
    assert sync(root, "--verify").stderr == "", "and it is told once"
    ended = run(root, "-m", *MAIN, "seed=0,1,2", "runner.workers=2")
    assert "8 of 12 already trained" in ended.out and ended.err == ""
    assert results(root).items() >= numbers.items() and len(results(root)) == 12
    assert artifacts(root) == {root.as_uri()}
    for run_ in stored_by_key(Root(root).database).values():
        assert (root / "mlartifacts" / run_.id / "artifacts" / "weights.npz").is_file()
    changed = {
        path for path, time in listing(tmp_path).items() if there.get(path) != time
    } | there.keys() - listing(tmp_path).keys()
    reports = tmp_path / "after"
    elsewhere = [
        path
        for path in changed
        if not path.is_relative_to(root) and not path.is_relative_to(reports)
    ]
    assert [path for path in elsewhere if path != tmp_path] == []


def test_a_sweep_in_the_new_place_puts_the_addresses_right_itself(moved):
    first, root, _ = moved
    ended = run(root, *SWEEP)
    assert "8 of 8 already trained" in ended.out and ended.err.count("\n") == 1
    assert f"its artifacts are in {root}/mlartifacts now" in ended.err
    assert not first.exists() and artifacts(root) == {root.as_uri()}


def test_a_copy_and_its_original_go_on_side_by_side(main_job, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    run(first, *SWEEP)
    shutil.copytree(first, second)
    before = image(Root(first).database)
    run(second, "-m", *MAIN, "seed=0,1,2", "runner.workers=2")
    assert artifacts(first) == {first.as_uri()} and artifacts(second) == {second.as_uri()}
    assert image(Root(first).database) == before
    assert os.listdir(first / "mlartifacts") != os.listdir(second / "mlartifacts")
