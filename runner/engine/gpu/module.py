"""The kernels of kernels.cu, compiled by NVRTC at the first launch and cached by CuPy."""

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
    """Launch a kernel on the current stream, with THREADS threads per block.

    Parameters
    ----------
    args
        CuPy arrays, and NumPy scalars of exactly the types that the kernel declares: CuPy passes
        their bytes and does not convert them.
    shared
        Bytes of dynamic shared memory per block.
    """
    _kernel(name)(grid, (THREADS,), args, shared_mem=shared)


def blocks(n_threads: int) -> tuple[int]:
    """The smallest grid, of one block or more, that has `n_threads` threads."""
    return (max(1, -(-n_threads // THREADS)),)
