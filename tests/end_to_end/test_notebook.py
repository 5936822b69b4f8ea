"""The notebook: run on a small real sweep, and as it is committed."""

import html
import shutil
import sqlite3

import nbclient
import nbformat
import pytest
from places import REPO

from analysis.decide.study import study
from analysis.read import runs
from runner.state.root import Root

pytest_plugins = "roots"

NOTEBOOK = REPO / "analysis" / "report.ipynb"


def executed(root, monkeypatch):
    """The outputs, as one text, of the notebook run on the sweep of a root; an error is raised."""
    monkeypatch.setenv("ROOT", str(root))
    monkeypatch.delenv("SWEEP", raising=False)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return shown(notebook)


def shown(notebook):
    texts = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            kinds = ("text/markdown", "text/html", "text/plain")
            texts += [output.get("text", ""), *(data.get(kind, "") for kind in kinds)]
    return html.unescape("\n".join(texts))


def test_it_runs_on_a_small_real_sweep_and_says_what_the_analysis_says(main_job, monkeypatch):
    said = executed(main_job.root, monkeypatch)
    found = study(runs.read(runs.local_uri(main_job.root)), runs.correct)
    assert "8 of 8 runs done" in said
    for decision in found.decisions:
        assert f"**{decision.verdict}" in said and decision.claim.says in said
    assert "channels=3 minus channels=1" in said, "the question that it asks unless told otherwise"
    assert "Exploratory: asked after the runs, so it earns no verdict." in said


def test_a_sweep_with_a_run_missing_is_shown_as_one(main_job, tmp_path, monkeypatch):
    shutil.copy(Root(main_job.root).database, Root(tmp_path).database)
    with sqlite3.connect(Root(tmp_path).database) as file:
        file.execute(
            "update runs set lifecycle_stage = 'deleted' where name = 'channels=1 dropout=true"
            " seed=1'"
        )
    file.close()
    said = executed(tmp_path, monkeypatch)
    assert (
        "7 of 8 runs done (1 missing)" in said
        and "NOT TESTABLE" in said
        and "**SUPPORTED" not in said
    )


def test_it_is_committed_with_what_a_real_run_showed():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert (
        all(cell.execution_count for cell in code)
        and sum(bool(cell.outputs) for cell in code) >= len(code) - 1
    )
    assert "data.name=mnist," in shown(notebook) and "n = 8 seeds" in shown(notebook)
    assert [
        output for cell in code for output in cell.outputs if "image/png" in output.get("data", {})
    ]


@pytest.mark.parametrize("private", ["/tmp/", "/home/", "Traceback"])
def test_it_shows_no_path_of_a_machine(private):
    assert private not in NOTEBOOK.read_text(encoding="utf-8")
