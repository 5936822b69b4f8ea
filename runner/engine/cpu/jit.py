"""How the kernels of the CPU are compiled: three decorators, and where the compiled code is kept.

Each kernel has one of the three decorators, because one without options inherits those of whichever
caller compiles it first. All three divide as NumPy does (`error_model`): Python's test for a zero
divisor keeps a loop from being vectorised. None lets the compiler assume that numbers are finite: a
loss that is not must stay so. Kernels loop over `range(uint64(n))`: a signed index may be negative,
which Python counts from the end, and that test, too, keeps a loop from being vectorised.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from runner import seeding
from runner.system.files import cache_folder

_CONFIG: Any = numba.config  # untyped: Numba makes its names at run time


def _keep_compiled_code() -> bool:
    """Have Numba keep compiled code in the user's cache, by the hash of the kernels' sources.

    Numba's own rule looks at the file of a kernel alone, and would use an old version of what it
    calls or imports. Where NUMBA_CACHE_DIR is set, it is obeyed.

    Returns
    -------
    False when the user has no cache folder. A shared one will not do: what Numba reads there is
    run.
    """
    if "NUMBA_CACHE_DIR" in os.environ:
        return True
    cache = cache_folder()
    if cache is None:
        return False
    sources = [*sorted(Path(__file__).parent.rglob("*.py")), Path(seeding.__file__)]
    contents = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    folder = cache / f"kernels-{contents[:16]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # Numba would take another folder and its own rule
        return False
    _CONFIG.CACHE_DIR = str(folder)
    return True


def first_use() -> bool:
    """Whether no compiled kernel is kept yet: this machine must compile, which takes seconds."""
    return not _KEPT or next(Path(_CONFIG.CACHE_DIR).rglob("*.nbc"), None) is None


def _decorator(**options: Any) -> Callable[[Any], Any]:
    def compiled(kernel: Any) -> Any:
        try:
            return numba.njit(cache=_KEPT, error_model="numpy", nogil=True, **options)(kernel)
        except (
            RuntimeError,
            OSError,
        ):  # the folder cannot be written to: every process compiles anew
            return numba.njit(error_model="numpy", nogil=True, **options)(kernel)

    return compiled


_KEPT = _keep_compiled_code()

#: A multiplication and an addition may become one fused operation, which rounds once; sums keep
#: their order.
fused: Any = _decorator(fastmath={"contract"})

#: Every operation rounds by itself, as in NumPy.
as_numpy: Any = _decorator(fastmath=False)

#: Sums, too, may be taken in as many parts as a vector register of the processor has. Their bits
#: then are those of a family of processors, as for the products of the BLAS.
summing: Any = _decorator(fastmath={"contract", "reassoc", "nsz"})
