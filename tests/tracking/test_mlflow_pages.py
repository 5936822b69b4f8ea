"""What MLflow's pages show of a sweep: its runs by cell, what it came to, a run's origin."""

import base64
import contextlib
import getpass
import json
import shutil
import sqlite3
import zlib
from dataclasses import replace
from types import SimpleNamespace

import pytest
from commands import plan_of, stored, sync
from mlflow.exceptions import MlflowException
from mlflow.tracking._tracking_service import utils
from replays import in_process, only_plan

from analysis.decide.study import study
from analysis.read import runs as reader
from analysis.report import write
from runner import sync as syncing
from runner.archive.describe import describe
from runner.errors import StoreBehindError
from runner.record import DONE
from runner.state.root import Root
from runner.state.run_record import read_run
from runner.tracking import comparison, mlflow_note, removal
from runner.tracking.mlflow_tracker import MlflowTracker
from runner.tracking.mlflow_view import sweep_view, view_tag
from runner.tracking.store import mlflow_store as store

pytest_plugins = "roots"


@pytest.fixture(scope="module")
def replayed(main_job, empty_store, tmp_path_factory):
    root = tmp_path_factory.mktemp("replayed")
    shutil.copy(empty_store, Root(root).database)
    shutil.copytree(main_job.root / "state", root / "state")
    in_process(root)
    return root


@pytest.fixture
def root(replayed, tmp_path):
    utils._artifact_repos_cache.clear()  # the places of these runs in the root before
    shutil.copytree(replayed, tmp_path / "root")
    return tmp_path / "root"


def client_of(root):
    return store.connect(None, Root(root))


def note_of(root):
    (sweep,) = stored(Root(root).database, "sweep")
    return sweep.tags["mlflow.note.content"]


def state_of(view):
    """What MLflow's page unpacks of a saved view."""
    packed = json.loads(view)["state"].removeprefix("deflate;")
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def change(root, statement):
    with contextlib.closing(sqlite3.connect(Root(root).database)) as file, file:
        file.execute(statement)


def report(root):
    read = reader.read(reader.local_uri(root), "ablations")
    write.report(study(read, reader.correct), Root(root))


def test_the_view_of_a_sweep_lists_its_runs_in_a_group_for_each_cell(root):
    plan, client = only_plan(root), client_of(root)
    tags = client.get_experiment("1").tags
    state = state_of(tags[view_tag(plan.sweep_key[:8])])
    listed = client.search_runs(["1"], state["searchFilter"])
    assert {run.data.tags["run_key"] for run in listed} == {run.run_key for run in plan.runs}
    (group,) = state["groupBy"]["groupByKeys"]
    groups = {run.data.tags[group["groupByData"]] for run in listed}
    assert groups == {run.cell for run in plan.runs}
    assert set(state["groupsExpanded"]) == {f"tag.{group['groupByData']}.{of}" for of in groups}
    lowest = min(
        row.value
        for run in listed
        for row in client.get_metric_history(run.info.run_id, "test/loss")
    )
    (chart,) = [of for of in state["compareRunCharts"] if of["metricKey"] == "test/loss"]
    assert 0 < chart["range"]["yMin"] < lowest, "its axis begins near the values"
    sweeps = client.search_runs(["1"], state_of(tags[view_tag("sweeps")])["searchFilter"])
    assert [run.info.run_name for run in sweeps] == [plan.name]


def test_a_view_of_many_cells_fits_where_mlflow_keeps_it(root):
    plan = only_plan(root)
    runs = [
        replace(run, cell_key=f"{n}-{run.cell_key}", knobs=run.knobs | {"model.hidden_size": n})
        for n in range(2000)
        for run in plan.runs[:1]
    ]
    view = sweep_view(replace(plan, runs=runs), 1)
    assert len(view) <= 5000 and not state_of(view)["groupsExpanded"]


def test_a_run_that_two_sweeps_share_is_named_as_each_names_it(root):
    plan, client = only_plan(root), client_of(root)
    knobs = {"seed only": 1}
    renamed = replace(
        plan, sweep_key="f" * 64, runs=[replace(run, knobs=knobs) for run in plan.runs]
    )
    shutil.copytree(Root(root).sweep(plan.sweep_key).path, Root(root).sweep(renamed.sweep_key).path)
    tracker = MlflowTracker(client, "1", Root(root))
    tracker.open_sweep(renamed)
    start = SimpleNamespace(time_ms=0)
    record = SimpleNamespace(trained=False, end=None, start=start, epochs={})
    for run in renamed.runs:
        assert tracker.begin_run(run, record).is_complete
    listed = client.search_runs(["1"], "tags.`sweep.ffffffff` LIKE '%'")
    tags = [run.data.tags for run in listed]
    assert {of["sweep.ffffffff"] for of in tags} == {"seed only=1"}
    assert {of[f"sweep.{plan.sweep_key[:8]}"] for of in tags} == {run.cell for run in plan.runs}
    assert {of["cell"] for of in tags} == {run.cell for run in plan.runs}, "as the first one did"
    for run in renamed.runs:
        record = read_run(Root(root).run(run.run_key))
        assert not comparison.differences(tracker, run, record)


def test_the_description_has_the_claims_then_the_answers_and_the_cells(root):
    plan = only_plan(root)
    before = note_of(root)
    assert all(f"- {mlflow_note.plain(of.says)}" in before for of in plan.claims.values())
    cells = [line for line in before.splitlines() if line.startswith("| ")]
    assert len(cells) == 2 + len(plan.cells) and all("| 2 of 2 |" in line for line in cells[2:])
    report(root)
    answers = (Root(root).reports / plan.sweep_key[:16] / "answers.md").read_text()
    assert describe(Root(root), "ablations") == plan.sweep_key
    assert note_of(root).startswith(answers.splitlines()[0])
    assert answers.rstrip() in note_of(root)
    (sweep,) = stored(Root(root).database, "sweep")
    logged = Root(root).artifacts / sweep.id / "artifacts" / "report.html"
    written = Root(root).reports / plan.sweep_key[:16] / "report.html"
    assert logged.read_bytes() == written.read_bytes()
    counts = "select count(*) from tags union all select count(*) from metrics"
    with contextlib.closing(sqlite3.connect(Root(root).database)) as file:
        told = file.execute(counts).fetchall()
        in_process(root)
        assert file.execute(counts).fetchall() == told, "a second time there is no news"


def test_a_description_that_a_person_wrote_stays(root):
    (sweep,) = stored(Root(root).database, "sweep")
    client_of(root).set_tag(sweep.id, "mlflow.note.content", "my own words")
    in_process(root)
    assert note_of(root) == "my own words"
    assert syncing.verify(Root(root), None, "ablations") == (8, [])


def test_a_description_of_many_cells_and_long_answers_fits(root):
    plan = only_plan(root)
    runs = [
        replace(run, run_key=f"{n}", cell_key=f"{n}", knobs=run.knobs | {"model.channels": n})
        for n in range(500)
        for run in plan.runs[:1]
    ]
    done = SimpleNamespace(status=DONE, last={"test/accuracy": 0.5})
    text = mlflow_note.note(
        replace(plan, runs=runs),
        "1",
        {run.run_key: done for run in runs},
        "- yes, so it is\n" * 900,
    )
    assert len(text) <= 8000
    assert "More in the artifact report.html." in text and "more cells." in text
    assert text.endswith("writes the report.")


def test_a_run_says_who_trained_it_with_what_and_on_which_data(root):
    planned = {run["run_key"]: run for run in plan_of(root)["runs"]}
    for run in client_of(root).search_runs(["1"], "tags.kind = 'run'"):
        key = run.data.tags["run_key"]
        assert run.data.tags["mlflow.user"] == run.info.user_id == getpass.getuser()
        assert run.data.tags["mlflow.source.name"] == "python -m runner"
        (given,) = run.inputs.dataset_inputs
        assert (given.dataset.name, given.dataset.digest) == (
            "digits",
            planned[key]["data_sha256"][:8],
        )
        assert [(tag.key, tag.value) for tag in given.tags] == [("mlflow.data.context", "training")]
        assert json.loads(given.dataset.profile) == {"image_shape": [1, 8, 8], "n_classes": 10}
        assert "" not in run.data.tags.values()


def test_what_was_changed_in_the_store_is_found(root):
    plan = only_plan(root)
    report(root)
    in_process(root)
    set_to_x = "update tags set value = 'x' where key like 'sweep.%' and value = "
    change(root, "update latest_metrics set value = 7 where key = 'sweep/runs_trained'")
    change(root, "update tags set value = 'report.html=0' where value like 'report.html=%'")
    change(root, f"{set_to_x}'channels=1 dropout=true'")
    change(root, "update datasets set digest = 'x'")
    _, problems = syncing.verify(Root(root), None, "ablations")
    *of_runs, of_sweep = problems
    assert len(of_runs) == 8 and all(": the data set: not what is in" in told for told in of_runs)
    named = f"tag sweep.{plan.sweep_key[:8]} of 2 runs, metric sweep/runs_trained, artifact report"
    assert of_sweep.startswith(f"{plan.name}: ") and named in of_sweep


def test_a_store_of_before_is_whole_and_the_next_replay_names_its_cells(root):
    key = only_plan(root).sweep_key[:8]
    change(root, f"update tags set value = '1' where key = 'sweep.{key}'")
    change(root, "delete from tags where key like 'mlflow.note%'")
    change(root, "delete from experiment_tags")
    assert "hold what they wrote" in sync(root, "--verify").stdout
    in_process(root)
    named = {run.tags[f"sweep.{key}"] for run in stored(Root(root).database)}
    assert named == {run.cell for run in only_plan(root).runs}
    assert note_of(root) and view_tag(key) in client_of(root).get_experiment("1").tags


def test_the_view_goes_with_its_sweep(root):
    key, client = only_plan(root).sweep_key, client_of(root)
    removal.remove_sweep(MlflowTracker(client, "1", Root(root)), key, [], None)
    assert view_tag(key[:8]) not in client.get_experiment("1").tags


def test_a_store_that_fails_while_it_is_verified_is_told_of_in_one_line(main_job, monkeypatch):
    def holds(tracker, run):
        raise MlflowException("no such scheme")

    monkeypatch.setattr(syncing.comparison, "holds", holds)
    with pytest.raises(StoreBehindError, match="no such scheme.*; nothing is lost, run it again"):
        syncing.verify(Root(main_job.root), None, "ablations")
