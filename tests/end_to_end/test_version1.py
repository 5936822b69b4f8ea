"""What version 1 left under a root is read, listed, analysed and gone on with, and reading it
changes nothing.

tests/support/version1.tar.xz holds the root after the commands below, the last of them killed after
its third epoch (RUNNER_KILL_AT=after_journal:3), and the frames of the report on the first. Data
sets and locks were left out.
"""

import json
import shutil
import subprocess
import sys
import tarfile

import pandas
import pytest
from commands import (
    environment,
    image,
    journals,
    lines,
    query,
    run,
    start,
    stored,
    stored_by_key,
    sync,
)
from places import VERSION1

from runner.record import METRICS, recorded_tags
from runner.state.root import Root
from runner.train import provenance

SMALL = ("data=digits", "model.hidden_size=8")
CHANNELS_X_DROPOUT = (
    "-m",
    "model.channels=1,2",
    "model.dropout=true,false",
    *SMALL,
    "optimizer.lr=0.01",
    "train.epochs=3",
    "seed=0,1,2",
)
SINGLE = ("model.channels=2", *SMALL, "train.epochs=2", "seed=7")
DIVERGING = ("-m", "optimizer=sgd", "optimizer.lr=0.01,100", "optimizer.weight_decay=1", *SMALL,
             "data.normalize=false", "model=mlp", "train.epochs=2", "seed=0,1")  # fmt: skip
BLOCKS = ("-m", "optimizer=momentum", "model.blocks=[[2,2],[2]]", *SMALL, "data.normalize=false",
          "model.dropout=false", "train.epochs=2", "seed=3")  # fmt: skip
KILLED = ("model.channels=2", *SMALL, "train.epochs=6", "runner.checkpoint_every_s=0", "seed=8")
#: The one that is not trained was killed; the diverged ones have no files.
N_RUNS, N_TRAINED, N_DIVERGED = 19, 18, 2
#: Columns of the frames that need not stay: where a run is stored, and why in words.
FREE = ["run_id", "artifact_uri", "reason"]


@pytest.fixture
def root(tmp_path):
    """The root as version 1 left it, in another place."""
    with tarfile.open(VERSION1) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "ablations"


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def analyse(root, sweep, out):
    """The frames of a report by name, and what was printed."""
    line = [sys.executable, "-m", "analysis", sweep, "--details", "--root", root, "--out", out]
    ended = subprocess.run(
        line, capture_output=True, text=True, env=environment(), cwd=root.parent, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    return frames(out), ended.stdout


def frames(folder):
    return {
        name: pandas.read_csv(folder / f"{name}.csv")
        for name in ("runs", "epochs", "claims", "contrasts")
    }


def assert_frames_equal(now, kept):
    """Every column that version 1 had, with its values; a later version may have more.

    Claims are decided otherwise now. Of those that are still judged by the mean, and so have the
    same test, all numbers are the same but for an interval's end that is 0 now.
    """
    for name, frame in kept.items():
        columns = [column for column in frame if column not in FREE]
        if name == "claims":
            columns = ["claim", "says", "origin", "contrast", "metric", "margin"]
            names = {"p_t": "p", "p_exact": "p_sign_flip"}
            alike = now[name]["by"] == "mean"
            assert alike.sum() == 4
            kept_numbers = frame[alike][["estimate", "level", "n_seeds", *names]]
            numbers = now[name][alike].rename(columns={v: k for k, v in names.items()})
            pandas.testing.assert_frame_equal(
                numbers[list(kept_numbers)], kept_numbers, rtol=1e-9, obj=name
            )
        pandas.testing.assert_frame_equal(now[name][columns], frame[columns], rtol=1e-9, obj=name)


def by_key(root):
    """Run key -> what is stored of a run, without where it is; tags that a later version added left
    out."""
    kept = {}
    for key, stored_run in stored_by_key(Root(root).database).items():
        tags = {
            name: value for name, value in stored_run.tags.items() if name != "mlflow.parentRunId"
        }
        kept[key] = (stored_run.name, stored_run.status, stored_run.params, stored_run.rows, tags)
    return kept


@pytest.mark.long
def test_reading_changes_no_byte_of_the_state_or_of_a_plan(root, tmp_path):
    before = contents(root)
    assert (
        f"{N_TRAINED} runs looked at; state/ and the store hold what they wrote"
        in sync(root, "--verify").stdout
    )
    analyse(root, "channels x dropout", tmp_path / "report")
    assert contents(root) == before
    sync(root)
    after = contents(root)
    changed = {path for path in before | after if before.get(path) != after.get(path)}
    state = {path for path in changed if path.parts[0] == "state"}
    assert {path.name for path in state} <= {"tracking.lock"}


@pytest.mark.long
def test_a_new_store_is_filled_with_what_version_1_stored(root):
    before = by_key(root)
    sweeps = {run.tags["sweep_key"]: run.name for run in stored(Root(root).database, "sweep")}
    shutil.rmtree(Root(root).artifacts)
    Root(root).database.unlink()
    assert f"{N_RUNS} runs looked at; the store is in step" in sync(root).stdout
    after = by_key(root)
    assert {
        run.tags["sweep_key"]: run.name for run in stored(Root(root).database, "sweep")
    } == sweeps
    # MLflow had not been told of the end of the killed run's third epoch, nor of its start.
    assert before.keys() <= after.keys() and len(after) == N_RUNS
    for key, (name, status, parameters, rows, tags) in before.items():
        if tags.get("complete") == "1":
            now = after[key]
            assert (now[0], now[1], now[3]) == (name, status, rows)
            # Texts are no JSON any more, and a run has no knob that its parts do not have.
            assert {n: text.strip('"') for n, text in parameters.items() if n in now[2]} == {
                n: now[2][n] for n in parameters if n in now[2]
            }
            gone = {"model.options", "model.channels", "model.blocks", "optimizer.momentum"}
            assert parameters.keys() - now[2].keys() <= gone
            # The tag of a sweep names the cell now, and one without a value is not written.
            kept = {n: v for n, v in tags.items() if v and not n.startswith("sweep.")}
            assert kept.items() <= recorded_tags(now[4]).items()
            assert {n for n in tags if n.startswith("sweep.")} <= now[4].keys()


def test_a_store_of_version_1_is_in_step_as_it_is(root):
    complete = "select count(*) from tags where key = 'complete' and value = '1'"
    before, rows = (
        image(Root(root).database)[1],
        query(Root(root).database, "select * from metrics"),
    )
    assert query(Root(root).database, complete) == [(N_TRAINED,)]
    sync(root)
    after = image(Root(root).database)[1]
    assert before.keys() == after.keys()
    for key, (name, status, tags) in before.items():
        # A description, and the hash of it, came later.
        assert after[key][:2] == (name, status) and tags.items() <= after[key][2].items()
    assert set(rows) <= set(query(Root(root).database, "select * from metrics"))
    assert query(Root(root).database, complete) == [(N_TRAINED,)]


@pytest.mark.parametrize(
    "store", ["as it was", pytest.param("filled again", marks=pytest.mark.long)]
)
def test_the_report_has_the_frames_that_version_1_wrote(store, root, tmp_path):
    if store == "filled again":
        Root(root).database.unlink()
        sync(root)
    now, printed = analyse(root, "channels x dropout", tmp_path / "report")
    assert_frames_equal(now, frames(root / "frames"))
    assert "12 of 12 runs done" in printed
    assert (
        printed.count("SUPPORTED: ") == 2
        and "NOT TESTABLE: Dropout delays 97 % test accuracy" in printed
    )


def test_diverged_runs_of_version_1_are_counted(root, tmp_path):
    now, printed = analyse(root, "lr", tmp_path / "report")
    assert list(now["runs"]["state"]) == ["done", "diverged", "done", "diverged"]
    assert "2 diverged" in printed


@pytest.mark.parametrize(
    ("words", "n_runs"),
    [(CHANNELS_X_DROPOUT, 12), (DIVERGING, 4), (BLOCKS, 1), (SINGLE, 1)],
    ids=lambda v: str(v)[:40],
)
def test_what_version_1_trained_is_trained_already(words, n_runs, root):
    before, plans = journals(root), contents(root / "state" / "sweeps")
    ended = run(root, *words)
    assert (
        f"{n_runs} of {n_runs} already trained" if words[0] == "-m" else "; already trained"
    ) in ended.out
    assert f"{n_runs} of {n_runs} runs trained and stored" in ended.out
    assert journals(root) == before
    assert plans.items() <= contents(root / "state" / "sweeps").items()
    assert len(stored_by_key(Root(root).database)) in (N_TRAINED, N_RUNS), "no run is stored anew"


@pytest.mark.long
def test_a_run_that_version_1_left_unfinished_goes_on_from_its_checkpoint(root):
    before = journals(root)
    (key,) = [key for key, journal in before.items() if journal[-1]["kind"] == "epoch"]
    assert [line["epoch"] for line in before[key] if line["kind"] == "epoch"] == [1, 2, 3]
    process = start(root, *KILLED)
    out, err = process.communicate(timeout=90)
    # The third epoch is computed again: another family of processors may round it otherwise.
    is_mixed = "the run is marked as mixed" in err
    assert not is_mixed or before[key][0]["processor"] != provenance.processor()
    assert process.returncode == 0 and "1 of 1 runs trained and stored" in out, err
    after = journals(root)[key]
    assert after[: len(before[key])] == before[key]
    assert [setup["goes_on_from_epoch"] for setup in lines(root, "setup")[key]] == [1, 3]
    assert [line["epoch"] for line in after if line["kind"] == "epoch"] == [
        *(1, 2, 3),
        *(3, 4, 5, 6),
    ]
    assert all(set(line["metrics"]) == set(METRICS) for line in after if line["kind"] == "epoch")
    assert (after[-1]["kind"], after[-1]["status"]) == ("end", "done")
    stored_run = stored_by_key(Root(root).database)[key]
    assert (stored_run.status, stored_run.tags["complete"]) == ("FINISHED", "1")
    assert len(stored_run.rows) == 6 * len(METRICS)
    assert f"{N_RUNS} runs looked at" in sync(root, "--verify").stdout


def test_a_plan_of_version_1_lacks_what_later_versions_write_and_is_read_all_the_same(root):
    for path in (root / "state" / "sweeps").glob("*/sweep.json"):
        plan = json.loads(path.read_bytes())
        assert not {"version", "knobs"} & set(plan)
        assert not any({"without_effect", "code"} & set(planned) for planned in plan["runs"])
    assert len(list((root / "state" / "sweeps").glob("*/sweep.json"))) == 3
    for journal in journals(root).values():
        assert "version" not in journal[0] and "code" not in journal[0]
