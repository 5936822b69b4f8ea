"""`runner.sweep` and `runner.open`: a small main job, trained before and opened in Python."""

import os

import pytest
from commands import MAIN, descendants, environment
from places import FAULTY

import runner
from runner.errors import ConfigError, RunnerError, StoreError

pytest_plugins = "roots"

COLUMNS = ["sentence", "answer", "verdict", "estimate", "low", "high", "n", "p", "p_holm"]


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    """The variables of a command under test: none of MLflow's."""
    for name in os.environ.keys() - environment().keys():
        monkeypatch.delenv(name)
    for name, value in environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def opened(main_job):
    return runner.open("channels x dropout", root=main_job.root)


def test_a_sweep_that_is_trained_is_opened_as_it_is(main_job, capsys):
    found = runner.sweep(*MAIN, seeds=2, root=main_job.root)
    out = capsys.readouterr().out
    assert "8 of 8 already trained" in out and "8 of 8 runs trained and stored" in out
    assert out.startswith(f"channels x dropout ({found.key[:8]}): 4 cells x 2 seeds = 8 runs\n")
    assert repr(found) == f"channels x dropout ({found.key[:8]}): 8 of 8 runs done"
    assert descendants(os.getpid()) == set()


def test_the_frames_are_those_of_the_store(opened):
    assert len(opened.runs) == 8 and len(opened.epochs) == 8 * 3
    assert opened.knobs == {"model.channels": [1, 3], "model.dropout": [True, False]}
    cells = opened.table()
    assert list(cells.index[:2]) == ["channels=1 dropout=true", "channels=1 dropout=false"]
    assert (cells["n"] == 2).all() and list(cells["model.channels"]) == [1, 1, 3, 3]
    last = opened.epochs[opened.epochs["epoch"] == 3].set_index("run_key")["test/accuracy"]
    of_cell = opened.runs.index[opened.runs["cell"] == "channels=3 dropout=true"]
    assert cells["test/accuracy"].iloc[2] == pytest.approx(last[of_cell].mean())
    assert cells["test/accuracy sd"].iloc[2] == pytest.approx(last[of_cell].std())


def test_the_claims_are_a_frame_of_answers(opened):
    claims = opened.claims
    assert list(claims) == COLUMNS and len(claims) == len(opened.study.decisions)
    assert set(claims["answer"]) <= {"YES", "NOT YET", "CANNOT SAY", "IT DEPENDS"}
    tested = claims[claims["estimate"].notna()]
    assert (tested["n"] == 2).all() and (tested["low"] <= tested["estimate"]).all()


def test_a_question_of_ones_own_has_both_sides_of_each_seed_and_is_marked(opened):
    question = opened.contrast("model.dropout", "final(test/accuracy)")
    assert list(question.seeds) == ["dropout=false", "dropout=true", "difference"]
    sides = question.seeds["dropout=true"] - question.seeds["dropout=false"]
    assert question.seeds["difference"].tolist() == pytest.approx(sides.tolist())
    assert question.estimate == pytest.approx(question.seeds["difference"].mean())
    assert list(question.settings.index) == ["channels=1", "channels=3"]
    for shown in (repr(question), question._repr_html_()):
        assert "dropout=true minus dropout=false" in shown and "n = 2 seeds" in shown
        assert "Exploratory: asked after the runs, so it earns no verdict." in shown


def test_a_notebook_is_shown_the_answers_and_the_cells(opened):
    shown = opened._repr_html_()
    assert "8 of 8 runs done" in shown and "channels=3 dropout=false" in shown
    for claim in opened.study.sweep.claims.values():
        assert claim.says in shown
    assert opened.plot("test/accuracy")._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="^loss: no run recorded it; there are train/loss, "):
        opened.plot("loss")


def test_a_report_is_written_where_it_is_asked_for(opened, tmp_path):
    page = opened.report(tmp_path / "report", language="en")
    assert page == tmp_path / "report" / "report.html"
    assert "8 of 8 runs done" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "given", "why"),
    [
        (["model.chanels=1,30"], {}, r"^model.chanels: .*did you mean model.channels\?$"),
        (["model.channels=0,30"], {}, "^model.channels=0: allowed is an integer from 1 to 4096$"),
        (["data=digits"], {"seeds": [-1]}, "^seed=-1: "),
        (["runner.root=/tmp"], {}, "^runner.root=/tmp: not here; give root=...$"),
        (["tracking.uri=http://a"], {}, "give uri=..."),
        (["plan=true"], {}, "type it in a terminal"),
    ],
)
def test_what_is_refused_is_an_error_with_the_commands_line(words, given, why, tmp_path, capsys):
    with pytest.raises(ConfigError, match=why):
        runner.sweep(*words, root=tmp_path / "out", **given)
    assert capsys.readouterr().out == "" and list(tmp_path.iterdir()) == []


def test_a_store_that_cannot_be_reached_is_an_error_that_shows_no_password(tmp_path):
    uri = "http://user:secret@127.0.0.1:9"
    with pytest.raises(ConfigError, match="127.0.0.1:9") as refused:
        runner.sweep("data=digits", seeds=1, root=tmp_path, uri=uri)
    assert "secret" not in str(refused.value)


def test_a_sweep_that_is_not_there_is_an_error_with_those_that_are(main_job, tmp_path):
    with pytest.raises(StoreError, match="nosuch: .*there are: channels x dropout"):
        runner.open("nosuch", root=main_job.root)
    with pytest.raises(StoreError):
        runner.open(root=tmp_path)


def test_a_run_that_failed_is_an_error_and_the_others_are_opened(new_root, monkeypatch):
    root = new_root("a root's name")
    for name, value in {"PYTHONPATH": FAULTY, "FAULTS": "1:MemoryError"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RunnerError, match="^1 of 2 runs failed, .*try again with"):
        runner.sweep("data=digits", "train.epochs=1", seeds=[0, 1], root=root)
    assert repr(runner.open(root=root)).endswith("1 of 2 runs done (1 failed)")
