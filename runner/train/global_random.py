"""Random numbers that are not the run's: those of the generators that a whole process shares.

Such a number is another one after a resume, beside other runs and at the next try, so that the same
seed would give other results.
"""

import contextlib
import pickle
import random
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import numpy as np

from runner.errors import ModelError
from runner.system import user_code


def refuse_drawing(compute: Callable[[], object]) -> None:
    """Compute, without a number drawn from a shared generator.

    Parameters
    ----------
    compute
        Can be called again: it is, to find the line that draws.

    Raises
    ------
    ModelError
        When it draws one.
    """
    with _counted_on_gpu() as drawn_on_gpu:

        def positions() -> dict[str, Any]:
            return {
                "numpy.random": pickle.dumps(np.random.get_state(legacy=False)),
                "random": random.getstate(),
                "cupy.random": len(drawn_on_gpu),
            }

        before = positions()
        compute()
        after = positions()
        names = [name for name, position in after.items() if position != before[name]]
        if not names:
            return
        line = _line_that_moves(positions, compute)
    where = f"{line}: " if line else ""
    raise ModelError(
        f"{where}the model draws from {' and '.join(names)} in a step, which is not the run's: the"
        " same seed would give other numbers. For dropout write F.dropout(x, ratio); for noise draw"
        " once in __init__, where the seed decides"
    )


def _line_that_moves(positions: Callable[[], Any], compute: Callable[[], object]) -> str | None:
    """The first line of the user's after which the positions are others; None: none of them."""
    found: list[str] = []
    last: tuple[Any, str | None] = positions(), None

    def look(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal last
        file = frame.f_code.co_filename
        if not user_code.is_users(file) or found:
            return None
        now = positions()
        if now != last[0] and last[1]:
            found.append(last[1])
        last = now, _line(frame.f_back if event == "return" else frame)
        return look

    outer = sys.gettrace()
    sys.settrace(look)
    try:
        compute()
    finally:
        sys.settrace(outer)
    if not found and last[1] and positions() != last[0]:
        found.append(last[1])
    return found[0] if found else None


def _line(frame: FrameType | None) -> str | None:
    """The user's line that a frame is at, or that called it."""
    while frame and not user_code.is_users(frame.f_code.co_filename):
        frame = frame.f_back
    return user_code.place(frame.f_code.co_filename, frame.f_lineno) if frame else None


@contextlib.contextmanager
def _counted_on_gpu() -> Iterator[list[None]]:
    """One entry for each use of CuPy's shared generator in the block; its position is not told."""
    uses: list[None] = []
    generators = getattr(getattr(sys.modules.get("cupy"), "random", None), "_generator", None)
    as_shipped = getattr(generators, "get_random_state", None)
    if as_shipped is None:
        yield uses
        return

    def counted() -> Any:
        uses.append(None)
        return as_shipped()

    generators.get_random_state = counted  # type: ignore[union-attr]
    try:
        yield uses
    finally:
        generators.get_random_state = as_shipped  # type: ignore[union-attr]
