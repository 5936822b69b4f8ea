"""Named moments at which a test can have the process killed; for everybody else they are nothing.

`RUNNER_KILL_AT=POINT` (or `POINT:3`, its third visit in a process) makes the process kill itself
with signal 9 there. With `RUNNER_KILL_ONCE=FILE` only the first process that gets there does, and
the file says so.
"""

import os
import signal

#: Where in the life of a sweep the moments are; the chaos harness (tests/chaos) visits each.
POINTS = (
    "store_init_half", "download_half",
    "after_journal", "checkpoint_half", "checkpoint_before_rename", "checkpoint_after_rename",
    "weights.npz_half", "test_correct.npy_half", "test_predicted.npy_half", "before_end",
    "after_end",
    "before_create_run", "after_create_run", "before_log_batch", "after_log_batch",
    "before_terminate", "after_terminate",
    "report_half", "report_before_rename",
    "upgrade_locked", "upgrade_copying", "upgrade_copied", "upgrade_migrated", "upgrade_kept",
    "upgrade_renamed",
)  # fmt: skip

_AT, _, _VISIT = os.environ.get("RUNNER_KILL_AT", "").partition(":")
_ONCE = os.environ.get("RUNNER_KILL_ONCE")
_visits = 0


def crash_point(name: str) -> None:
    """A moment at which a process may die without anything being lost."""
    if name == _AT:
        _die()


def _die() -> None:
    global _visits
    _visits += 1
    if _visits != int(_VISIT or 1):
        return
    if _ONCE is not None:
        try:
            os.close(os.open(_ONCE, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
    os.kill(os.getpid(), signal.SIGKILL)
