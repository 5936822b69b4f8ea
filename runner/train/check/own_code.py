"""Models and optimizers of the user's own, checked and measured by another process.

It runs the user's code, which may do anything: hang, print, or end its process.
"""

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from runner.errors import ModelError, printable
from runner.plan.memory import Measured
from runner.plan.plan import PlannedRun
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
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        results.touch()
        ended = _run(cells, limit_s, results)
        answers = [json.loads(line) for line in results.read_text("utf-8").splitlines()]
    if len(answers) < len(cells):
        answers.append({"refusal": ended})
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


def _run(cells: list[tuple[PlannedRun, Sample]], limit_s: float, results: Path) -> str:
    """Have the process write a line for each cell; how it ended, for the one that it did not."""
    command = [sys.executable, "-m", "runner.train.check.process", str(results), str(limit_s)]
    # In a session of its own it can be ended with all that it started.
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    # A user's folder is found as in this process, in whichever way it was told.
    asked = pickle.dumps(sys.path) + pickle.dumps(cells)
    try:
        # One that does not obey its own alarm is stuck in code that is not Python.
        _, errors = process.communicate(
            asked, timeout=_START_S + limit_s * len(cells) + MEASURING_S
        )
    except subprocess.TimeoutExpired:
        return f"making the model, or a step on two images, took more than {limit_s:.0f} s"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    code = process.returncode
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    last = printable((errors.decode("utf-8", "replace").splitlines() or [""])[-1])[:300]
    return f"making the model, or a step on two images, ended the process ({how}): {last}"
