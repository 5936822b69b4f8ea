"""Matrix products in single precision, by a cuBLAS handle that belongs to one stream.

CuPy's own handle is given its stream at each product, which CUDA forbids during a capture, so CuPy
refuses products there. A handle with one stream and its own workspace needs no such call, gives the
same bits every time, and its products become nodes of a CUDA graph (cuBLAS manual, sections 2.1.4
and 2.1.12).
"""

import ctypes
import functools
import weakref
from typing import Any

from runner.engine.device import Array

_OPERATION = {False: 0, True: 1}  # CUBLAS_OP_N, CUBLAS_OP_T
_DEFAULT_MATH, _TF32_MATH = 0, 3
_NOT_INITIALIZED, _ALLOC_FAILED = 1, 3
#: Bytes. The manual recommends this for Hopper, and less for older GPUs.
_WORKSPACE = 32 << 20


class BlasError(RuntimeError):
    """A call of cuBLAS failed."""


class Blas:
    """Products on one stream.

    Parameters
    ----------
    stream
        A CuPy stream.
    tf32
        Whether factors are rounded to 10 bits of mantissa, for tensor cores.
    """

    def __init__(self, stream: Any, tf32: bool) -> None:
        import cupy

        # The stream is kept alive until the handle is destroyed.
        self._library, self._stream = _library(), stream
        self._handle = ctypes.c_void_p()
        status = self._library.cublasCreate_v2(ctypes.byref(self._handle))
        # cuBLAS also reports "not initialized" when the GPU has no memory left for a handle.
        self._checked(_ALLOC_FAILED if status == _NOT_INITIALIZED else status)
        # Not at the exit of the process, where the driver may have shut down already.
        weakref.finalize(self, self._library.cublasDestroy_v2, self._handle).atexit = False
        # First, because setting the stream resets the workspace.
        self._checked(self._library.cublasSetStream_v2(self._handle, ctypes.c_void_p(stream.ptr)))
        # A graph keeps the address of the workspace and no reference, so the handle holds it.
        self._workspace = cupy.empty(_WORKSPACE, dtype="uint8")
        pointer = ctypes.c_void_p(self._workspace.data.ptr)
        self._checked(
            self._library.cublasSetWorkspace_v2(self._handle, pointer, ctypes.c_size_t(_WORKSPACE))
        )
        self._checked(
            self._library.cublasSetMathMode(self._handle, _TF32_MATH if tf32 else _DEFAULT_MATH)
        )

    def product(
        self, a: Array, b: Array, out: Array, transpose_a: bool = False, transpose_b: bool = False
    ) -> None:
        """Fill `out` with op(a) @ op(b), float32 in C order.

        op transposes the last two axes where requested. `out` may have a leading axis, with one
        product each; `a` or `b` without that axis is used in all of them.
        """
        m, n = out.shape[-2:]
        k = a.shape[-2] if transpose_a else a.shape[-1]
        one, zero = ctypes.byref(ctypes.c_float(1)), ctypes.byref(ctypes.c_float(0))
        # cuBLAS expects column-major matrices, and so sees the transposes of ours:
        # out.T = op(b).T @ op(a).T.
        operations = [
            ctypes.c_int(_OPERATION[transpose]) for transpose in (transpose_b, transpose_a)
        ]
        numbers = [*operations, *(ctypes.c_int(size) for size in (n, m, k)), one]
        if out.ndim == 2:
            # Not as a batch of one: there cuBLAS does not split a long inner dimension over blocks.
            factors = *_matrix(b), *_matrix(a), zero, *_matrix(out)
            self._checked(self._library.cublasSgemm_v2(self._handle, *numbers, *factors))
            return
        batches = *_matrices(b), *_matrices(a), zero, *_matrices(out), ctypes.c_int(len(out))
        self._checked(self._library.cublasSgemmStridedBatched(self._handle, *numbers, *batches))

    @staticmethod
    def _checked(status: int) -> None:
        if status == _ALLOC_FAILED:
            raise MemoryError("cuBLAS found no memory left on the GPU")
        if status:
            raise BlasError(f"a call of cuBLAS failed with status {status}")


def _matrix(array: Array) -> tuple[Any, Any]:
    """Address and leading dimension of a matrix."""
    return ctypes.c_void_p(array.data.ptr), ctypes.c_int(array.shape[-1])


def _matrices(array: Array) -> tuple[Any, Any, Any]:
    """Address, leading dimension and stride of a batch; 0 for one matrix in all products."""
    stride = array.shape[-2] * array.shape[-1] if array.ndim == 3 else 0
    return *_matrix(array), ctypes.c_longlong(stride)


@functools.cache
def _library() -> ctypes.CDLL:
    # CuPy depends on cuda-pathfinder and finds its own libraries with it.
    from cuda.pathfinder import load_nvidia_dynamic_lib

    return ctypes.CDLL(load_nvidia_dynamic_lib("cublas").abs_path)
