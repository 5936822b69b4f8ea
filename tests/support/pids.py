"""Processes of this host, found in /proc and ended by their ids."""

import os
import signal
from pathlib import Path


def pids():
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def name_of(pid):
    """What the system calls a process; None for one that has ended."""
    try:
        state, name = (Path(f"/proc/{pid}/{file}").read_text() for file in ("stat", "comm"))
    except OSError:
        return None
    return None if state.rpartition(")")[2].split()[0] == "Z" else name.strip()


def parent_of(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def line_of(pid):
    """The command line of a process; empty for one that has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def having(*names):
    """The processes that were started with these environment variables, such as NODE=n1."""
    found = []
    for pid in pids():
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if all(name.encode() in environment for name in names):
            found.append(pid)
    return found


def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
