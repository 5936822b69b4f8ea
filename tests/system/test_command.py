"""What a person is told to type is what started the process: a console script, or Python."""

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from places import REPO

from runner.system.command import command_of, parser_of

SCRIPTS = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["scripts"]


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ("/venv/bin/ablation-runner", "ablation-sync"),
        ("ablation-status", "ablation-sync"),
        ("/venv/lib/runner/__main__.py", "python -m runner.sync"),
        ("/ablation-venv/lib/runner/sync.py", "python -m runner.sync"),
        ("", "python -m runner.sync"),
    ],
)
def test_a_command_is_named_as_the_process_was_started(argv, expected, monkeypatch):
    monkeypatch.setattr(sys, "argv", [argv])
    assert command_of("runner.sync") == expected


@pytest.mark.parametrize(("script", "target"), SCRIPTS.items())
def test_every_console_script_has_the_name_that_people_are_told(script, target, monkeypatch):
    monkeypatch.setattr(sys, "argv", [script])
    module, _, function = target.partition(":")
    assert command_of(module.removesuffix(".__main__")) == script
    assert callable(getattr(importlib.import_module(module), function))


def test_a_parser_says_how_it_is_called_and_what_it_does():
    parser = parser_of("runner.sync", "`python -m runner.sync`: bring it in step.")
    assert (parser.prog, parser.description) == ("python -m runner.sync", "bring it in step.")
    assert parser_of("runner.sync", None).description == ""  # python -OO


@pytest.mark.skipif(
    not (Path(sys.executable).parent / "ablation-status").exists(), reason="needs an installation"
)
def test_a_console_script_tells_of_console_scripts(tmp_path):
    (tmp_path / "state").mkdir()
    line = [Path(sys.executable).parent / "ablation-status", "nothing"]
    ended = subprocess.run(
        [*line, "--root", tmp_path], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert ended.stderr.endswith("the last sweeps are none (ablation-status)\n")
