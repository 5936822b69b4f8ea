"""What is wrong with the emulated card: for tests of what finds that out.

EMULATED_FAULT, or `fault` here, is one of

    wrong:KERNEL   all that the kernel, or `product`, writes is off by a thousandth
    graphs:KERNEL  the same within a CUDA graph alone
    restless:KERNEL    what it writes is off by about 1e-6, each time by another number
    no_capture     no stream can be captured
    memory         the card says nothing of the memory that is taken
    hang, crash, lost      after LAUNCHES kernels: nothing happens any more, the process ends, every
                   call fails

EMULATED_FAULT_CARD is the number of the one card that has it; by default all have.
"""

import ctypes
import os
import random
import time

fault = os.environ.get("EMULATED_FAULT", "")
LAUNCHES = 150
_card = os.environ.get("EMULATED_FAULT_CARD", "")
_FACTORS = {"wrong": lambda: 1.001, "graphs": lambda: 1.001}
_random = random.Random()  # the global one is watched
_FACTORS["restless"] = lambda: 1 + 1e-6 * _random.uniform(0.5, 1)
#: The names of all kernels that were launched.
launched = set()


def has(kind):
    import cupy

    return fault.partition(":")[0] == kind and _card in ("", str(cupy.cuda.physical()))


def after_launch(name, stream, arrays):
    """Spoil what a kernel has written, once it has run."""
    import cupy

    launched.add(name)
    is_wrong = fault == "wrong:product" and has("wrong")
    cupy.LIBRARY.emulated_product(ctypes.c_float(1.001 if is_wrong else 1))
    if any(map(has, ("hang", "crash", "lost"))) and cupy.cuda.n_launches > LAUNCHES:
        while has("hang"):
            time.sleep(60)
        if has("crash"):
            os.abort()
        cupy.cuda.is_lost = True
        cupy._alive()
    kind, _, kernel = fault.partition(":")
    if kernel != name or not has(kind):
        return
    if kind == "graphs" and not cupy.LIBRARY.emulated_is_captured(stream):
        return
    on, factor = ctypes.c_long(stream), ctypes.c_float(_FACTORS[kind]())
    floats = [array for array in arrays if array.dtype == "float32"]
    for array in floats:
        place, n = ctypes.c_void_p(array.ctypes.data), ctypes.c_long(array.size)
        cupy.LIBRARY.emulated_scale(on, place, n, factor)
    for array in [] if floats else arrays:
        place, n = ctypes.c_void_p(array.ctypes.data), ctypes.c_long(array.nbytes)
        cupy.LIBRARY.emulated_flip(on, place, n)
