"""What the figures were measured on: processor, memory, versions; nothing that names the machine
itself."""

import importlib.metadata
import os
import platform
import re
from typing import Any

import numpy  # noqa: F401  # loads the BLAS that threadpoolctl then finds
from threadpoolctl import threadpool_info

from runner.train import provenance

_PACKAGES = ("numpy", "numba", "llvmlite", "dezero")


def machine() -> dict[str, Any]:
    """Processor, cores this process may use, memory, operating system."""
    return {
        "processor": provenance.processor(),
        "cores": provenance.cores(),
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """Of Python, the packages that compute, the BLAS behind NumPy, and the runner's commit."""
    found = {"python": platform.python_version()}
    found |= {package: importlib.metadata.version(package) for package in _PACKAGES}
    for library in threadpool_info():
        if library["user_api"] == "blas":
            kernels = library.get("architecture", "unknown")
            found["blas"] = f"{library['internal_api']} {library['version']} (kernels: {kernels})"
    commit = provenance.commit()
    found["commit"] = str(commit["commit"]) + (", with changes" if commit["dirty"] else "")
    return found


def slug() -> str:
    """The machine as part of a file name, such as `cpu-amd-epyc-2cores`."""
    name = re.sub(r"\((?:r|tm)\)|processor|cpu|@.*", " ", provenance.processor().lower())
    return "cpu-" + re.sub(r"[^a-z0-9]+", "-", name).strip("-") + f"-{provenance.cores()}cores"


def _memory_gib() -> int | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    except (AttributeError, ValueError, OSError):  # not on every system
        return None
