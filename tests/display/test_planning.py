"""A sweep of many cells tells how far its planning is, and one of few says nothing."""

import itertools
import time

import pytest

from runner.display import planning


@pytest.fixture
def a_second_a_look(monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(ticks)))


def test_few_cells_are_planned_without_a_word(capsys):
    cells = list(range(10))
    assert list(planning.composing(cells)) == list(planning.planning(cells)) == cells
    assert capsys.readouterr().out == ""


def test_many_cells_are_told_at_once_and_every_few_seconds(a_second_a_look, capsys):
    cells = list(range(5000))
    following = planning.composing(cells)
    assert next(following) == 0 and capsys.readouterr().out == "composing 5,000 cells\n"
    assert [*following] == cells[1:]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "  4 of 5,000 cells composed" and len(lines) < len(cells) / 3


def test_on_a_terminal_a_figure_replaces_the_last_and_is_wiped_at_the_end(
    a_second_a_look, capsys, monkeypatch
):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert list(planning.planning(["a", "b"])) == ["a", "b"]
    told = "\r  0 of 2 cells planned\x1b[K\r  1 of 2 cells planned\x1b[K\r\x1b[K"
    assert capsys.readouterr().out == told
