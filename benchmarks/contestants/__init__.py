"""Who is timed. Each trains and evaluates the same networks on the same images, in its own users'
way."""

from pathlib import Path
from typing import Protocol

from benchmarks.nets import Net

AS_SHIPPED, FLOAT32 = "dezero_as_shipped", "dezero_float32"
EAGER, CHANNELS_LAST, COMPILED = "pytorch_eager", "pytorch_channels_last", "pytorch_compiled"
VMAP, VMAP_COMPILED = "pytorch_vmap", "pytorch_vmap_compiled"
JAX, JAX_VMAP = "jax", "jax_vmap"
OURS, BLAS_AND_COPIES, FMA_AND_BANDWIDTH = "ours", "blas_and_copies", "fma_and_bandwidth"

DEZERO = (AS_SHIPPED, FLOAT32)
PYTORCH = (EAGER, CHANNELS_LAST, COMPILED, VMAP, VMAP_COMPILED)
IN_JAX = (JAX, JAX_VMAP)
#: What computes, but trains nothing.
BOUNDS = (BLAS_AND_COPIES, FMA_AND_BANDWIDTH)

#: Networks that one process of a contestant trains at once, where these are more than one.
_SEEDS = dict.fromkeys((VMAP, VMAP_COMPILED, JAX_VMAP), 5)

# On a GPU (benchmarks/card.py).
CARD_AS_SHIPPED, CARD_FLOAT32 = "dezero_as_shipped_gpu", "dezero_float32_gpu"
CARD_EAGER, CARD_GRAPH = "pytorch_eager_gpu", "pytorch_graph_gpu"
CARD_VMAP, CARD_JAX = "pytorch_vmap_gpu", "jax_gpu"
CARD_OURS, CARD_FLOOR = "ours_gpu", "floor_gpu"

#: What the tables call each of them.
TITLES = {
    AS_SHIPPED: "DeZero as shipped (float64)",
    FLOAT32: "DeZero in float32",
    EAGER: "PyTorch eager",
    CHANNELS_LAST: "PyTorch eager, channels last",
    COMPILED: "PyTorch torch.compile",
    VMAP: "PyTorch vmap, 5 seeds",
    VMAP_COMPILED: "PyTorch vmap, 5 seeds, torch.compile",
    JAX: "JAX jit",
    JAX_VMAP: "JAX vmap, 5 seeds",
    OURS: "engine=fast",
    BLAS_AND_COPIES: "OpenBLAS and copies",
    FMA_AND_BANDWIDTH: "FMA peak and bandwidth",
    CARD_AS_SHIPPED: "DeZero as shipped (float64)",
    CARD_FLOAT32: "DeZero in float32",
    CARD_EAGER: "PyTorch eager",
    CARD_GRAPH: "PyTorch, CUDA graph",
    CARD_VMAP: "PyTorch vmap, CUDA graph",
    CARD_JAX: "JAX jit",
    CARD_OURS: "engine=fast device=gpu",
    CARD_FLOOR: "the GPU's roofline",
}


def n_seeds(name: str) -> int:
    """How many networks one process of a contestant trains at once."""
    return _SEEDS.get(name, 1)


class Contestant(Protocol):
    """A network with its data and its optimizer, ready to be timed."""

    def train(self, n_steps: int) -> list[float]:
        """Train so many batches, going on where the last call ended; the loss of each (empty for
        a bound)."""

    def evaluate(self, n_batches: int) -> float:
        """Evaluate so many batches of test images; the share that was right (0 for a bound)."""


def build(name: str, net: Net, folder: Path, threads: int) -> Contestant:
    """The contestant of this name; `folder` holds the images (images.py). Raises whatever keeps it
    from running.

    `threads` are those of each process on the CPU; on a GPU, the concurrent runs of one process.
    """
    # Imported here: each contestant lives in a process, and two of them in an environment, of its
    # own.
    if name == AS_SHIPPED:
        from benchmarks.contestants import dezero_as_shipped

        return dezero_as_shipped.build(net, folder)
    if name == FLOAT32:
        from benchmarks.contestants import dezero_float32

        return dezero_float32.build(net, folder)
    if name in (CARD_AS_SHIPPED, CARD_FLOAT32):
        from benchmarks.contestants import dezero_as_shipped, dezero_float32

        published = dezero_as_shipped.build if name == CARD_AS_SHIPPED else dezero_float32.build
        return published(net, folder, gpu=True)
    if name in (CARD_EAGER, CARD_GRAPH):
        from benchmarks.contestants.pytorch_gpu import PyTorchOnCard

        return PyTorchOnCard(net, folder, graph=name == CARD_GRAPH)
    if name == CARD_VMAP:
        from benchmarks.contestants.pytorch_vmap_gpu import PyTorchVmapOnCard

        return PyTorchVmapOnCard(net, folder, n_runs=threads)
    if name == CARD_JAX:
        from benchmarks.contestants.jax_seeds import Jax

        return Jax(net, folder, n_runs=threads, gpu=True)
    if name == CARD_OURS:
        from benchmarks.contestants.ours_gpu import OursOnCard

        return OursOnCard(net, folder, n_runs=threads)
    if name == CARD_FLOOR:
        from benchmarks.contestants.floor_gpu import Roofline

        return Roofline(net)
    if name == OURS:
        from benchmarks.contestants.ours import Ours

        return Ours(net, folder, threads)
    if name == BLAS_AND_COPIES:
        from benchmarks.contestants.blas_and_copies import BlasAndCopies

        return BlasAndCopies(net)
    if name == FMA_AND_BANDWIDTH:
        from benchmarks.contestants.fma_and_bandwidth import FmaAndBandwidth

        return FmaAndBandwidth(net)
    if name in IN_JAX:
        from benchmarks.contestants.jax_seeds import Jax

        return Jax(net, folder, n_seeds(name), gpu=False)
    if name in (VMAP, VMAP_COMPILED):
        from benchmarks.contestants.pytorch_vmap import PyTorchVmap

        return PyTorchVmap(net, folder, threads, n_seeds(name), compiled=name == VMAP_COMPILED)
    from benchmarks.contestants.pytorch import PyTorch

    return PyTorch(
        net, folder, threads, compiled=name == COMPILED, channels_last=name == CHANNELS_LAST
    )
