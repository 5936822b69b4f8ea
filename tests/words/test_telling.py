"""In which language something is told, and on which stream."""

import pytest

from runner import words
from runner.display.progress import count, duration
from runner.system.language import joined, say


@pytest.fixture(autouse=True)
def the_locale_is_english(monkeypatch):
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    yield
    words.speak("auto")


def test_a_process_speaks_the_language_that_is_asked_for(capsys, monkeypatch):
    words.tell(say("failed"))
    words.speak("ja")
    words.tell(say("failed"), indent=2)
    words.speak("a typing error")
    words.tell(say("failed"))
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    words.tell(say("failed"))
    assert capsys.readouterr().out == "failed\n  失敗\nfailed\n失敗\n"


def test_a_problem_is_told_on_the_other_stream_without_passwords(capsys):
    words.speak("ja")
    words.complain("tracking store http://me:secret@host: x", "runner.sync")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "runner.sync: MLflow の記録先 http://***@host: x\n"


def test_numbers_are_said_with_their_units():
    assert (count(1, "seed"), count(5, "seed")) == ("1 seed", "5 seeds")
    assert duration(7512) == "2 h 05 min"
    words.speak("ja")
    assert words.said(count(5, "seed")) == "5 シード"
    assert words.said(duration(200.4)) == "3 分 20 秒"
    assert words.said(joined(" and ", [count(2, "run"), count(1, "sweep")])) == (
        "2 回の学習 と sweep 1 件"
    )


@pytest.mark.parametrize(
    ("text", "japanese"),
    [
        ("loss nan at epoch 2, batch 7", "エポック 2 のバッチ 7 で損失が nan"),
        ("out of memory (cuBLAS)", "メモリー不足（cuBLAS）"),
        (
            "its worker died (process 7, possibly out of memory)",
            "ワーカーが落ちました（プロセス 7、メモリー不足かもしれません）",
        ),
        (
            "trian.epochs: there is no such knob; did you mean train.epochs? (x --help lists them)",
            "trian.epochs: そのようなノブはありません。もしかして train.epochs ですか"
            "（x --help に一覧）",
        ),
        (
            "runner.workers=0: allowed is an integer from 1 to 1024, or -1",
            "runner.workers=0: 使えるのは、1 〜 1024 の整数、または -1です",
        ),
        ("ValueError: my own", "ValueError: my own"),
    ],
)
def test_errors_and_causes_are_told_in_japanese_where_they_are_known(text, japanese):
    assert words.said(text) == text
    words.speak("ja")
    assert words.said(text) == japanese
