"""Whoever has a Japanese locale is told nothing in English, in lines that a terminal has room for.

What may stay is named in `tests/support/said.py`: commands to be typed, knobs, settings, paths.
"""

import os
import pty
import re
import select
import subprocess
import sys
import time

import pytest
from commands import environment, run
from said import english_in

from runner.words.columns import width_of

JAPANESE = environment(LC_MESSAGES="ja_JP.UTF-8", COLUMNS="80")
JAPANESE.pop("LC_ALL", None)
SMOKE = ("-m", "sweeps=smoke")


def typed(root, *words, code=0):
    return run(root, *words, code=code, env=JAPANESE)


def module(root, name, *words):
    line = [sys.executable, "-m", name, *words, "--root", str(root)]
    ended = subprocess.run(
        line, env=JAPANESE, cwd=root.parent, capture_output=True, encoding="utf-8", timeout=120
    )
    return ended.returncode, ended.stdout + ended.stderr


def on_a_terminal(root, *words):
    """What a command shows on a real terminal, without the signs that move its cursor."""
    parent, child = pty.openpty()
    line = [sys.executable, "-m", "runner", *words, f"runner.root={root}"]
    env = JAPANESE | {"TERM": "xterm"}
    with subprocess.Popen(line, env=env, cwd=root.parent, stdout=child, stdin=child) as process:
        os.close(child)
        shown, deadline = b"", time.monotonic() + 120
        while time.monotonic() < deadline:
            ready, _, _ = select.select([parent], [], [], 1.0)
            try:
                more = os.read(parent, 65536) if ready else b""
            except OSError:
                break
            if ready and not more:
                break
            shown += more
        assert process.wait(timeout=30) == 0
    os.close(parent)
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", shown.decode("utf-8", "replace"))


def too_wide(text):
    """Lines of more columns than the terminal has, but for those that hold a path."""
    return [line for line in text.splitlines() if width_of(line) > 80 and "/" not in line]


def test_english_is_found_where_it_is():
    assert english_in("学習 4 回: no English sentence here") == ["no English sentence here"]
    assert english_in("続けるには：python -m runner -m a=b and so on") == []
    assert english_in("data digits は /home/me/my own files ではない test/accuracy") == []


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("japanese") / "root"


@pytest.fixture(scope="module")
def swept(root):
    return typed(root, *SMOKE)


def test_a_sweep_is_told_in_japanese(swept):
    assert re.match(r"smoke \([0-9a-f]{8}\): 2 セル × 2 シード ＝ 4 回の学習\n", swept.out)
    assert re.search(r"\[\d/4\] dropout=\w+ seed=1: テスト精度 0\.\d+、訓練損失 ", swept.out)
    assert "最後のエポック、シードの平均 ± 標準偏差" in swept.out and "テスト精度 %" in swept.out
    assert "4 回のうち 4 回の学習を終え、記録しました。" in swept.out
    assert english_in(swept.out + swept.err) == [] and too_wide(swept.out) == []


def test_a_plan_is_told_in_japanese(root, swept):
    told = typed(root, "-m", "sweeps=screening", "data=digits", "plan=true")
    assert "主張について分かること" in told.out and "16 セル、5 シード" in told.out
    assert "resolution 4 の一部実施：128 セルのうち 16 セル" in told.out
    assert english_in(told.out + told.err) == [] and too_wide(told.out) == []


def test_the_live_display_is_in_japanese(root, swept):
    shown = on_a_terminal(root, *SMOKE, "train.epochs=3")
    assert re.search(r"学習 \d/4 回\s.*エポック \d+/12\s", shown, re.DOTALL)
    assert re.search(r"\d 回学習中", shown)
    assert english_in(shown) == []


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("analysis", "ドロップアウトは学習を遅らせる"),
        ("runner.status", "4 回の学習のうち 4 回完了"),
    ],
)
def test_the_commands_beside_it_answer_in_japanese(root, swept, name, told):
    code, text = module(root, name)
    assert code == 0 and told in text
    assert english_in(text) == []


def test_a_sweep_that_is_not_there_is_said_so_in_japanese(root, swept):
    code, text = module(root, "analysis", "nope")
    assert code == 2 and "そのような sweep は記録にありません" in text
    assert english_in(text) == []


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["trian.epochs=3"], 2, "もしかして train.epochs ですか"),
        (["train.epochs=0"], 2, "使えるのは、1 〜 10000 の整数です"),
        (["model.channels=1,30"], 2, "-m が必要です。次を打ってください：python -m runner -m"),
        (["sweeps=smoke"], 2, "sweep なので -m が必要です"),
        (["data=mnist", "data.root=/nowhere"], 3, "がありません"),
        (["tracking.uri=http://127.0.0.1:9"], 2, "サーバーを起動するか"),
    ],
)
def test_a_refusal_is_told_in_japanese(root, words, code, told):
    err = typed(root, *words, code=code).err
    assert told in err
    # What a library said of a call is quoted as it is.
    assert english_in(re.sub(r"<urlopen .*>", "", err)) == []


def test_the_language_that_is_typed_is_spoken_whatever_the_locale(root):
    asked = run(root, "train.epochs=0", "runner.language=ja", code=2, env=environment())
    assert "使えるのは" in asked.err
    assert "allowed is" in typed(root, "runner.language=en", "train.epochs=0", code=2).err
