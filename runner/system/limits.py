"""The memory that the system lets processes have: what is free, a container's limit, `ulimit -v`.

It imports nothing large: with too low a limit NumPy hangs or ends the process while it is imported.
"""

import errno
import os
import resource
from pathlib import Path

from runner.errors import ConfigError

#: Bytes of address space of a sweep's own process, most of them MLflow's; measured.
_COMMAND_ADDRESSES = 1_000_000_000
_PROC, _CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
#: Version 2 of cgroups, then version 1: its controller in /proc/self/cgroup, where it is mounted,
#: the file of the limit, and the line of memory.stat that cannot be given back as caches can.
_VERSIONS = (
    ("", "", "memory.max", "anon"),
    ("memory", "memory", "memory.limit_in_bytes", "total_rss"),
)


def address_space() -> int | None:
    """Bytes of addresses that each process may have (`ulimit -v`), or None."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def told_address_space() -> str:
    """The limit on addresses at the end of a cause, or nothing where there is none."""
    limit = address_space()
    return "" if limit is None else f"; ulimit -v {limit // 1024}"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was short, on the CPU: a library that cannot be loaded for it counts, too."""
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or (isinstance(error, ImportError) and "failed to map segment" in str(error))
    )


def check_address_space() -> None:
    """Refuse a command that `ulimit -v` leaves too little for.

    Raises
    ------
    ConfigError
    """
    limit = address_space()
    if limit is not None and limit < _COMMAND_ADDRESSES:
        raise ConfigError(
            f"ulimit -v {limit // 1024} leaves a process {limit / 1e6:,.0f} MB of addresses, and"
            f" this command needs {_COMMAND_ADDRESSES / 1e6:,.0f} MB: ulimit -v"
            f" {_COMMAND_ADDRESSES // 1024}, or more, or unlimited"
        )


def free_memory(proc: Path = _PROC, cgroups: Path = _CGROUPS) -> int:
    """Bytes that processes can still have: the machine's, or less in a container with a limit."""
    return min([_of_machine(proc), *_of_containers(proc, cgroups)])


def _of_machine(proc: Path) -> int:
    # MemAvailable counts what the kernel would take back from its caches, and no swap.
    available = _numbers(proc / "meminfo").get("MemAvailable:")
    if available is not None:
        return 1024 * available
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")  # on macOS


def _of_containers(proc: Path, cgroups: Path) -> list[int]:
    """What is left of the limit of this process's group, and of each group around it."""
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return []
    left = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for controller, mount, limit, used in _VERSIONS:
            if controller not in controllers.split(",") or bool(controllers) != bool(controller):
                continue
            group = Path(path.lstrip("/"))
            # In a container its own group is the mount itself, whatever the path says.
            for folder in (group, *group.parents):
                try:
                    text = (cgroups / mount / folder / limit).read_text().strip()
                except OSError:
                    continue
                if text.isdigit():
                    statistics = _numbers(cgroups / mount / folder / "memory.stat")
                    left.append(max(0, int(text) - statistics.get(used, 0)))
    return left


def _numbers(path: Path) -> dict[str, int]:
    """The number behind each name in a file of the kernel's; empty where there is no such file."""
    try:
        rows = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return {}
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}
