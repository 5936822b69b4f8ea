"""An emulated GPU: the part of CuPy that the project uses, on the CPU (runtime.h).

Arrays are NumPy arrays in memory of their own. As on a GPU, work on a stream is asynchronous: it is
done when the host waits for the stream. Only kernels and products can be captured. Freed memory is
overwritten, or reused within its pool.

EMULATED_BYTES is the memory of the GPU, EMULATED_GRAPH_BYTES the memory that a graph takes, and
EMULATED_GPUS the number of GPUs. faults.py says what may be wrong with them.
"""

import contextlib
import ctypes
import os
import sys
import threading
import weakref
from pathlib import Path

import numpy as np
from numpy import (  # noqa: F401
    bool_,
    float32,
    float64,
    int8,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import build  # noqa: E402

from . import _source  # noqa: E402

__version__ = "14.2.0+emulated"
LIBRARY = build.load(_source.PATH)
LIBRARY.emulated_launch.argtypes = [ctypes.c_long, ctypes.c_long]
for _name in ("stream", "end", "nodes", "pending", "waits"):
    getattr(LIBRARY, f"emulated_{_name}").restype = ctypes.c_long

_BYTES = int(os.environ.get("EMULATED_BYTES") or 1 << 40)
_libc = ctypes.CDLL(None)
_libc.malloc.restype = ctypes.c_void_p
_libc.malloc.argtypes = [ctypes.c_size_t]
_libc.free.argtypes = [ctypes.c_void_p]


class OutOfMemoryError(MemoryError):
    pass


class _Gpu:
    used = peak = 0

    @classmethod
    def take(cls, n):
        """Whether n bytes were left; they then are taken."""
        if cls.used + n > _BYTES:
            return False
        cls.used += n
        cls.peak = max(cls.peak, cls.used)
        return True

    @classmethod
    def give(cls, n):
        cls.used -= n


class _Memory:
    """A block of a pool, which gets it back when the last array in it is deleted."""

    def __init__(self, pool, n):
        self.pool, self.n = pool, n
        self.ptr = pool.take(n)
        self.__array_interface__ = {
            "data": (self.ptr, False),
            "typestr": "|u1",
            "shape": (n,),
            "version": 3,
        }

    def __del__(self):
        if hasattr(self, "ptr"):  # missing when there was no memory left
            self.pool.give(self.ptr, self.n)


class MemoryPool:
    """Freed memory stays in the pool for allocations of the same size.

    As in CuPy, a pool that is deleted before `free_all_blocks` never gives its memory back.
    """

    def __init__(self, overwrites=False):
        self._free, self._overwrites, self._total = {}, overwrites, 0

    def malloc(self, n):
        return _Memory(self, -(-max(n, 1) // 512) * 512)

    def take(self, n):
        if self._free.get(n):
            return self._free[n].pop()
        if not _Gpu.take(n):
            raise OutOfMemoryError(
                f"Out of memory allocating {n:,} bytes (allocated so far: {_Gpu.used:,} bytes)."
            )
        self._total += n
        ptr = _libc.malloc(n + 64)
        ctypes.memset(ptr, 0xFF, n)
        return ptr

    def give(self, ptr, n):
        if self._overwrites:
            ctypes.memset(ptr, 0xFF, n)
        self._free.setdefault(n, []).append(ptr)

    def free_all_blocks(self):
        _alive()
        for n, ptrs in self._free.items():
            for ptr in ptrs:
                ctypes.memset(ptr, 0xFF, n)
                _libc.free(ptr)
            _Gpu.give(n * len(ptrs))
            self._total -= n * len(ptrs)
        self._free.clear()

    def total_bytes(self):
        return self._total

    def used_bytes(self):
        return _Gpu.used


_POOL = MemoryPool(overwrites=True)
_here = threading.local()


def get_default_memory_pool():
    return _POOL


get_default_pinned_memory_pool = get_default_memory_pool


@contextlib.contextmanager
def using_allocator(allocator):
    before = getattr(_here, "allocator", None)
    _here.allocator = allocator
    try:
        yield
    finally:
        _here.allocator = before


def _stream():
    return getattr(_here, "stream", None) or cuda.Stream.null


def _alive():
    """After an error of a kernel every call fails."""
    if cuda.is_lost:
        raise cuda.runtime.CUDARuntimeError(700)


def _now():
    """Do the work of the current stream, before anything that is not a kernel."""
    _alive()
    if LIBRARY.emulated_wait(_stream().ptr):
        raise RuntimeError("the current stream is capturing, so this is disallowed")


class _Pointer:
    def __init__(self, ptr):
        self.ptr = ptr


#: Copies to the GPU whose source was freed before the host had waited for them.
n_sources_lost = 0


def _source_freed(stream, n_waits):
    global n_sources_lost
    n_sources_lost += stream != 0 and LIBRARY.emulated_waits(stream) == n_waits


class ndarray(np.ndarray):
    @property
    def data(self):
        return _Pointer(self.ctypes.data)

    @property
    def device(self):
        return cuda.Device(0)

    def get(self, stream=None, order="C", out=None, blocking=True):
        _alive()
        if LIBRARY.emulated_wait((stream or _stream()).ptr):
            raise RuntimeError("the current stream is capturing, so D2H transfers are disallowed")
        return np.array(self.view(np.ndarray))

    def set(self, array, stream=None):
        _alive()
        assert array.dtype == self.dtype and array.shape == self.shape and self.flags.c_contiguous
        on = (stream or _stream()).ptr
        if LIBRARY.emulated_is_captured(on):
            raise RuntimeError("the current stream is capturing, so H2D transfers are disallowed")
        array = owner = np.ascontiguousarray(array)
        while owner.base is not None:
            owner = owner.base
        weakref.finalize(owner, _source_freed, on, LIBRARY.emulated_waits(on)).atexit = False
        to, source = ctypes.c_void_p(self.ctypes.data), ctypes.c_void_p(array.ctypes.data)
        LIBRARY.emulated_copy(ctypes.c_long(on), to, source, ctypes.c_long(self.nbytes))

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        _now()
        plain = [i.view(np.ndarray) if isinstance(i, ndarray) else i for i in inputs]
        if out:
            options["out"] = tuple(o.view(np.ndarray) if isinstance(o, ndarray) else o for o in out)
        result = getattr(ufunc, method)(*plain, **options)
        return out[0] if out else _on_gpu(np.asarray(result))

    def __array_function__(self, function, types, arguments, keywords):
        _now()
        return super().__array_function__(function, types, arguments, keywords)

    def __setitem__(self, key, value):
        _now()
        super().__setitem__(key, value)

    def __getitem__(self, key):
        item = super().__getitem__(key)
        if not isinstance(item, np.ndarray) or not np.may_share_memory(
            item.view(np.ndarray), self.view(np.ndarray)
        ):
            _now()
            item = _on_gpu(np.asarray(super().__getitem__(key)))
        return item

    def astype(self, dtype, copy=True, **options):
        if not copy and self.dtype == np.dtype(dtype):
            return self
        _now()
        return _on_gpu(self.view(np.ndarray).astype(dtype))

    def copy(self, order="C"):
        _now()
        return _on_gpu(self.view(np.ndarray).copy())

    def __float__(self):
        _now()
        return float(self.view(np.ndarray))

    def __bool__(self):
        _now()
        return bool(self.view(np.ndarray))


def _empty(shape, dtype):
    dtype = np.dtype(dtype)
    shape = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    n = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    memory = (getattr(_here, "allocator", None) or _POOL.malloc)(n)
    return np.asarray(memory)[:n].view(dtype).reshape(shape).view(ndarray)


def _on_gpu(values):
    array = _empty(values.shape, values.dtype)
    np.copyto(array.view(np.ndarray), values)
    return array


def empty(shape, dtype=float64):
    return _empty(shape, dtype)


def full(shape, value, dtype=None):
    _now()
    return _on_gpu(np.full(shape, value, dtype))


def zeros(shape, dtype=float64):
    return full(shape, 0, dtype)


def ones(shape, dtype=float64):
    return full(shape, 1, dtype)


def empty_like(a, dtype=None):
    return _empty(a.shape, dtype or a.dtype)


def zeros_like(a, dtype=None):
    return zeros(a.shape, dtype or a.dtype)


def ones_like(a, dtype=None):
    return ones(a.shape, dtype or a.dtype)


def arange(*args, dtype=None):
    _now()
    return _on_gpu(np.arange(*args, dtype=dtype))


def asarray(a, dtype=None):
    if isinstance(a, ndarray) and dtype in (None, a.dtype):
        return a
    return array(a, dtype)


def array(a, dtype=None):
    _now()
    return _on_gpu(np.array(a, dtype=dtype))


def asnumpy(a):
    return a.get() if isinstance(a, ndarray) else np.asarray(a)


def get_array_module(*arrays):
    return sys.modules[__name__] if any(isinstance(a, ndarray) for a in arrays) else np


def is_available():
    return True


def __getattr__(name):
    attribute = getattr(np, name)
    if not callable(attribute) or isinstance(attribute, type):
        return attribute

    def on_gpu(*args, **options):
        _now()
        result = attribute(*args, **options)
        return (
            _on_gpu(result)
            if isinstance(result, np.ndarray) and not isinstance(result, ndarray)
            else result
        )

    return on_gpu


from . import cuda, faults  # noqa: E402, F401
from ._module import RawModule  # noqa: E402, F401
