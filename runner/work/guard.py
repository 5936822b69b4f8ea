"""The workers of a sweep end with it, even those that a `kill -9` of the sweep catches before their first line runs."""

import contextlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator

_NAME = "RUNNER_GUARD"

#: Waits for the end of its input, which comes with the sweep's process, however that ends; then kills what bears the
#: mark. The trackers of shared memory are left: they clean up and end by themselves.
_GUARD = """
import glob, os, signal, sys, time
mark = sys.argv[1].encode()
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
sys.stdin.buffer.read()
for _ in range(20):
    for path in glob.glob("/proc/[0-9]*/environ"):
        folder = os.path.dirname(path)
        try:
            marked = mark in open(path, "rb").read().split(b"\\0")
            if marked and b"resource_tracker" not in open(folder + "/cmdline", "rb").read():
                os.kill(int(os.path.basename(folder)), signal.SIGKILL)
        except OSError:
            pass
    time.sleep(0.1)
"""


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Processes that are started in the block do not outlive this one.

    A worker asks the kernel for that itself (`stop.die_with_parent`), once it runs our code; until then, and while it
    waits for work in its launcher's code, it is found by a variable in its environment. Linux only.
    """
    if sys.platform != "linux":
        yield
        return
    mark, unmarked = uuid.uuid4().hex, {k: v for k, v in os.environ.items() if k != _NAME}
    before = os.environ.get(_NAME)
    os.environ[_NAME] = mark
    # -I -S: started in a hundredth of a second. A session of its own: what kills the sweep's group spares it.
    line = [sys.executable, "-I", "-S", "-c", _GUARD, f"{_NAME}={mark}"]
    guard = subprocess.Popen(
        line, env=unmarked, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True, cwd="/",
    )  # fmt: skip
    try:
        yield
        # Everybody ended in order: nobody is left to be killed. After an exception, such as a second Ctrl-C while a
        # worker hangs, somebody may be.
        with guard:
            guard.kill()
    finally:
        if before is None:
            del os.environ[_NAME]
        else:
            os.environ[_NAME] = before
