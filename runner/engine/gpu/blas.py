"""cuBLAS's single-precision products on a handle of our own.

CuPy's own products set their handle's stream at each call, which may not be done while a CUDA graph is captured, and
CuPy refuses them there. A handle that belongs to one stream, with a workspace of its own, needs no such call, gives
the same bits every time, and its products become nodes of the graph (cuBLAS manual, 2.1.4 and 2.1.12).
"""

import ctypes
import functools
import weakref
from typing import Any

_OPERATION = {False: 0, True: 1}  # CUBLAS_OP_N, CUBLAS_OP_T
_DEFAULT_MATH, _TF32_MATH = 0, 3
_NOT_INITIALIZED, _ALLOC_FAILED = 1, 3
#: Bytes; what the manual recommends for Hopper, and more than it does for older cards.
_WORKSPACE = 32 << 20


class BlasError(RuntimeError):
    """cuBLAS refused a call."""


class Blas:
    """Products on one stream.

    Parameters
    ----------
    stream
        A CuPy stream.
    tf32
        Round the factors to 10 bits of mantissa, for tensor cores.
    """

    def __init__(self, stream: Any, tf32: bool) -> None:
        import cupy

        # The handle is destroyed before its stream.
        self._library, self._stream = _library(), stream
        self._handle = ctypes.c_void_p()
        status = self._library.cublasCreate_v2(ctypes.byref(self._handle))
        # A card without room for what a handle takes answers so, too.
        self._checked(_ALLOC_FAILED if status == _NOT_INITIALIZED else status)
        # Not when the process ends: the driver may be gone by then, and takes everything with it.
        weakref.finalize(self, self._library.cublasDestroy_v2, self._handle).atexit = False
        # Setting the stream takes the workspace away, so it comes first.
        self._checked(self._library.cublasSetStream_v2(self._handle, ctypes.c_void_p(stream.ptr)))
        # As old as any graph that was captured with it: a graph keeps its address and not the memory.
        self._workspace = cupy.empty(_WORKSPACE, dtype="uint8")
        pointer = ctypes.c_void_p(self._workspace.data.ptr)
        self._checked(self._library.cublasSetWorkspace_v2(self._handle, pointer, ctypes.c_size_t(_WORKSPACE)))
        self._checked(self._library.cublasSetMathMode(self._handle, _TF32_MATH if tf32 else _DEFAULT_MATH))

    def product(self, a: Any, b: Any, out: Any, transpose_a: bool = False, transpose_b: bool = False) -> None:
        """out = op(a) @ op(b), float32 in C order; op transposes the last two axes where it is asked to.

        A leading axis of `out` is a batch of products; `a` or `b` without it is the same in each.
        """
        m, n = out.shape[-2:]
        k = a.shape[-2] if transpose_a else a.shape[-1]
        one, zero = ctypes.byref(ctypes.c_float(1)), ctypes.byref(ctypes.c_float(0))
        # cuBLAS thinks in columns: to it these are b, a and out transposed, and out.T = op(b).T @ op(a).T.
        operations = [ctypes.c_int(_OPERATION[transpose]) for transpose in (transpose_b, transpose_a)]
        numbers = [*operations, *(ctypes.c_int(size) for size in (n, m, k)), one]
        if out.ndim == 2:
            # Of few rows by thousands of columns cuBLAS computes parts side by side, but not within a batch of one.
            factors = *_matrix(b), *_matrix(a), zero, *_matrix(out)
            self._checked(self._library.cublasSgemm_v2(self._handle, *numbers, *factors))
            return
        batches = *_matrices(b), *_matrices(a), zero, *_matrices(out), ctypes.c_int(len(out))
        self._checked(self._library.cublasSgemmStridedBatched(self._handle, *numbers, *batches))

    @staticmethod
    def _checked(status: int) -> None:
        if status == _ALLOC_FAILED:
            raise MemoryError("cuBLAS finds no memory left on the card")
        if status:
            raise BlasError(f"cuBLAS answered with status {status}")


def _matrix(array: Any) -> tuple[Any, Any]:
    """Its address and the length of its rows."""
    return ctypes.c_void_p(array.data.ptr), ctypes.c_int(array.shape[-1])


def _matrices(array: Any) -> tuple[Any, Any, Any]:
    """The same of the first of a batch, and how far the next one is; 0 where there is one for all."""
    stride = array.shape[-2] * array.shape[-1] if array.ndim == 3 else 0
    return *_matrix(array), ctypes.c_longlong(stride)


@functools.cache
def _library() -> ctypes.CDLL:
    # A dependency of CuPy, which finds its libraries with it.
    from cuda.pathfinder import load_nvidia_dynamic_lib

    return ctypes.CDLL(load_nvidia_dynamic_lib("cublas").abs_path)
