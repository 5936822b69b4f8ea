"""The door to CuPy: whether there is a GPU, which one, and arrays on it."""

import os
from contextlib import AbstractContextManager
from typing import Any, TypeAlias

import numpy as np

# So many streams do not wait for each other's launches. CUDA reads the number once, when CuPy is
# imported first, which DeZero may do: it is set before any of them.
os.environ.setdefault("CUDA_DEVICE_MAX_CONNECTIONS", "32")

#: An array on an engine's device: NumPy's on the CPU, CuPy's on a GPU. CuPy has no types;
#: docstrings give the shape.
Array: TypeAlias = Any

#: cudaErrorMemoryAllocation, and CUDA_ERROR_OUT_OF_MEMORY.
_OUT_OF_MEMORY = 2
#: Memory pools of runs that have ended. CuPy does not give back the free memory of a pool that is
#: dropped, so they are kept until nothing is allocated in them.
LEFT_POOLS: list[Any] = []


def gpu_is_available() -> bool:
    """Whether CuPy is installed and finds a device that it can use."""
    try:
        import cupy
    except ImportError:
        return False
    return bool(cupy.is_available())


def gpu_count() -> int:
    """How many cards CuPy sees."""
    if not gpu_is_available():
        return 0
    import cupy

    return int(cupy.cuda.runtime.getDeviceCount())


def gpu_buses() -> list[str]:
    """The PCI bus of each card: its name for all processes, whichever cards each of them sees."""
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


def gpu_name(number: int | None = None) -> str:
    """The driver's name for a card, by default the current one."""
    return str(_properties(number)["name"].decode())


def gpu_uuid(number: int) -> str:
    """What tells a card from every other one, 32 hexadecimal digits."""
    return bytes(_properties(number)["uuid"]).hex()


def gpu_bytes(number: int) -> int:
    """The memory of a card."""
    return int(_properties(number)["totalGlobalMem"])


def _properties(number: int | None) -> dict[str, Any]:
    """What the driver tells of a card without using it, which takes memory there."""
    import cupy

    number = current_card() if number is None else number
    return cupy.cuda.runtime.getDeviceProperties(number)  # type: ignore[no-any-return]


def gpu_versions() -> dict[str, str]:
    """The versions of CuPy, and of CUDA in the driver and in the libraries: 12.9 is "12090"."""
    import cupy

    runtime = cupy.cuda.runtime
    return {
        "CuPy": str(cupy.__version__),
        "CUDA of the driver": str(runtime.driverGetVersion()),
        "CUDA of the libraries": str(runtime.runtimeGetVersion()),
    }


def array_module(device: str) -> Any:
    """`cupy` for the device "gpu", `numpy` for "cpu"."""
    if device == "cpu":
        return np
    import cupy

    return cupy


def is_on_cpu(array: Array) -> bool:
    """Whether an array is NumPy's, whose `device` is a text; CuPy's is an object."""
    return isinstance(array.device, str)


def to_numpy(array: Array) -> Any:
    """The array as a NumPy array, whichever device it is on."""
    return array if is_on_cpu(array) else array.get()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory was short. For graphs and modules CUDA raises a number and no MemoryError."""
    name, status = type(error).__name__, getattr(error, "status", None)
    is_cuda_number = name in ("CUDARuntimeError", "CUDADriverError") and status == _OUT_OF_MEMORY
    return isinstance(error, MemoryError) or name == "OutOfMemoryError" or is_cuda_number


def card_is_lost() -> bool:
    """Whether this process can no longer use its card, as after an invalid memory access."""
    import cupy

    try:
        cupy.cuda.runtime.deviceSynchronize()
    except cupy.cuda.runtime.CUDARuntimeError:
        return True
    return False


def free_gpu_bytes() -> int:
    """Free memory of the current card."""
    import cupy

    return int(cupy.cuda.Device().mem_info[0])


def free_gpu_memory() -> None:
    """Give the memory that a finished run held back to the card."""
    import cupy

    cupy.get_default_memory_pool().free_all_blocks()
    cupy.get_default_pinned_memory_pool().free_all_blocks()
    for pool in list(LEFT_POOLS):
        pool.free_all_blocks()
        if not pool.total_bytes():
            LEFT_POOLS.remove(pool)
