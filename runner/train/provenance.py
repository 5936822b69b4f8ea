"""What a run was trained with, recorded beside its numbers: versions, commit, processor."""

import functools
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from runner.system.files import checkout

PACKAGES = ("dezero", "numpy", "hydra-core", "omegaconf", "mlflow", "pandas")
_CUPY = ("cupy-cuda12x", "cupy-cuda13x")
#: Those that compute.
OF_NUMBERS = ("dezero", "numpy", *_CUPY)


@functools.cache
def versions() -> dict[str, str]:
    """The version of Python and of each package that takes part in the numbers or their record."""
    found = {"python": platform.python_version()}
    for package in (*PACKAGES, *_CUPY):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@functools.cache
def commit() -> dict[str, Any]:
    """The git commit of the checkout and whether files differ from it; nulls outside one."""
    folder = checkout()
    unknown: dict[str, Any] = {"commit": None, "dirty": None}
    if folder is None or not (folder / ".git").exists():
        return unknown
    try:
        git = ["git", "-C", str(folder)]
        head = subprocess.run(
            [*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True
        )
        status = subprocess.run(
            [*git, "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return unknown
    return {"commit": head.stdout.strip(), "dirty": bool(status.stdout.strip())}


@functools.cache
def processor() -> str:
    """The processor's name: the bits of a product can differ between families of processors."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cores() -> int:
    """How many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # on macOS
        return os.cpu_count() or 1
