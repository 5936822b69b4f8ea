"""What a sweep prints in Japanese."""

from types import SimpleNamespace

import pytest
from commands import run
from places import REPO
from said import fields, templates_of

from runner.display.progress import count, duration
from runner.display.words import _JAPANESE, speaking
from runner.system.language import say, translated

SAID_IN = [REPO / "runner/display" / name for name in ("summary.py", "progress.py")]
SAID_IN += [REPO / "runner/work/cluster/launch.py"]
SAID_IN += [REPO / "runner/record" / name for name in ("cell_runs.py", "cells_table.py")]
NOUNS = ("cell", "seed", "run", "epoch", "worker", "duplicate", "task")


def test_whatever_is_said_has_its_japanese_with_the_same_fields():
    said = set().union(*map(templates_of, SAID_IN))
    said |= {count(n, noun).template for noun in NOUNS for n in (1, 2)}
    assert sorted(said - set(_JAPANESE)) == []
    for english, japanese in _JAPANESE.items():
        assert fields(english) == fields(japanese), english


def test_numbers_are_said_with_their_units():
    assert (count(1, "seed"), count(5, "seed")) == ("1 seed", "5 seeds")
    assert translated(count(5, "seed"), _JAPANESE) == "5 シード"
    assert duration(7512) == "2 h 05 min"
    assert translated(duration(200.4), _JAPANESE) == "3 分 20 秒"


@pytest.mark.parametrize(("asked", "said"), [("en", "failed"), ("ja", "失敗")])
def test_a_sweep_speaks_the_language_that_is_asked_for(asked, said):
    config = SimpleNamespace(runner=SimpleNamespace(language=asked))
    assert speaking(config)(say("failed")) == said


@pytest.mark.long
def test_a_plan_and_a_table_are_printed_in_japanese(tmp_path):
    words = ("-m", "model.channels=1,2", "train.epochs=1", "seed=0", "runner.language=ja")
    out = run(tmp_path, *words).out
    assert ": 2 セル × 1 シード ＝ 2 回の学習" in out and "学習はおよそ" in out
    assert "最後のエポック、シードの平均 ± 標準偏差" in out and "テスト精度 %" in out
    assert "2 回のうち 2 回の学習が終わり、記録されました。" in out
