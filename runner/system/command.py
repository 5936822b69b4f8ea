"""What a person types to start a part of this program: as the process at hand was started."""

import argparse
import sys
from pathlib import Path

#: Of the console scripts, each of which has the last word of its module's name.
_PREFIX = "ablation-"


def command_of(module: str) -> str:
    """The command of a module that can be started: `ablation-sync`, or `python -m runner.sync`.

    A process that a console script started is told of console scripts. They are there wherever the
    program is installed, and no file of the working directory stands in for them.
    """
    if Path(sys.argv[0]).name.startswith(_PREFIX):
        return _PREFIX + module.rpartition(".")[2]
    return f"python -m {module}"


def as_typed(module: str) -> list[str]:
    """The words of the command that this process is, with which it can be typed again.

    As a person typed them: Hydra keeps apart what is about itself, such as the launcher, or a
    folder of configurations.
    """
    return [*command_of(module).split(), *sys.argv[1:]]


def parser_of(module: str, docstring: str | None) -> argparse.ArgumentParser:
    """A parser for the arguments of a command, which calls it as `command_of` does.

    Parameters
    ----------
    docstring
        Of the module: how it is typed, a colon, and what it does. Python may leave it out.
    """
    does = (docstring or "").partition(": ")[2]
    return argparse.ArgumentParser(prog=command_of(module), description=does)
