"""In which language a person is spoken to, and what a sentence is made from."""

import io

import pytest

from runner.system import language
from runner.system.language import Translation, joined, say, shown, spoken

german = Translation(
    {
        "{n} of {all}": "{n} von {all}",
        "runs": "Läufe",
        "{_0}, {_1}": "{_0} und {_1}",
        "{key}: there is no such knob{hint}": "{key}: kein solcher Schalter{hint}",
        "; did you mean {near}?": "; vielleicht {near}?",
        "{why}; nothing was written": "{why}; nichts wurde geschrieben",
        "{key}={value}: {n} and again {n}": "{n} = {value} von {key}",
    }
)


def test_a_sentence_is_english_and_knows_what_it_was_made_from():
    said = say("{n} of {all}", n=1, all=say("runs"))
    assert said == "1 of runs" and f"{said}!" == "1 of runs!"
    assert german(said) == "1 von Läufe"
    assert german(joined(", ", [said, "x {y}"])) == "1 von Läufe und x {y}"


def test_what_has_no_template_stays_english():
    assert german(say("{n} more", n=say("runs"))) == "Läufe more"
    assert german("runs") == "runs"
    assert german(say("{not} a field")) == "{not} a field"
    assert joined(", ", []) == ""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("lt: there is no such knob", "lt: kein solcher Schalter"),
        (
            "lt: there is no such knob; did you mean lr?",
            "lt: kein solcher Schalter; vielleicht lr?",
        ),
        (
            "a: there is no such knob; nothing was written",
            "a: kein solcher Schalter; nichts wurde geschrieben",
        ),
        ("a=b=c: 7 and again 7", "7 = b=c von a"),
        ("a=b: 7 and again 8", "a=b: 7 and again 8"),
        ("3 of 4", "3 of 4"),
    ],
)
def test_a_plain_text_is_recognised_by_its_wording(text, wanted):
    """One word of a template's own, such as `of`, would recognise what it does not say."""
    assert german(text) == wanted


def test_what_was_recognised_is_part_of_what_is_said():
    assert german(say("{n} of {all}", n="x: there is no such knob", all=2)) == (
        "x: kein solcher Schalter von 2"
    )


def test_the_beginning_of_a_sentence_keeps_how_a_value_is_spelled():
    assert say("no cell").capitalised() == "No cell"
    knob = say("{knob} is fixed", knob="model.dropout").capitalised()
    assert knob == "model.dropout is fixed"
    assert german(say("runs").capitalised()) == "Läufe"


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
