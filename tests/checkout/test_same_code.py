"""The same code is the same run: in a copy of the checkout, between commits and edits."""

import json
import shutil
import subprocess

import pytest
from commands import in_copy, lines
from places import REPO

from runner.state.root import Root

pytestmark = pytest.mark.long

SWEEP = ("-m", "model.dropout=true,false", "data=digits", "model.channels=2", "train.epochs=2")
SWEEP += ("model.hidden_size=8", "seed=0,1", "runner.workers=1", "progress=false")
ADAM = "runner/engine/cpu/update.py"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A repository with what training needs, committed."""
    folder = tmp_path_factory.mktemp("checkout")
    for part in ("runner", "analysis", "hydra_plugins", "conf", "sweeps"):
        shutil.copytree(
            REPO / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.ipynb")
        )
    shutil.copy(REPO / "pyproject.toml", folder)
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "first")):
        git(folder, *words)
    typed(folder, *SWEEP)
    return folder


def git(folder, *words):
    who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
    subprocess.run(["git", "-C", folder, *who, *words], check=True, capture_output=True)


def typed(folder, *words, module="runner"):
    line = ["-m", module, *words]
    if module != "runner.work.worker":
        line += [f"runner.root={folder}/out"] if module == "runner" else ["--root", f"{folder}/out"]
    return in_copy(folder, *line).out


def edit(folder, file, old, new):
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_an_empty_commit_changes_nothing_and_every_claim_is_still_decided(checkout):
    git(checkout, "commit", "-q", "--allow-empty", "-m", "second")
    assert "4 of 4 already trained" in typed(checkout, *SWEEP)
    typed(checkout, *SWEEP[:-3], "seed=2", *SWEEP[-2:])
    printed = typed(checkout, *SWEEP[:-3], "seed=0,1,2", *SWEEP[-2:])
    assert "6 of 6 already trained" in printed
    commits = {start[-1]["git"]["commit"] for start in lines(checkout / "out", "start").values()}
    assert len(commits) == 2
    report = typed(checkout, module="analysis")
    assert "6 of 6 runs done" in report
    # Two epochs reach no 97 %, whatever the code; every other claim is tested.
    assert report.count("CANNOT SAY") == 1 and "No run reached test/accuracy 0.97" in report


def test_a_comment_a_docstring_and_a_change_of_the_analysis_retrain_nothing(checkout):
    edit(checkout, ADAM, "TINY = 1e-17", "# A number below all others.\nTINY  =  1e-17")
    edit(checkout, "runner/train/run.py", "Train one run to its end", "Train a run to its end")
    edit(checkout, "analysis/decide/verdicts.py", 'SUPPORTED = "SUPPORTED"', 'SUPPORTED = "YES"')
    assert "4 of 4 already trained" in typed(checkout, *SWEEP)
    git(checkout, "checkout", "-q", ".")


def test_an_uncommitted_edit_of_a_kernel_makes_new_runs_and_never_finishes_an_old_plan(checkout):
    root = Root(checkout / "out")
    before = {folder.path.name for folder in root.runs()}
    old = next(
        folder for folder in root.sweeps() if len(json.loads(folder.plan.read_bytes())["runs"]) == 4
    )
    edit(checkout, ADAM, "real(lr)", "real(10 * lr)")
    assert "0 of 4 already trained" in typed(checkout, *SWEEP)
    new = {folder.path.name for folder in root.runs()} - before
    assert len(new) == 4
    ends = lines(checkout / "out", "end")
    assert {ends[key][-1]["status"] for key in new} <= {"done", "diverged"}

    # A worker that is started on the plan of the old code trains nothing under its keys.
    lost = json.loads(old.plan.read_bytes())["runs"][0]["run_key"]
    shutil.rmtree(root.run(lost).attempts)
    typed(checkout, str(old.plan), "1-late", module="runner.work.worker")
    end = lines(checkout / "out", "end")[lost][-1]
    assert end["status"] == "failed" and "the code changed since this sweep" in end["cause"]
    git(checkout, "checkout", "-q", ".")
