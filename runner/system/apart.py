"""Work that may hang or end its process, done by another process: what it wrote, and how it ended.

What the command line starts from here it can survive: a user's code, or a card.
"""

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from runner.errors import printable

#: A line of answers, JSON.
Line = dict[str, Any]


def ask(module: str, question: object, limit_s: float) -> tuple[list[Line], str | None]:
    """Have `python -m module` answer a question that can be pickled.

    Parameters
    ----------
    module
        It calls `answering`.
    limit_s
        Seconds after which the process is killed, with all that it started.

    Returns
    -------
    lines
        What it wrote, as far as it came.
    ended
        How it ended, as in `ended (signal SIGSEGV)`; None if it came to its end.
    """
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "lines"
        lines.touch()
        # In a session of its own it can be ended with all that it started.
        process = subprocess.Popen(
            # `-P`: a file of the working directory does not stand in for a package of this program.
            [sys.executable, "-P", "-m", module, str(lines)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        ended, errors = None, b""
        try:
            # A user's folder is found as in this process, in whichever way it was told.
            asked = pickle.dumps(sys.path) + pickle.dumps(question)
            _, errors = process.communicate(asked, timeout=limit_s)
        except subprocess.TimeoutExpired:
            ended = f"was not through after {limit_s:.0f} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            for pipe in filter(None, (process.stdin, process.stderr)):
                with contextlib.suppress(OSError):  # what it did not read
                    pipe.close()
            process.wait()
        code = process.returncode
        if code and not ended:
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            last = printable((errors.decode("utf-8", "replace").splitlines() or [""])[-1])[:300]
            ended = f"ended ({how}{': ' if last else ''}{last})"
        # The last line of a process that was killed may be half of one.
        written = lines.read_text("utf-8").splitlines()
        return [json.loads(line) for line in written if line.endswith("}")], ended


@contextlib.contextmanager
def answering() -> Iterator[tuple[Any, Callable[[Line], None]]]:
    """In the process that was asked: the question, and what writes a line at once."""
    with Path(sys.argv[1]).open("a", encoding="utf-8") as lines:

        def write(line: Line) -> None:
            lines.write(json.dumps(line) + "\n")
            lines.flush()

        sys.path[:] = pickle.load(sys.stdin.buffer)
        yield pickle.load(sys.stdin.buffer), write
