"""Models and optimizers of the user's own, checked and measured by another process.

It runs the user's code, which may do anything: hang, print, or end its process.
"""

from dataclasses import dataclass, field

from runner.errors import ModelError
from runner.plan.plan import PlannedRun
from runner.plan.size.memory import Measured
from runner.system import apart
from runner.train.sample import Sample

#: Seconds that the check of one cell may take.
LIMIT_S = 60.0
#: Seconds for measuring all cells; what does not fit in is not known.
MEASURING_S = 8.0
#: Seconds in which the process must have started, beside that.
_START_S = 60.0
#: How many refusals are told.
_N_TOLD = 5


@dataclass(frozen=True)
class Checked:
    """What the check found of code that can be trained."""

    n_parameters: int
    #: Numbers of the largest parameter.
    n_largest: int
    #: The functions that are DeZero's own in a step (`Engine.fallbacks`).
    fallbacks: list[str] = field(default_factory=list)
    #: Why its steps are not captured (`Engine.not_captured`).
    not_captured: str = ""
    #: What may be meant so, and may be a mistake.
    warnings: list[str] = field(default_factory=list)
    #: What runner/train/check/measure.py measured; there may have been no time for it.
    fallback_shares: dict[str, float] = field(default_factory=dict)
    image_bytes: float = 0.0
    epoch_s: float | None = None

    @property
    def seen(self) -> Measured:
        """What its memory is estimated from."""
        return Measured(self.n_parameters, self.n_largest, self.image_bytes)


def check_all(cells: list[tuple[PlannedRun, Sample]], limit_s: float = LIMIT_S) -> list[Checked]:
    """Check a run of each cell, in one process for all of them.

    Raises
    ------
    ModelError
        With a line for each thing that is wrong.
    """
    # One that does not obey its own alarm is stuck in code that is not Python.
    longest_s = _START_S + limit_s * len(cells) + MEASURING_S
    answers, ended = apart.ask("runner.train.check.process", (cells, limit_s), longest_s)
    if len(answers) < len(cells):
        answers.append({"refusal": f"making it, or a step on two images: the process {ended}"})
    refusals: dict[str, list[str]] = {}
    for (planned, _), answer in zip(cells, answers, strict=False):
        if answer.get("refusal"):
            refusals.setdefault(answer["refusal"], []).append(planned.cell)
    if refusals:
        told = [_line(what, names) for what, names in list(refusals.items())[:_N_TOLD]]
        raise ModelError("\n".join(told))
    return [Checked(**answer) for answer in answers]


def _line(what: str, cells: list[str]) -> str:
    others = f" and {len(cells) - 1} more" if len(cells) > 1 else ""
    return f"{what} ({cells[0]}{others})" if cells[0] else what
