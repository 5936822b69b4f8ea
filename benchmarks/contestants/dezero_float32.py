"""DeZero with its weights and gradients kept in float32, which is what runner/engine/dezero.py
repairs."""

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.nets import Net

if TYPE_CHECKING:
    from benchmarks.contestants.published_loop import PublishedLoop


def build(net: Net, folder: Path, gpu: bool = False) -> "PublishedLoop":
    """The published loop in float32."""
    # First of all: it repairs the package that the loop imports.
    import runner.engine.dezero  # noqa: F401
    from benchmarks.contestants.published_loop import PublishedLoop

    return PublishedLoop(net, folder, gpu)
