"""A cuBLAS handle that cannot be made."""

import pytest

from runner.engine.gpu import blas

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("status, error", [(1, MemoryError), (3, MemoryError), (8, blas.BlasError)])
def test_a_handle_without_memory_is_a_memory_error(status, error, monkeypatch):
    import cupy

    class Library:
        def cublasCreate_v2(self, _):
            return status

        cublasDestroy_v2 = None

    monkeypatch.setattr(blas, "_library", Library)
    with pytest.raises(error):
        blas.Blas(cupy.cuda.Stream(non_blocking=True), tf32=False)
