"""A real sweep from the store to its verdicts, as printed; and stores that are not whole."""

import contextlib
import io
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from unittest import mock
from urllib.parse import urlsplit

import pytest
from commands import MAIN, environment, lines, listing, plan_of, run

from analysis.__main__ import main
from analysis.read import database, runs
from runner.archive.contents import Contents
from runner.display.table import print_table
from runner.errors import StoreError
from runner.record import METRICS
from runner.state.root import Root

pytest_plugins = "roots"

#: A run of the main job.
ONE_RUN = "select run_uuid from runs where name = 'channels=3 dropout=true seed=0'"


def analyse(root, *words, code=0):
    """`python -m analysis --details`, in this process; what it printed, on stderr where it is
    refused."""
    out, err = io.StringIO(), io.StringIO()
    line = ["analysis", "--details", "--root", str(root), *words]
    with (
        mock.patch.object(sys, "argv", line),
        mock.patch.dict(os.environ, {"COLUMNS": environment()["COLUMNS"]}),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == code, out.getvalue() + err.getvalue()
    return out.getvalue() if code in (0, 1) else err.getvalue()


@pytest.fixture
def copy(main_job, tmp_path):
    """The main job's store, to be changed."""
    root = tmp_path / "root of 100 % #1?"
    root.mkdir()
    shutil.copy(Root(main_job.root).database, Root(root).database)
    return root


def change(root, statement, *values):
    with sqlite3.connect(Root(root).database) as file:
        assert file.execute(statement, values).rowcount > 0
    file.close()


def test_a_sweep_is_read_as_it_was_planned_and_journaled(main_job):
    sweep = runs.read(runs.local_uri(main_job.root))
    plan = plan_of(main_job.root)
    assert list(sweep.runs.index) == [run["run_key"] for run in plan["runs"]]
    assert (sweep.key, sweep.name, sweep.swept) == (plan["sweep_key"], plan["name"], plan["swept"])
    assert set(sweep.runs["state"]) == {"done"} and set(sweep.runs["n_epochs"]) == {3}
    recorded = [knob for knob in plan["knobs"] if knob["name"] != "seed"]
    assert [vars(knob) for knob in sweep.knobs] == [k | {"is_group": False} for k in recorded]
    for column in ("without_effect", "code"):
        assert list(map(list, sweep.runs[column])) == [list(run[column]) for run in plan["runs"]]
    for key, journaled in lines(main_job.root, "epoch").items():
        stored = sweep.epochs[sweep.epochs["run_key"] == key]
        assert stored["epoch"].tolist() == [line["epoch"] for line in journaled]
        assert stored[list(METRICS)].to_dict("records") == [line["metrics"] for line in journaled]


def test_the_bits_of_the_test_images_average_to_the_test_accuracy(main_job):
    sweep = runs.read(runs.local_uri(main_job.root))
    last = sweep.epochs.groupby("run_key")["test/accuracy"].last()
    answers = runs.correct(sweep)
    assert list(answers) == list(sweep.runs.index)
    for key, right in answers.items():
        # 355 images: the last of 360 bits are padding.
        assert right.sum() / 355 == pytest.approx(last[key], abs=1e-12)


def test_the_main_job_ends_in_sentences_with_interval_and_n(main_job):
    said = analyse(main_job.root)
    assert "channels x dropout" in said and "8 of 8 runs done" in said
    for claim in plan_of(main_job.root)["claims"].values():
        assert claim["says"] in said
    assert "Its claims were recorded before 8 of 8 runs began." in said
    assert "interval" in said and "n = 2 seeds" in said and "[default claim]" in said
    assert "Under: data.name=digits" in said and "train.epochs=3" in said
    line = [sys.executable, "-m", "analysis", "--details", "--root", str(main_job.root)]
    again = subprocess.run(
        line, capture_output=True, text=True, encoding="utf-8", env=environment(), timeout=60
    )
    assert (again.returncode, again.stdout, again.stderr) == (0, said, ""), (
        "the same store says the same"
    )


def test_the_answers_fit_a_terminal_of_80_columns(main_job):
    line = [sys.executable, "-m", "analysis", "--root", str(main_job.root)]
    env = environment() | {"COLUMNS": "80"}
    ended = subprocess.run(line, capture_output=True, text=True, env=env, timeout=60)
    assert ended.returncode == 0, ended.stderr
    *answers, report, more = ended.stdout.splitlines()
    assert max(map(len, answers)) <= 80
    assert report.startswith("Report: /") and report.endswith("/report.html")
    # Typed as it stands, it is of the same sweep.
    assert more == f"All numbers: python -m analysis --root {main_job.root} --details"
    said = " ".join(ended.stdout.split())
    for claim in plan_of(main_job.root)["claims"].values():
        assert claim["says"] in said
    # Two seeds decide nothing.
    assert "\nNOT YET     " in ended.stdout and "\nYES" not in ended.stdout
    assert "Its claims were recorded before 8 of 8 runs began." in said and "Under: " in said


def test_the_analysis_prints_the_table_that_the_sweep_printed(main_job, tmp_path, capsys):
    (plan,) = (contents := Contents(Root(main_job.root))).sweeps
    with mock.patch.dict(os.environ, {"COLUMNS": environment()["COLUMNS"]}):
        print_table(plan, contents.journals)
    printed = capsys.readouterr().out
    assert "masked test acc %" in printed and printed in main_job.out
    path = tmp_path / "results.md"
    assert printed in analyse(main_job.root, "--table", str(path))
    assert "| 3 | true | 2 | " in path.read_text(encoding="utf-8")
    refused = analyse(main_job.root, "--table", "results.doc", code=2)
    assert refused == "analysis: --table results.doc: its name must end in .tex, .csv, .md, .html\n"


def test_a_reader_that_has_seen_enough_is_no_error(main_job):
    line = [sys.executable, "-m", "analysis", "--root", str(main_job.root)]
    process = subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    process.stdout.close()
    assert (process.stderr.read(), process.wait(timeout=60)) == (b"", 0)
    process.stderr.close()


def test_a_sweep_is_found_by_name_key_and_run_id(main_job):
    uri, plan = runs.local_uri(main_job.root), plan_of(main_job.root)
    latest = runs.read(uri)
    for word in (plan["name"], plan["sweep_key"][:8], latest.run_id):
        assert runs.read(uri, sweep=word).run_id == latest.run_id
    with pytest.raises(
        StoreError, match=r"nosuch: names no sweep of the store; there are: channels x dropout \("
    ):
        runs.read(uri, sweep="nosuch")


def test_a_deleted_run_is_missing_and_its_claims_are_not_testable(copy):
    change(
        copy,
        "update runs set lifecycle_stage = 'deleted' where name = 'channels=1 dropout=true seed=1'",
    )
    said = analyse(copy)
    assert "7 of 8 runs done (1 missing)" in said
    assert (
        "1 of 8 runs are missing (channels=1 dropout=true seed=1): a mean over the others would"
        " hide this" in said
    )
    assert "SUPPORTED" not in said and "INCONCLUSIVE" not in said


def test_a_run_that_failed_is_counted_and_the_exit_code_says_so(copy):
    change(
        copy,
        "update tags set value = 'failed' where key = 'status' and value = 'done'"
        f" and run_uuid in ({ONE_RUN})",
    )
    assert "1 of 8 runs failed (channels=3 dropout=true seed=0)" in analyse(copy, code=1)


def test_a_run_whose_last_write_has_not_arrived_is_not_done(copy):
    change(copy, f"delete from tags where key = 'complete' and run_uuid in ({ONE_RUN})")
    assert "7 of 8 runs done (1 running)" in analyse(copy)


def test_a_value_that_is_not_a_number_is_named(copy):
    change(
        copy,
        "update metrics set is_nan = 1 where key = 'test/accuracy' and step = 3"
        f" and run_uuid in ({ONE_RUN})",
    )
    assert (
        "final(test/accuracy) is not a finite number in channels=3 dropout=true seed=0"
        in analyse(copy)
    )


def test_claims_that_came_after_the_runs_are_told_from_those_before(copy):
    change(copy, "update runs set start_time = 9000000000000 where name = 'channels x dropout'")
    assert "Its claims were recorded before 0 of 8 runs began." in analyse(copy)


def test_the_bits_of_the_images_are_those_that_the_run_wrote_or_the_file_is_named(copy, tmp_path):
    folder = tmp_path / "artifacts"
    folder.mkdir()
    with contextlib.closing(sqlite3.connect(Root(copy).database)) as file:
        ((uri,),) = file.execute(
            "select artifact_uri from runs where name = 'channels=3 dropout=true seed=0'"
        )
    content = bytearray((Path(urlsplit(uri).path) / "test_correct.npy").read_bytes())
    content[-1] ^= 1
    (folder / "test_correct.npy").write_bytes(content)
    change(
        copy,
        "update runs set artifact_uri = ? where name = 'channels=3 dropout=true seed=0'",
        str(folder),
    )
    line = [sys.executable, "-m", "analysis", "--root", str(copy)]
    found = subprocess.run(
        line, capture_output=True, text=True, encoding="utf-8", env=environment(), timeout=60
    )
    assert found.returncode == 1 and "Traceback" not in found.stderr
    assert (
        f"{folder}/test_correct.npy: it is not what channels=3 dropout=true seed=0 wrote"
        in found.stderr
    )


@pytest.mark.long
def test_a_sweep_that_was_decided_before_with_fewer_seeds_says_so(new_root, main_job):
    root = new_root(state=main_job.root)
    run(root, "-m", *MAIN, "seed=0,1")
    run(root, "-m", *MAIN, "seed=0,1,2")
    latest = analyse(root)
    assert "12 of 12 runs done" in latest and "An earlier sweep decided them with 2 seeds" in latest
    # The first sweep is read with the seed that came later, unless it is to be left out.
    first = plan_of(main_job.root)["sweep_key"][:8]
    assert "12 of 12 runs done" in analyse(root, first) and "they are used" in analyse(root, first)
    as_planned = analyse(root, first, "--as-planned")
    assert "8 of 8 runs done" in as_planned and "An earlier sweep" not in as_planned
    assert "[seeds left out]" in as_planned
    # A plan of more seeds knows their luck, and a plan of another question what it lacks.
    ahead = run(root, "-m", *MAIN, "seed=0,1,2,3", "plan=true").out
    assert "12 of 16 already trained" in ahead and "of channels x dropout (3 seeds" in said(ahead)
    ahead = run(root, "-m", *MAIN, "sweeps=hidden_size", "seed=0,1", "plan=true").out
    assert "they find is known once they are trained" in said(ahead)


def said(printed):
    """What was printed, on one line."""
    return " ".join(printed.split())


def test_a_foreign_run_changes_nothing(copy, main_job, tmp_path):
    change(
        copy,
        "insert into runs"
        " (run_uuid, name, status, lifecycle_stage, experiment_id, artifact_uri, start_time)"
        " select 'f00', 'foreign', 'RUNNING', 'active', experiment_id, '/nowhere', 1"
        " from runs limit 1",
    )
    change(
        copy,
        "insert into metrics (key, value, timestamp, run_uuid, step, is_nan) values (?, 1, 1,"
        " 'f00', 1, 0)",
        "test/accuracy",
    )
    out = ("--out", str(tmp_path / "report"))
    assert analyse(copy, *out) == analyse(main_job.root, *out)


def test_a_report_changes_nothing_but_its_own_folder(copy, tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    before = listing(tmp_path)
    analyse(copy, "--out", str(tmp_path / "out"))
    after = listing(tmp_path)
    changed = {path for path in before | after if before.get(path) != after.get(path)}
    assert changed and all(path.is_relative_to(tmp_path / "out") for path in changed)


def test_a_terminal_that_cannot_spell_a_minus_is_told_its_name(monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("analysis.__main__.runs.read", lambda *_: None)
    monkeypatch.setattr("analysis.__main__.study", lambda *_: None)
    monkeypatch.setattr(
        "analysis.__main__.report", lambda *_: print("\N{MINUS SIGN}2.15 points") or 0
    )
    with mock.patch.object(sys, "argv", ["analysis"]), contextlib.redirect_stdout(terminal):
        with pytest.raises(SystemExit):
            main()
    terminal.flush()
    assert terminal.buffer.getvalue() == b"\\N{MINUS SIGN}2.15 points\n"


def test_the_number_of_queries_does_not_depend_on_the_number_of_runs(main_job, monkeypatch):
    asked, connected = [], database._connected

    def counted(uri):
        class Counting:
            def __enter__(self):
                self.context = connected(uri)
                connection = self.context.__enter__()
                self.execute = lambda query, values: (
                    asked.append(str(query)) or connection.execute(query, values)
                )
                return self

            def __exit__(self, *error):
                return self.context.__exit__(*error)

        return Counting()

    monkeypatch.setattr(database, "_connected", counted)
    runs.read(runs.local_uri(main_job.root))
    assert len(asked) == 4 and len([query for query in asked if "from metrics" in query]) == 1


# Stores that have nothing to say.


def test_no_store_an_empty_one_and_a_foreign_one_are_said_in_a_line(tmp_path, root, main_job):
    assert analyse(tmp_path / "nowhere", code=2).endswith("train a sweep first, or give --root\n")
    assert "there is no experiment ablations" in analyse(root, code=2)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "mlflow.db").write_bytes(
        b"not a database at all, but long enough to be looked at" * 20
    )
    assert "not a usable MLflow store" in analyse(foreign, code=2)
    assert "cannot be reached" in analyse(root, "--uri", "http://me:secret@127.0.0.1:1", code=2)
    assert "secret" not in analyse(root, "--uri", "http://me:secret@127.0.0.1:1", code=2)


@pytest.mark.parametrize("damage", [None, b"", b"{}", b"[1]", b'{"sweep_key": "other"}'])
def test_a_plan_that_cannot_be_read_is_said_in_a_line(damage, copy, tmp_path):
    folder = tmp_path / "artifacts"
    folder.mkdir()
    if damage is not None:
        (folder / "sweep.json").write_bytes(damage)
    parent = "select run_uuid from tags where key = 'sweep_key'"
    change(copy, f"update runs set artifact_uri = ? where run_uuid in ({parent})", str(folder))
    assert "python -m runner.sync puts it back" in analyse(copy, code=2)


@pytest.mark.long
def test_the_published_experiments_cannot_say_that_thirty_channels_win(new_root):
    root = new_root()
    run(root, "-m", "sweeps=published", "data=digits", "train.epochs=1", "seed=0,1")
    said = analyse(root)
    assert (
        "NOT TESTABLE: 30 channels reach a higher final test accuracy than 1 channel, as published"
        in said
    )
    for moved in ("model.hidden_size 1000 -> 100", "model.fc_depth 2 -> 1"):
        assert moved in said
