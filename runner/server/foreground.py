"""Servers that run as long as the command in the foreground does, and end in order with it."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from runner.work.processes import guarded


@contextlib.contextmanager
def until_asked_to_end() -> Iterator[None]:
    """Leave the block, without an exception, at Ctrl-C, SIGTERM or a closed terminal.

    What `running` started in the block does not outlive this process, however it ends.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), guarded():
        yield


@contextlib.contextmanager
def running(
    words: list[str],
    end: signal.Signals = signal.SIGTERM,
    environment: Mapping[str, str] | None = None,
    **options: Any,
) -> Iterator[subprocess.Popen[bytes]]:
    """A server that runs in the block and has ended after it.

    Parameters
    ----------
    end
        The signal that asks its processes to end in order.
    environment
        Variables beside those of this process.
    options
        As of `subprocess.Popen`.
    """
    # In a session of its own, so that Ctrl-C reaches this process alone.
    server = subprocess.Popen(
        words, env=os.environ | dict(environment or {}), start_new_session=True, **options
    )
    try:
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, end)
        server.wait()
