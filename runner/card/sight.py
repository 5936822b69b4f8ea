"""Whether a card may be here, without CUDA and without waiting: most machines have none."""

import importlib.util
import os
import shutil
import subprocess

#: What the driver makes where there is a card: on Linux, under WSL, on Jetson boards.
_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/nvhost-gpu")
#: The first driver that runs CUDA 13.
_CUDA_13 = 580
_ASK_S = 10.0


def in_sight() -> bool:
    """Whether this process may see a card; it says nothing yet of whether CuPy can use it."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1"):
        return False
    return any(map(os.path.exists, _DRIVERS)) or shutil.which("nvidia-smi") is not None


def has_cupy() -> bool:
    """Whether CuPy is installed; it is not imported."""
    return importlib.util.find_spec("cupy") is not None


def without_cupy() -> tuple[list[str], str]:
    """The names of the cards as `nvidia-smi` tells them, and the extra that installs CuPy."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=_ASK_S)
    except (OSError, subprocess.SubprocessError):
        return [], "cuda12"
    if told.returncode:
        return [], "cuda12"
    pairs = [line.rpartition(",") for line in told.stdout.splitlines() if "," in line]
    drivers = [driver.strip().partition(".")[0] for _, _, driver in pairs]
    is_13 = any(driver.isdigit() and int(driver) >= _CUDA_13 for driver in drivers)
    return [name.strip() for name, _, _ in pairs], "cuda13" if is_13 else "cuda12"
