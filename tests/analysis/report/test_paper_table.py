"""The cells' table as a file: LaTeX, Markdown, HTML and CSV say the same numbers."""

import io
import math
import os
import re

import pandas as pd
import pytest
import studies
from studies import claim, curves, frame, grid

from analysis.read.sweeps import Design
from analysis.report.cells_table import base_of, cells_frame
from analysis.report.paper_table import FORMS, check, paper_table, write
from runner.errors import StoreError

BASE = {"model.dropout": True, "model.channels": 30}


def made(rows=None, name="made_up & co", **fields):
    """Dropout costs 10 points in every seed but for a little luck, 1 channel 20."""
    runs = frame(rows or grid(range(8), model__channels=[1, 30], model__dropout=[True, False]))

    def value(run, epoch):
        cost = 0.1 * run["model.dropout"] + 0.2 * (run["model.channels"] == 1)
        return 0.9 - cost + 0.001 * math.sin(7 * run["seed"] + 5 * cost)

    return studies.study(runs, curves(runs, value), claims={"one": claim()}, name=name, **fields)


@pytest.fixture(scope="module")
def whole():
    return made()


@pytest.fixture(scope="module")
def around():
    rows = [
        dict(knobs) | {"seed": seed}
        for seed in range(8)
        for knobs in (BASE, BASE | {"model.dropout": False}, BASE | {"model.channels": 1})
    ]
    return made(rows, design=Design("one_at_a_time", BASE, 0, []))


def test_the_frame_has_the_mean_and_spread_of_each_cell(whole):
    runs, table = whole.sweep.runs, cells_frame(whole)
    last = whole.sweep.epochs.groupby("run_key")["test/accuracy"].last()
    by_cell = last.reindex(runs.index).groupby(runs["cell_key"], sort=False)
    assert table["n"].tolist() == [8] * 4 and table["failed"].sum() == 0
    assert table["test/accuracy"].to_numpy() == pytest.approx(by_cell.mean().to_numpy())
    assert table["test/accuracy sd"].to_numpy() == pytest.approx(by_cell.std().to_numpy())
    assert set(table.columns[:2]) == {"model.channels", "model.dropout"}


def test_the_best_cell_is_bold_where_that_is_established(whole):
    table = paper_table(whole)
    row = table.texts["channels"].eq("30") & table.texts["dropout"].eq("false")
    column = list(table.texts).index("Test acc. (%)")
    assert (row.to_numpy().nonzero()[0][0], column) in table.bold
    assert any(note.startswith("Bold: better than every other cell") for note in table.notes)
    assert table.held_fixed.startswith("Held fixed: ") and "train.epochs=3" in table.held_fixed
    assert table.footnotes == [*table.notes, table.held_fixed]
    two = made(grid(range(2), model__channels=[1, 30]))
    assert not paper_table(two).bold
    assert any(note.startswith("No cell is established") for note in paper_table(two).notes)


def test_around_a_base_the_table_gives_the_differences_to_it(around):
    assert base_of(around) == {"dropout": "true", "channels": "30"}
    table = paper_table(around).texts
    assert table["cell"].tolist() == ["base", "dropout=false", "channels=1"]
    base, dropout, channels = table["Difference to base (points)"]
    numbers = cells_frame(around).iloc[1]
    assert base == "-" and re.match(r"\+\d+\.\d\d \[\+\d+\.\d\d, \+\d+\.\d\d\]$", dropout)
    assert dropout.startswith(f"{100 * numbers['test/accuracy less base']:+.2f} ")
    assert channels.startswith("\N{MINUS SIGN}")


def test_each_form_says_the_same_numbers(around, tmp_path):
    texts = {}
    for suffix in FORMS:
        path = tmp_path / f"results{suffix}"
        write(around, path)
        texts[suffix] = path.read_text(encoding="utf-8")
    mean = cells_frame(around)["test/accuracy"].iloc[1]
    for suffix in (".tex", ".md", ".html"):
        assert f"{100 * mean:.2f}" in texts[suffix], suffix
    assert pd.read_csv(io.StringIO(texts[".csv"]))["test/accuracy"][1] == pytest.approx(mean)


def test_latex_is_a_booktabs_table_in_which_every_text_is_text(whole):
    tex = FORMS[".tex"](whole)
    for part in (r"\toprule", r"\midrule", r"\bottomrule", r"\textbf{", r"made\_up \& co", r"(\%)"):
        assert part in tex
    assert r"$\pm$" in tex and "±" not in tex
    rows = [line for line in tex.splitlines() if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {
        len(list(rows[0].split(" & "))) - 1
    }


def test_markdown_and_html_escape_what_they_would_obey():
    study = made(name="<b>|*")
    html, markdown = FORMS[".html"](study), FORMS[".md"](study)
    assert "&lt;b&gt;|*" in html and "<b>" not in html and "<strong>" in html
    assert r"\<b\>\|\*" in markdown and "**" in markdown


def test_a_name_without_a_known_suffix_and_a_place_without_a_folder_are_refused(whole, tmp_path):
    with pytest.raises(StoreError, match=r"results\.xlsx: its name must end in \.tex, \.csv"):
        check(tmp_path / "results.xlsx")
    with pytest.raises(StoreError, match="cannot be written .*give another file by --table"):
        write(whole, tmp_path / "nowhere" / "results.tex")
    assert StoreError.exit_code == 2 and os.listdir(tmp_path) == []
