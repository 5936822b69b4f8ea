"""Asking the analysis what a look decides, in a process of its own: the runner never imports it."""

from dataclasses import dataclass

from runner import words
from runner.errors import RunnerError
from runner.plan.plan import Plan
from runner.state.root import Root
from runner.system import apart

#: The analysis reads the store, and one sweep; a server may be slow.
_LIMIT_S = 600.0


@dataclass(frozen=True)
class Seen:
    """What the analysis saw at a look."""

    #: The verdict of each claim that this look decides, by name, and its answer to be read.
    decided: dict[str, str]
    answers: dict[str, str]
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
    question = {
        "root": root.path, "uri": uri, "experiment": experiment, "key": plan.sweep_key,
        "number": number, "language": words.language(),
    }  # fmt: skip
    lines, ended = apart.ask("analysis.look", question, _LIMIT_S)
    found = lines[-1] if lines else {"refused": ended}
    if "refused" in found:
        raise RunnerError(
            f"look {number} could not be decided: {found['refused']}; all that is trained is kept,"
            " the same command goes on"
        )
    return Seen(**found)
