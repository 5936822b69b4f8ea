"""The one door to CuPy: whether there is a GPU, which one, and arrays on it."""

import os
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from runner.errors import DeviceError

# As many streams as this do not wait for each other's launches. CUDA reads it once, and whatever imports CuPy first,
# DeZero among them, may be what has it do so.
os.environ.setdefault("CUDA_DEVICE_MAX_CONNECTIONS", "32")

#: The engines that device=auto gives to a GPU. The fast one must be asked for: its kernels were compiled, and run in an
#: emulator, but never on a card so far.
_AUTO_ON_GPU = {"stock"}
#: cudaErrorMemoryAllocation, and CUDA_ERROR_OUT_OF_MEMORY.
_OUT_OF_MEMORY = 2
#: Memory pools of runs that are over. CuPy's pool, dropped while it holds free memory, never gives that back.
LEFT_POOLS: list[Any] = []


def gpu_is_available() -> bool:
    """Whether CuPy is installed and finds a device it can use."""
    try:
        import cupy
    except ImportError:
        return False
    return bool(cupy.is_available())


def resolve(device: str, engines: set[str]) -> str:
    """ "cpu" or "gpu" for what the configuration says and the engines that are to compute there.

    Raises
    ------
    DeviceError
        For "gpu" where there is none, with what to install.
    """
    if device == "gpu" and not gpu_is_available():
        raise DeviceError(
            "device=gpu: CuPy finds no usable GPU here; install it with pip install '.[cuda12]' or '.[cuda13]'"
            " (the driver's CUDA version: nvidia-smi), or train with device=cpu"
        )
    if device == "auto":
        return "gpu" if engines <= _AUTO_ON_GPU and gpu_is_available() else "cpu"
    return device


def gpu_count() -> int:
    """How many cards CuPy sees."""
    if not gpu_is_available():
        return 0
    import cupy

    return int(cupy.cuda.runtime.getDeviceCount())


def gpu_buses() -> list[str]:
    """Where each card is plugged in: a name that a machine's processes share, whichever cards they see."""
    import cupy

    return [cupy.cuda.Device(card).pci_bus_id for card in range(gpu_count())]


def card(number: int) -> AbstractContextManager[Any]:
    """A context in which that card is the current one."""
    import cupy

    return cupy.cuda.Device(number)  # type: ignore[no-any-return]  # CuPy is untyped


def current_card() -> int:
    """The number of the card that arrays are made on."""
    import cupy

    return int(cupy.cuda.Device().id)


def gpu_name() -> str:
    """What the driver calls the current card."""
    import cupy

    return str(cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"].decode())


def array_module(device: str) -> Any:
    """`cupy` for the device "gpu", `numpy` for "cpu"."""
    if device == "cpu":
        return np
    import cupy

    return cupy


def is_on_cpu(array: Any) -> bool:
    """Whether it is NumPy's; `device` is of the array API standard, which CuPy answers with a device of its own."""
    return isinstance(array.device, str)


def to_numpy(array: Any) -> Any:
    """The array as a NumPy array, whichever device it is on."""
    return array if is_on_cpu(array) else array.get()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was short; CUDA says so of graphs and modules by a number and not by a MemoryError."""
    name, status = type(error).__name__, getattr(error, "status", None)
    by_number = name in ("CUDARuntimeError", "CUDADriverError") and status == _OUT_OF_MEMORY
    return isinstance(error, MemoryError) or name == "OutOfMemoryError" or by_number


def card_is_lost() -> bool:
    """Whether this process cannot use its card any more: an access to memory that is not there is never forgiven."""
    import cupy

    try:
        cupy.cuda.runtime.deviceSynchronize()
    except cupy.cuda.runtime.CUDARuntimeError:
        return True
    return False


def free_gpu_bytes() -> int:
    """Memory of the current card that nobody holds."""
    import cupy

    return int(cupy.cuda.Device().mem_info[0])


def free_gpu_memory() -> None:
    """Give the memory that a finished run held back to the card."""
    import cupy

    cupy.get_default_memory_pool().free_all_blocks()
    cupy.get_default_pinned_memory_pool().free_all_blocks()
    for pool in list(LEFT_POOLS):
        pool.free_all_blocks()
        if not pool.total_bytes():  # else something is still alive in it
            LEFT_POOLS.remove(pool)
