"""What a library that is started does to its process beyond being there, kept from doing it."""

import contextlib
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator

from runner.errors import short_text

#: The last line of a traceback begins so.
_ERROR = re.compile(r"[A-Za-z][\w.]*Error\b")


@contextlib.contextmanager
def signals_kept() -> Iterator[None]:
    """Leave signals as they are: Ray takes SIGTERM for itself."""
    is_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items() if is_main else ():
            signal.signal(number, handler)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep from the terminal what Ray's C++ says past Python, such as that there is no internet."""
    sys.stderr.flush()
    before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(nowhere)


def last_words(text: str) -> str:
    """The error at the end of what Python printed, or all of another text, on one line."""
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [n for n, line in enumerate(lines) if _ERROR.match(line)]
    return short_text(" ".join(" ".join(lines[errors[-1] if errors else 0 :]).split()), 300)
