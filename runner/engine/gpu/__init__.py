"""The fast engine on a GPU. Nothing here imports CuPy before a `Kernels` is made."""
