"""How every kernel of the CPU is compiled: three decorators, why there are three, and where the result is kept.

A kernel without options of its own would inherit those of whichever caller compiles it first, so each names
one of the three. All divide as NumPy does (`error_model`): Python's test for a zero divisor in every division
keeps a loop from being vectorised. None lets the compiler assume that a number is finite: a loss that is not
must stay so. Kernels loop over `range(uint64(n))`: a signed index might be negative, which Python counts from
the end, and that possibility, too, keeps a loop from being vectorised.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

from runner import seeding
from runner.files import cache_folder

_CONFIG: Any = numba.config  # its names are made when it is read


def _keep_compiled_code() -> bool:
    """Have Numba keep its code in the user's cache, in a folder named by all that these kernels are made of.

    Numba's own rule looks at the file of the kernel alone, and would go on with an old version of what it calls
    or imports. NUMBA_CACHE_DIR still says otherwise when it is set. False when there is no folder of the user's
    own: what Numba reads there is run, so it must not be a shared one.
    """
    if "NUMBA_CACHE_DIR" in os.environ:
        return True
    cache = cache_folder()
    if cache is None:
        return False
    sources = [*sorted(Path(__file__).parent.glob("*.py")), Path(seeding.__file__)]
    contents = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
    folder = cache / f"kernels-{contents[:16]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # Numba would look for another place, where its own rule holds
        return False
    _CONFIG.CACHE_DIR = str(folder)
    return True


def first_use() -> bool:
    """Whether no compiled kernel is kept yet, so that this machine must compile: about ten seconds, once."""
    return not _KEPT or next(Path(_CONFIG.CACHE_DIR).rglob("*.nbc"), None) is None


def _decorator(**options: Any) -> Callable[[Any], Any]:
    def compiled(kernel: Any) -> Any:
        try:
            return numba.njit(cache=_KEPT, error_model="numpy", **options)(kernel)
        except (RuntimeError, OSError):  # the folder cannot be written: compiled anew in every process
            return numba.njit(error_model="numpy", **options)(kernel)

    return compiled


_KEPT = _keep_compiled_code()

#: A multiplication and an addition may become one fused operation, rounded once; sums keep their order.
fused: Any = _decorator(fastmath={"contract"})

#: Every operation rounds as NumPy's does, one after the other.
as_numpy: Any = _decorator(fastmath=False)

#: Sums may also be taken in as many parts as a vector of this processor has lanes. Their bits then belong to a
#: family of processors, as those of the BLAS's products do.
summing: Any = _decorator(fastmath={"contract", "reassoc", "nsz"})
