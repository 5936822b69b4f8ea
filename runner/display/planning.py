"""How far the planning of a sweep of many cells is."""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from runner import words
from runner.system.language import say

#: A sweep of fewer cells is planned in a moment.
_MANY = 50
#: Seconds between two figures: on a terminal, where each replaces the last, and elsewhere.
_REWRITTEN_S, _WRITTEN_S = 0.5, 5.0


def composing(cells: Sequence[Any]) -> Iterator[Any]:
    """Goes through cells that are composed, and tells how far it is."""
    if len(cells) >= _MANY:
        words.tell(say("composing {n} cells", n=f"{len(cells):,}"))
    yield from _watched(cells, "{n} of {all} cells composed")


def planning(cells: Sequence[Any]) -> Iterator[Any]:
    """Goes through composed cells whose runs are planned, and tells how far it is."""
    yield from _watched(cells, "{n} of {all} cells planned")


def _watched(cells: Sequence[Any], told: str) -> Iterator[Any]:
    is_terminal, n_all = sys.stdout.isatty(), f"{len(cells):,}"
    every_s = _REWRITTEN_S if is_terminal else _WRITTEN_S
    last, is_shown = time.monotonic(), False
    for n, cell in enumerate(cells):
        if time.monotonic() - last >= every_s:
            line = words.said(say(told, n=f"{n:,}", all=n_all))
            print(f"\r  {line}\x1b[K" if is_terminal else f"  {line}\n", end="", flush=True)
            last, is_shown = time.monotonic(), True
        yield cell
    if is_shown and is_terminal:
        print("\r\x1b[K", end="", flush=True)
