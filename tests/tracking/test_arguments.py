"""What a printed command names, so that it finds the same root and store where it is typed."""

import pytest

from runner.tracking.store import arguments


@pytest.mark.parametrize(
    "given, words",
    [
        ((None, None, "ablations"), []),
        (("/a root", None, "ablations"), ["--root", "/a root"]),
        ((None, "http://host", "ablations"), ["--uri", "http://host"]),
        ((None, None, "other"), ["--experiment", "other"]),
    ],
)
def test_a_printed_command_names_what_is_not_its_default(monkeypatch, given, words):
    for name in (arguments.URI_VARIABLE, arguments.EXPERIMENT_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    assert arguments.typed(*given) == words


def test_a_printed_command_leaves_to_the_environment_what_the_environment_said(monkeypatch):
    monkeypatch.setenv(arguments.URI_VARIABLE, "http://host")
    monkeypatch.setenv(arguments.EXPERIMENT_VARIABLE, "other")
    assert arguments.typed(None, "http://host", "other") == []
    assert arguments.typed(None, None, "ablations") == ["--experiment", "ablations"]
