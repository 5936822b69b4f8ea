"""The kernels of kernels.cu, launched as by CuPy, with the checks that CuPy does not make."""

import ctypes
import itertools
from pathlib import Path

import build
import numpy as np
from numpy import float32, int8, int32, int64, uint8, uint16, uint32

import cupy
from cupy import LIBRARY, _source, cuda, faults, ndarray

# The NumPy types of the C types in kernels.cu. CuPy passes bytes and would not notice another type.
_TYPES = {
    "float*": (float32,),
    "unsigned char*": (uint8,),
    "unsigned short*": (uint16,),
    "signed char*": (int8,),
    "int*": (int32,),
    "State*": (uint8,),
    "float": (float32,),
    "int": (int32,),
    "long long": (int64,),
    "unsigned int": (uint32,),
}


def _overlap(a, b):
    if not (isinstance(a, ndarray) and isinstance(b, ndarray)):
        return False
    return np.may_share_memory(a.view(np.ndarray), b.view(np.ndarray))


class RawModule:
    def __init__(self, code=None, options=()):
        assert code == Path(_source.PATH).read_text()
        self._kernels = build.kernels(code)

    __del__ = cuda._freed

    def get_function(self, name):
        parameters, _ = self._kernels[name]
        launcher = getattr(LIBRARY, f"launch_{name}")

        def launch(grid, block, args, shared_mem=0):
            cupy._alive()
            assert len(args) == len(parameters), name
            for (type_, _, _), arg in zip(parameters, args, strict=True):
                assert arg.dtype.type in _TYPES[type_], (name, type_, arg.dtype)
                assert type_.endswith("*") == isinstance(arg, ndarray), (name, type_)
                assert not isinstance(arg, ndarray) or arg.flags.c_contiguous, (name, type_)
            for i, j in itertools.combinations(range(len(args)), 2):
                a, b = parameters[i], parameters[j]
                if (a.is_restrict or b.is_restrict) and (a.is_written or b.is_written):
                    assert not _overlap(args[i], args[j]), (name, i, j)
            assert shared_mem <= (48 << 10) - 512, "static shared memory counts too"
            assert 0 < block[0] <= 1024
            x, y, z = (*grid, 1, 1)[:3]
            assert 0 < x < 2**31 and 0 < y < 65536 and 0 < z < 65536, (name, grid)
            values = [
                ctypes.c_void_p(arg.ctypes.data) if isinstance(arg, ndarray) else np.array(arg)
                for arg in args
            ]
            places = [
                ctypes.addressof(v) if isinstance(v, ctypes.c_void_p) else v.ctypes.data
                for v in values
            ]
            stream, arguments = ctypes.c_long(cupy._stream().ptr), ctypes.c_void_p * len(places)
            launcher(stream, x, y, z, block[0], arguments(*places))
            cuda.n_launches += 1
            written = [
                arg
                for of, arg in zip(parameters, args, strict=True)
                if of.is_written and of.type_.endswith("*") and of.type_ != "State*"
            ]
            faults.after_launch(name, cupy._stream().ptr, written)

        return launch
