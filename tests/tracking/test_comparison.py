"""A store that has all of a sweep is seen to have it without MLflow, and any other one is not."""

import contextlib
import re
import shutil
import sqlite3

import pytest
from commands import environment, plan_of, run, stored
from replays import only_plan

from runner.state.journals import Journals
from runner.state.root import Root
from runner.tracking.comparison import has_all
from runner.tracking.store import mlflow_store as store

pytest_plugins = "roots"

PARENT = "run_uuid = (select run_uuid from tags where key = 'sweep_key')"
A_RUN = "run_uuid = (select min(run_uuid) from tags where key = 'run_key')"
OTHER_SWEEP = """
insert into runs (run_uuid, experiment_id, lifecycle_stage) select 'x', experiment_id, 'active'
    from experiments where name = 'ablations';
insert into tags (run_uuid, key, value) values ('x', 'sweep_key', 'another');
"""
LACKS = {
    "a run": f"update runs set lifecycle_stage = 'deleted' where {A_RUN}",
    "a run, which is not whole": f"delete from tags where key = 'complete' and {A_RUN}",
    "a run, and has a spare one": OTHER_SWEEP
    + f"insert into tags (run_uuid, key, value) select 'x', key, value from tags where {A_RUN}",
    "a run as its last attempt ended": f"update runs set end_time = end_time + 1 where {A_RUN}",
    "a run of the sweep": f"delete from tags where key like 'sweep.%' and {A_RUN}",
    "the parent of a run": f"delete from tags where key = 'mlflow.parentRunId' and {A_RUN}",
    "the sweep": f"update runs set lifecycle_stage = 'deleted' where {PARENT}",
    "its end": f"update runs set status = 'KILLED' where {PARENT}",
    "a run that came later": "update latest_metrics set value = 7 where key = 'sweep/runs_trained'",
    "it as the latest": OTHER_SWEEP
    + "insert into tags (run_uuid, key, value) values ('x', 'last_used', '9999999999999');",
    "the age of another": OTHER_SWEEP,
    "its view": "delete from experiment_tags",
    "the experiment": "update experiments set lifecycle_stage = 'deleted'",
    "the place of its artifacts": "update experiments set artifact_location = 'file:///elsewhere'",
}


@pytest.fixture
def has(main_job, tmp_path):
    """Whether the store of a copy of the main job's root has all, after changes to its files."""
    root = Root(tmp_path / "root")
    shutil.copytree(main_job.root, root.path)
    shutil.rmtree(root.reports, ignore_errors=True)  # of another test: the store was not told of it
    store.tell_put_right(root)

    def answer(sql=""):
        with contextlib.closing(sqlite3.connect(root.database)) as file:
            file.executescript(sql)
        plan = only_plan(root.path)
        journals = Journals(root, [of.run_key for of in plan.runs]).look()
        records = {key: journals[key] for key in journals}
        return has_all(root.database, "ablations", root, plan, records)

    answer.root = root
    return answer


def test_a_store_with_all_of_a_sweep_is_seen_to_have_it(has):
    assert has()


@pytest.mark.parametrize("lacks", LACKS)
def test_a_store_that_lacks_anything_of_it_is_not(lacks, has):
    assert not has(LACKS[lacks])


def test_a_report_or_a_plan_that_the_store_has_not_is_seen(has):
    root, plan = has.root, plan_of(has.root.path)
    (parent,) = stored(root.database, "sweep")
    told = root.artifacts / parent.id / "artifacts" / "sweep.json"
    told.write_bytes(told.read_bytes() + b" ")
    assert not has()
    shutil.copy(root.sweep(plan["sweep_key"]).plan, told)
    assert has()
    report = root.reports / plan["sweep_key"][:16] / "report.html"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text("new")
    assert not has()


def test_the_same_command_again_changes_no_byte_of_the_store_and_does_not_import_mlflow(root):
    words = ("-m", "data=digits", "model.channels=2", "model.hidden_size=16", "train.epochs=1")
    imports = environment(PYTHONPROFILEIMPORTTIME="1")
    first = run(root, *words, "seed=0,1", env=imports)
    before = Root(root).database.read_bytes()
    again = run(root, *words, "seed=0,1", env=imports)
    assert "2 of 2 runs trained and stored" in again.out
    assert [bool(re.search(r"\| +mlflow$", of.err, re.M)) for of in (first, again)] == [True, False]
    assert Root(root).database.read_bytes() == before
