"""The kernels of kernels.cu, compiled by NVRTC for the card at hand when the first is launched, and kept by CuPy."""

import functools
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("kernels.cu")
#: Threads of a block, as in kernels.cu.
THREADS = 256


@functools.cache
def _kernel(name: str) -> Any:
    import cupy

    return _module(cupy).get_function(name)


@functools.cache
def _module(cupy: Any) -> Any:
    return cupy.RawModule(code=SOURCE.read_text(encoding="ascii"), options=("--std=c++17",))


def launch(name: str, grid: tuple[int, ...], *args: Any, shared: int = 0) -> None:
    """Launch a kernel with THREADS threads a block on the current stream.

    Parameters
    ----------
    args
        Arrays on the card, and NumPy scalars of the very types that the kernel declares: CuPy passes their bytes on.
    shared
        Bytes of shared memory that the kernel asks for by itself.
    """
    _kernel(name)(grid, (THREADS,), args, shared_mem=shared)


def blocks(n_threads: int) -> tuple[int]:
    """A grid of at least so many threads."""
    return (max(1, -(-n_threads // THREADS)),)
