"""DeZero 0.0.13 as it is installed, on today's NumPy: nothing of the runner is imported in this
process."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.nets import Net

if TYPE_CHECKING:
    from benchmarks.contestants.published_loop import PublishedLoop


def build(net: Net, folder: Path, gpu: bool = False) -> "PublishedLoop":
    """The published loop in whatever type DeZero's weights come out as: float64 under NumPy 2."""
    # The one thing without which `import dezero` fails: NumPy lost this name in 1.24.
    np.__dict__["int"] = int
    from benchmarks.contestants.published_loop import PublishedLoop

    return PublishedLoop(net, folder, gpu)
