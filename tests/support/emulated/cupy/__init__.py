"""A card that is not there: the part of CuPy that the project uses, on the CPU (runtime.h).

Arrays are NumPy arrays in memory of our own. As on a card, what is launched on a stream is computed when somebody waits
for the stream; nothing but kernels and products can be captured; memory that is given back is overwritten, or, within a
pool, given to the next who asks. EMULATED_BYTES is the memory of the card, EMULATED_GRAPH_BYTES what a graph takes of
it, EMULATED_CARDS the number of cards.
"""

import contextlib
import ctypes
import itertools
import os
import sys
import threading
import weakref
from pathlib import Path

import numpy as np
from numpy import bool_, float32, float64, int8, int32, int64, uint8, uint32, uint64  # noqa: F401

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


class _Card:
    used = peak = 0

    @classmethod
    def take(cls, n):
        """Whether there was so much left."""
        if cls.used + n > _BYTES:
            return False
        cls.used += n
        cls.peak = max(cls.peak, cls.used)
        return True

    @classmethod
    def give(cls, n):
        cls.used -= n


class _Memory:
    """A block of a pool; what is left when the last array on it is gone goes back to it."""

    def __init__(self, pool, n):
        self.pool, self.n = pool, n
        self.ptr = pool.take(n)
        self.__array_interface__ = {"data": (self.ptr, False), "typestr": "|u1", "shape": (n,), "version": 3}

    def __del__(self):
        if hasattr(self, "ptr"):  # not where there was no memory left
            self.pool.give(self.ptr, self.n)


class MemoryPool:
    """Memory that is given back stays in the pool for those who ask for as much, and, as CuPy's, is lost to the card
    where the pool is dropped before `free_all_blocks`."""

    def __init__(self, overwrites=False):
        self._free, self._overwrites, self._total = {}, overwrites, 0

    def malloc(self, n):
        return _Memory(self, -(-max(n, 1) // 512) * 512)

    def take(self, n):
        if self._free.get(n):
            return self._free[n].pop()
        if not _Card.take(n):
            raise OutOfMemoryError(f"Out of memory allocating {n:,} bytes (allocated so far: {_Card.used:,} bytes).")
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
            _Card.give(n * len(ptrs))
            self._total -= n * len(ptrs)
        self._free.clear()

    def total_bytes(self):
        return self._total

    def used_bytes(self):
        return _Card.used


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
    """After an error of a kernel, nothing but errors."""
    if cuda.is_lost:
        raise cuda.runtime.CUDARuntimeError(700)


def _now():
    """Before anything that is no kernel: what is under way on the current stream is done first."""
    _alive()
    if LIBRARY.emulated_wait(_stream().ptr):
        raise RuntimeError("the current stream is capturing, so this is disallowed")


class _Pointer:
    def __init__(self, ptr):
        self.ptr = ptr


#: Copies to the card whose source was gone before anybody had waited for them.
n_sources_gone = 0


def _gone(stream, n_waits):
    global n_sources_gone
    n_sources_gone += stream != 0 and LIBRARY.emulated_waits(stream) == n_waits


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
        weakref.finalize(owner, _gone, on, LIBRARY.emulated_waits(on)).atexit = False
        to, source = ctypes.c_void_p(self.ctypes.data), ctypes.c_void_p(array.ctypes.data)
        LIBRARY.emulated_copy(ctypes.c_long(on), to, source, ctypes.c_long(self.nbytes))

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **more):
        _now()
        plain = [i.view(np.ndarray) if isinstance(i, ndarray) else i for i in inputs]
        if out:
            more["out"] = tuple(o.view(np.ndarray) if isinstance(o, ndarray) else o for o in out)
        result = getattr(ufunc, method)(*plain, **more)
        return out[0] if out else _on_card(np.asarray(result))

    def __array_function__(self, function, types, arguments, keywords):
        _now()
        return super().__array_function__(function, types, arguments, keywords)

    def __setitem__(self, key, value):
        _now()
        super().__setitem__(key, value)

    def __getitem__(self, key):
        found = super().__getitem__(key)
        if not isinstance(found, np.ndarray) or not np.may_share_memory(found.view(np.ndarray), self.view(np.ndarray)):
            _now()
            found = _on_card(np.asarray(super().__getitem__(key)))
        return found

    def astype(self, dtype, copy=True, **more):
        if not copy and self.dtype == np.dtype(dtype):
            return self
        _now()
        return _on_card(self.view(np.ndarray).astype(dtype))

    def copy(self, order="C"):
        _now()
        return _on_card(self.view(np.ndarray).copy())

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


def _on_card(values):
    array = _empty(values.shape, values.dtype)
    np.copyto(array.view(np.ndarray), values)
    return array


def empty(shape, dtype=float64):
    return _empty(shape, dtype)


def full(shape, value, dtype=None):
    _now()
    return _on_card(np.full(shape, value, dtype))


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
    return _on_card(np.arange(*args, dtype=dtype))


def asarray(a, dtype=None):
    if isinstance(a, ndarray) and dtype in (None, a.dtype):
        return a
    return array(a, dtype)


def array(a, dtype=None):
    _now()
    return _on_card(np.array(a, dtype=dtype))


def asnumpy(a):
    return a.get() if isinstance(a, ndarray) else np.asarray(a)


def get_array_module(*arrays):
    return sys.modules[__name__] if any(isinstance(a, ndarray) for a in arrays) else np


def is_available():
    return True


def __getattr__(name):
    found = getattr(np, name)
    if not callable(found) or isinstance(found, type):
        return found

    def on_card(*args, **more):
        _now()
        result = found(*args, **more)
        return _on_card(result) if isinstance(result, np.ndarray) and not isinstance(result, ndarray) else result

    return on_card


from . import cuda  # noqa: E402, F401

# What the C types of kernels.cu are to NumPy; CuPy passes bytes on and would not notice another type.
_TYPES = {
    "float*": (float32,),
    "unsigned char*": (uint8, bool_),
    "signed char*": (int8,),
    "int*": (int32,),
    "State*": (uint8,),
    "float": (float32,),
    "int": (int32,),
    "long long": (int64,),
    "unsigned int": (uint32,),
}


def _overlap(one, other):
    if not (isinstance(one, ndarray) and isinstance(other, ndarray)):
        return False
    return np.may_share_memory(one.view(np.ndarray), other.view(np.ndarray))


class RawModule:
    def __init__(self, code=None, options=()):
        assert code == Path(_source.PATH).read_text()
        self._kernels = build.kernels(code)

    def get_function(self, name):
        parameters, _ = self._kernels[name]
        launcher = getattr(LIBRARY, f"launch_{name}")

        def launch(grid, block, args, shared_mem=0):
            _alive()
            assert len(args) == len(parameters), name
            for (type_, _, _), arg in zip(parameters, args, strict=True):
                assert arg.dtype.type in _TYPES[type_], (name, type_, arg.dtype)
                assert type_.endswith("*") == isinstance(arg, ndarray), (name, type_)
                assert not isinstance(arg, ndarray) or arg.flags.c_contiguous, (name, type_)
            for i, j in itertools.combinations(range(len(args)), 2):
                one, other = parameters[i], parameters[j]
                if (one.is_alone or other.is_alone) and (one.is_written or other.is_written):
                    assert not _overlap(args[i], args[j]), (name, i, j)
            assert shared_mem <= (48 << 10) - 512, "what the kernel declares by itself counts, too"
            assert 0 < block[0] <= 1024
            x, y, z = (*grid, 1, 1)[:3]
            assert 0 < x < 2**31 and 0 < y < 65536 and 0 < z < 65536, (name, grid)
            values = [ctypes.c_void_p(a.ctypes.data) if isinstance(a, ndarray) else np.array(a) for a in args]
            places = [ctypes.addressof(v) if isinstance(v, ctypes.c_void_p) else v.ctypes.data for v in values]
            launcher(ctypes.c_long(_stream().ptr), x, y, z, block[0], (ctypes.c_void_p * len(places))(*places))
            cuda.n_launches += 1

        return launch
