"""The answers in Japanese: what is said, in what columns, in which colours."""

import os
import pty
import re
import subprocess
import sys
from dataclasses import replace

import pytest
import studies
from commands import environment
from places import REPO
from studies import claim

from analysis.decide import verdicts
from analysis.report import page
from analysis.report.answers import WORDS, answer, lines
from analysis.report.words import speaking
from analysis.report.words.colours import _STYLES
from runner.system.language import JAPANESE
from runner.words.columns import width_of

ja = speaking(JAPANESE)


@pytest.fixture(scope="module")
def made():
    def effect(run):
        return 0.004 * run["model.dropout"]

    runs, epochs = studies.with_effect(effect, 0.001)
    claims = {
        "yes": claim(says="Dropout raises the final test accuracy"),
        "no": claim(says="Dropout slows learning", direction="less"),
        "never": claim(metric="epochs_to(test/accuracy, 0.999)", margin=0.5),
        "still": claim(knob="model.channels", levels=[1, 30]),
    }
    return studies.study(runs, epochs, claims=claims)


def test_the_answers_are_said_in_japanese(made):
    yes, no, never, still = (answer(made, decision) for decision in made.decisions)
    assert (ja(yes.word), ja(yes.says)) == ("はい", "ドロップアウトは最後のテスト精度を上げる")
    assert re.fullmatch(
        r"dropout=true では dropout=false より 0\.40 ポイント高い"
        r"（確かなのは 0\.\d\d 〜 0\.\d\d）。6 シードのうち 6 シードでこの向き。",
        ja(yes.found[0]),
    )
    assert ja(no.word) == "いいえ、逆"
    assert ja(never.word) == "判定できない"
    assert ja(never.found[0]) == (
        "3 エポックでは、どの学習も test/accuracy 0.999 に届きませんでした。"
        "もっと長く学習するか、届く目標にしてください。"
    )
    assert ja(still.found[0]).startswith("model.channels は変えられていません。")
    assert ja("Dropout is the user's own sentence") == "Dropout is the user's own sentence"


def test_the_page_is_said_in_japanese_and_its_formal_part_in_english(made):
    read = replace(made, sweep=replace(made.sweep, test_reads={"mnist": 3}))
    html = page.pages(read, [], JAPANESE)[page.HTML]
    assert '<html lang="ja">' in html and '<div lang="en">' in html
    first, rest = html.split('<div lang="en">')
    assert "ドロップアウトは最後のテスト精度を上げる" in first and "条件：data.name=mnist" in first
    assert "主張は 12 回の学習のうち 12 回の開始より前に記録されました。" in first
    assert "mnist のテスト画像は、この記録の学習 3 回で使われました。" in first
    assert rest.count("ドロップアウトは最後のテスト精度を上げる") == 1
    assert "Verdict: SUPPORTED." in rest
    assert "はい (SUPPORTED)" in rest


@pytest.mark.parametrize("width", [60, 80, 100])
def test_lines_are_no_wider_than_the_terminal_in_columns(made, width):
    answered = [(answer(made, decision), ["default claim"]) for decision in made.decisions]
    printed = lines(answered, width, ja)
    assert max(map(width_of, printed)) <= width < max(map(width_of, printed)) + 8
    assert printed[1].startswith("はい" + " " * 12 + "ドロップアウト")


def test_every_verdict_has_a_colour():
    assert set(_STYLES) == set(verdicts.MEANINGS) == set(WORDS)


PAINT = (
    "import sys; from analysis.report.words.colours import painter;"
    "sys.stdout.write(painter(sys.stdout)('YES', 'SUPPORTED'))"
)


def painted(on_terminal: bool, **variables: str) -> bytes:
    """What a process paints, on a real terminal or into a pipe."""
    env = environment() | {"TERM": "xterm-256color"} | variables
    for name in {"NO_COLOR", "FORCE_COLOR", "COLORTERM"} - set(variables):
        env.pop(name, None)
    command = [sys.executable, "-c", PAINT]
    if not on_terminal:
        return subprocess.run(command, env=env, cwd=REPO, capture_output=True, timeout=60).stdout
    parent, child = pty.openpty()
    with subprocess.Popen(command, env=env, cwd=REPO, stdout=child, stdin=child) as process:
        os.close(child)
        assert process.wait(timeout=60) == 0
        told = os.read(parent, 1000)
    os.close(parent)
    return told


def test_a_terminal_has_colours_and_a_pipe_has_none():
    assert painted(True) == b"\x1b[1;32mYES\x1b[0m"
    assert painted(False) == b"YES"
    assert painted(False, FORCE_COLOR="1").endswith(b"mYES\x1b[0m")


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_wants_no_colours_has_none(variables):
    assert painted(True, **variables) == b"YES"
