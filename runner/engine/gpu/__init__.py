"""The fast engine's arithmetic on a card. Nothing here needs CuPy until a `Kernels` is made."""

from runner.engine.gpu.kernels import Kernels
from runner.engine.gpu.passes import STATE, Pass, board_size

__all__ = ["STATE", "Kernels", "Pass", "board_size"]
