"""In which language a person is spoken to, and what a sentence is made from."""

import io

import pytest

from runner.system import language
from runner.system.language import joined, say, shown, spoken, translated

GERMAN = {"{n} of {all}": "{n} von {all}", "runs": "Läufe", "{_0}, {_1}": "{_0} und {_1}"}


def test_a_sentence_is_english_and_knows_what_it_was_made_from():
    said = say("{n} of {all}", n=1, all=say("runs"))
    assert said == "1 of runs" and f"{said}!" == "1 of runs!"
    assert translated(said, GERMAN) == "1 von Läufe"
    assert translated(joined(", ", [said, "x {y}"]), GERMAN) == "1 von Läufe und x {y}"


def test_what_has_no_template_stays_english():
    assert translated(say("{n} more", n=say("runs")), GERMAN) == "Läufe more"
    assert translated("runs", GERMAN) == "runs"
    assert translated(say("{not} a field"), GERMAN) == "{not} a field"
    assert joined(", ", []) == ""


def test_the_beginning_of_a_sentence_keeps_how_a_value_is_spelled():
    assert say("no cell").capitalised() == "No cell"
    knob = say("{knob} is fixed", knob="model.dropout").capitalised()
    assert knob == "model.dropout is fixed"
    assert translated(say("runs").capitalised(), GERMAN) == "Läufe"


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, "en"),
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "ja_JP.UTF-8", "LC_MESSAGES": "C"}, "en"),
        ({"LANG": "C", "LC_ALL": "ja_JP.eucJP"}, "ja"),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": ""}, "en"),
    ],
)
def test_auto_is_the_language_of_the_locale(monkeypatch, variables, wanted):
    for name in language._VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert spoken("auto") == wanted
    assert (spoken("en"), spoken("ja")) == ("en", "ja")


@pytest.mark.parametrize(
    ("encoding", "wanted"), [("utf-8", "ja"), ("euc_jp", "ja"), ("ascii", "en"), ("latin-1", "en")]
)
def test_a_terminal_without_japanese_letters_is_spoken_to_in_english(encoding, wanted):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    assert shown("ja", stream) == wanted and shown("en", stream) == "en"
