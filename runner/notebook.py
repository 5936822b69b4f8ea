"""`runner.sweep` and `runner.open`: a sweep trained, or only opened, in a notebook or a script."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from runner.config.quoting import quoted
from runner.errors import ConfigError, DataError, RunnerError, StoreBehindError
from runner.state.root import Root
from runner.system.command import command_of
from runner.tracking.store import arguments
from runner.work.processes import guarded

if TYPE_CHECKING:
    from analysis.opened import Opened

#: Overrides that are given in another way, and how.
_GIVEN_OTHERWISE = {
    "runner.root": "give root=...",
    "tracking.uri": "give uri=...",
    "tracking.experiment": "give experiment=...",
    "plan": f"type it in a terminal: {command_of('runner')} -m ... plan=true",
}
#: The first line of a sweep, with the start of its key; a problem's line.
_KEY, _PROBLEM = re.compile(r".* \(([0-9a-f]{8})\): "), "runner: "
_ERRORS = {error.exit_code: error for error in (ConfigError, DataError, StoreBehindError)}


def sweep(
    *overrides: str,
    seeds: int | Iterable[int] | str | None = None,
    root: str | Path | None = None,
    uri: str | None = None,
    experiment: str | None = None,
) -> "Opened":
    """Train a sweep, as `python -m runner -m` does with these words, and open it.

    The command runs as a process of its own, and prints here. An interrupt (Ctrl-C, the stop button
    of a notebook) stops it; the same call goes on where it stopped.

    Parameters
    ----------
    overrides
        Such as `"model.channels=1,30"` or `"sweeps=dropout_x_channels"`.
    seeds
        How many seeds from 0 on, or which, or `"until_decided"`; None for those of the sweep.
    root
        The folder of state/; by default the checkout, else the working directory.
    uri, experiment
        The tracking store and the experiment there; by default those of MLflow's variables, else
        the local store of the root and `ablations`.

    Raises
    ------
    RunnerError
        In the command's own words, when it ends with another exit code than 0. What is trained is
        kept, and `open` shows it.
    KeyboardInterrupt
        After an interrupt, once all workers have stopped.
    """
    words = [*overrides, *_seeds(seeds)]
    for word in words:
        key, _, value = word.lstrip("+").partition("=")
        if key in _GIVEN_OTHERWISE:
            raise ConfigError(f"{key}={value}: not here; {_GIVEN_OTHERWISE[key]}")
    if root is not None:
        words.append(f"runner.root={quoted(str(Root.of(str(root))))}")
    # In variables, since a list of processes shows a command with its passwords.
    given = {arguments.URI_VARIABLE: uri, arguments.EXPERIMENT_VARIABLE: experiment}
    key = _train(words, {name: value for name, value in given.items() if value})
    return open(key, root, uri, experiment)


def open(
    sweep: str | None = None,
    root: str | Path | None = None,
    uri: str | None = None,
    experiment: str | None = None,
) -> "Opened":
    """Open a sweep as the tracking store holds it now.

    Parameters
    ----------
    sweep
        A sweep's name (the latest of it), the start of its key, or its run id; None for the latest.
    root, uri, experiment
        As of `sweep`.

    Raises
    ------
    RunnerError
        When there is no store, no such sweep, or its plan cannot be read.
    """
    # pandas and matplotlib take a second to import.
    from analysis.opened import Opened

    return Opened.of(sweep, Root.of(str(root) if root else None), uri, experiment)


def _seeds(asked: int | Iterable[int] | str | None) -> list[str]:
    """The override that asks for these seeds."""
    if asked is None:
        return []
    if isinstance(asked, str):
        return [f"sweep.seeds={asked}"]
    seeds = range(asked) if isinstance(asked, int) else asked
    return [f"seed={','.join(map(str, seeds))}"]


def _train(words: list[str], variables: dict[str, str]) -> str:
    """Run the command to its end, print what it prints, and return the start of its sweep's key."""
    is_interrupted, told = False, _Told()
    # `-P`: a file of the working directory does not stand in for a package of this program.
    line = [sys.executable, "-P", "-m", "runner", "-m", *words]
    with guarded():
        # In a process group of its own: an interrupt of this process's group reaches it once, by
        # this process, and not twice, which would end it at once.
        process = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            env=os.environ | {"PYTHONIOENCODING": "utf-8"} | variables,
            process_group=0,
        )
        assert process.stdout
        with process.stdout:
            while process.poll() is None:
                try:
                    for text in process.stdout:
                        told.tell(text.rstrip("\n"))
                    process.wait()
                except KeyboardInterrupt:
                    is_interrupted = True
                    process.send_signal(signal.SIGINT)
    if process.returncode or told.key is None:
        _fail(process.returncode, told.problem, is_interrupted)
    told.tell("")
    return told.key


class _Told:
    """What a command has told so far; its last problem is held back, to be an error's text."""

    def __init__(self) -> None:
        self.key: str | None = None
        self.problem = ""

    def tell(self, text: str) -> None:
        """Print a line, after the problem before it."""
        if self.problem:
            print(self.problem, flush=True)
        self.problem = text if text.startswith(_PROBLEM) else ""
        if text and not self.problem:
            print(text, flush=True)
        if self.key is None and (found := _KEY.match(text)) and not self.problem:
            self.key = found[1]


def _fail(code: int, problem: str, is_interrupted: bool) -> NoReturn:
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    why = problem.removeprefix(_PROBLEM) or f"{command_of('runner')} ended with {how}"
    if is_interrupted:
        raise KeyboardInterrupt(why)
    raise _ERRORS.get(code, RunnerError)(why)
