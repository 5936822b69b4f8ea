"""The process that checks models of the user's own (`own_code.check_all` starts it)."""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from types import FrameType, TracebackType
from typing import Any

from runner.engine.dezero import L
from runner.errors import RunnerError, printable
from runner.plan.plan import PlannedRun
from runner.system import apart, user_code
from runner.train.check.measure import measured
from runner.train.check.own_code import MEASURING_S
from runner.train.check.step import check
from runner.train.sample import Sample


class _TooLong(BaseException):
    """A model is not through in time; no `except Exception` of the user's catches it."""


def main() -> None:
    """Write a line for each cell; the question is the cells and the seconds that each may take."""
    left_s = MEASURING_S
    with apart.answering() as ((cells, limit_s), write):
        for planned, sample in cells:
            found = answer(planned, sample, limit_s)
            started = time.monotonic()
            if "refusal" not in found and left_s > 0:
                found |= measurements(planned, sample, left_s)
            left_s -= time.monotonic() - started
            write(found)


def answer(planned: PlannedRun, sample: Sample, limit_s: float) -> dict[str, Any]:
    """What `Checked` holds but for measurements, or why the run cannot be trained, as `refusal`."""

    def compute() -> dict[str, Any]:
        with _limited(limit_s):
            return asdict(check(planned, sample))

    return _or_refusal(compute, limit_s)


def measurements(planned: PlannedRun, sample: Sample, limit_s: float) -> dict[str, Any]:
    """What there was time to measure of `Checked`, or a `refusal`: these batches are larger."""

    def compute() -> dict[str, Any]:
        found: dict[str, Any] = {}
        with contextlib.suppress(_TooLong), _limited(limit_s):
            for name, value in measured(planned, sample):
                found[name] = value
        return found

    return _or_refusal(compute, limit_s)


def _or_refusal(compute: Callable[[], dict[str, Any]], limit_s: float) -> dict[str, Any]:
    try:
        return compute()
    except _TooLong as error:
        what = f"not through a step on two images after {limit_s:.0f} s"
        return {"refusal": _placed(what, error)}
    except SystemExit as error:
        return {"refusal": _placed("this code ends the process", error)}
    except Exception as error:
        return {"refusal": explained(error)}


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise _TooLong

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def explained(error: Exception) -> str:
    """One line: the user's line, what is wrong there, and for the usual mistakes what to write."""
    text = printable(" ".join(str(error).split())[:300])
    hint = _hint(error, text)
    if isinstance(error, RunnerError):
        return text if _begins_with_place(text) else _placed(text, error)
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return _placed(f"{hint} ({said})" if hint else said, error)


def _hint(error: Exception, text: str) -> str | None:
    if isinstance(error, AttributeError) and "'_params'" in text:
        return "write super().__init__() as the first line of __init__"
    if isinstance(error, NotImplementedError) and _raised_by_layer(error.__traceback__):
        return "write the model's forward(self, x); a Layer has none of its own"
    if isinstance(error, TypeError) and "cannot create weak reference" in text:
        return "return a Variable at the end of forward"
    if isinstance(error, TypeError) and "forward()" in text and "argument" in text:
        return "write forward(self, x): it is called with the images alone"
    if (shape := _not_flat(error.__traceback__)) is not None:
        return f"a linear layer got {shape}: write x = F.flatten(x) before it"
    return None


def _raised_by_layer(traceback: TracebackType | None) -> bool:
    """Whether the innermost frame is a method of a layer, such as the `forward` of DeZero's."""
    layer = None
    while traceback:
        layer = traceback.tb_frame.f_locals.get("self")
        traceback = traceback.tb_next
    return isinstance(layer, L.Layer)


def _not_flat(traceback: TracebackType | None) -> tuple[int, ...] | None:
    """The shape that came to a linear layer of DeZero's, where it is not (n, n_in)."""
    while traceback:
        names = traceback.tb_frame.f_locals
        shape = getattr(names.get("x"), "shape", None)
        if isinstance(names.get("self"), L.Linear) and shape is not None and len(shape) != 2:
            return tuple(shape)
        traceback = traceback.tb_next
    return None


def _begins_with_place(text: str) -> bool:
    file, colon, rest = text.partition(".py:")
    return bool(colon) and " " not in file and rest[:1].isdigit()


def _placed(text: str, error: BaseException) -> str:
    line = user_code.place_of_error(error) or _place_of_layer(error.__traceback__)
    return f"{line}: {text}" if line else text


def _place_of_layer(traceback: TracebackType | None) -> str | None:
    """Where the innermost layer of the user's begins, where none of its lines was reached."""
    found = None
    while traceback:
        layer = traceback.tb_frame.f_locals.get("self")
        if isinstance(layer, L.Layer):
            found = user_code.place_of_text(type(layer), "def forward") or found
        traceback = traceback.tb_next
    return found


if __name__ == "__main__":
    main()
