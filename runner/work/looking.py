"""Asking the analysis what a look decides, in a process of its own: the runner never imports it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

from runner.errors import RunnerError
from runner.plan.plan import Plan
from runner.state.root import Root
from runner.tracking.store.arguments import URI_VARIABLE


@dataclass(frozen=True)
class Seen:
    """What the analysis saw at a look."""

    #: The verdict of each claim that this look decides, by name, and the word that answers it.
    decided: dict[str, str]
    words: dict[str, str]
    #: The keys of the cells that claims are about which are open.
    cells: list[str]


def look(plan: Plan, root: Root, uri: str | None, experiment: str) -> Seen:
    """What the last look of a plan decides, once the store holds all of its runs.

    Raises
    ------
    RunnerError
        When the analysis ends with an error, in its words.
    """
    number = len(plan.looks)
    words = [plan.sweep_key, str(number), "--root", str(root), "--experiment", experiment]
    # Not as a word of the command, which every user of the machine may read. MLflow takes an empty
    # variable for one that is unset.
    environment = os.environ | {URI_VARIABLE: uri or ""}
    # `-P`: a file of the working directory does not stand in for a package of this program.
    asked = subprocess.run(
        [sys.executable, "-P", "-m", "analysis.look", *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    try:
        if asked.returncode:
            raise ValueError
        return Seen(**json.loads(asked.stdout))
    except (ValueError, TypeError):
        why = (asked.stderr.strip().splitlines() or [f"it ended with {asked.returncode}"])[-1]
        raise RunnerError(
            f"look {number} could not be decided: {why}; all that is trained is kept, the"
            " same command goes on"
        ) from None
