"""How a network is computed. models/ says what is computed; an engine says how, on which device.

One engine object serves one run. It hands out the parts of a network (`conv_block`, `hidden`, `output`),
the loss, the optimizer and the batches; every part is a DeZero layer, function or optimizer.
"""

from typing import TYPE_CHECKING, Any, Protocol

from runner.seeding import Masks

if TYPE_CHECKING:
    from runner.config.schema import OptimizerConfig
    from runner.engine.loop import Data, Loop


class Engine(Protocol):
    """What a model and the training loop may ask of an engine."""

    name: str
    #: After `warm_up`: the DeZero functions of the model that the engine has no form of its own for.
    fallbacks: tuple[str, ...]
    #: Where the training loop says which step it is at, so that the masks are right.
    masks: Masks

    def conv_block(self, channels: list[int], kernel_size: int = 3) -> Any:
        """A layer: [convolution, stride 1, as large as its input, ReLU] per channel count, then a 2x2 max-pool.

        `kernel_size` is odd.
        """

    def hidden(self, name: str, size: int, dropout_ratio: float | None) -> Any:
        """A layer: linear, ReLU, dropout; `name` names its mask stream; None: no dropout."""

    def output(self, n_classes: int) -> Any:
        """The last linear layer."""

    def loss(self, y: Any, t: Any) -> tuple[Any, Any]:
        """Softmax cross-entropy of `y` (n, n_classes) and labels `t` (n,), mean over the batch, as a Variable;
        and which rows have their largest score at their label, bool (n,)."""

    def optimizer(self, config: "OptimizerConfig", model: Any) -> Any:
        """An optimizer set up on the model, weight decay included."""

    def resident(self, array: Any) -> Any:
        """The array where the engine computes: as it is on the CPU, copied to the card on a GPU."""

    def pixels(self, images: Any, rows: Any, scale: float) -> Any:
        """The images of these rows (int64) as float32, divided by `scale`: a batch."""

    def loop(self, model: Any, optimizer: Any, data: "Data", batch_size: int) -> "Loop":
        """How the run goes through its epochs."""

    def to_device(self, model: Any) -> None:
        """Move a model that was initialised on the CPU to where the engine computes."""

    def warm_up(self, model: Any, optimizer: Any, x: Any, t: Any) -> None:
        """Compile whatever training with batches such as x and t will need; changes no weight and no state."""


def create(name: str, masks: Masks, device: str, graph: bool = True, tf32: bool = False) -> Engine:
    """The engine of a run. `name` is checked by config.py; `device` is "cpu" or "gpu", where the rest has its meaning:
    whether steps are captured as CUDA graphs, and whether products may be rounded to TF32."""
    # Imported here so that a command that trains nothing does not wait for DeZero, nor stock for Numba.
    if name == "stock":
        from runner.engine.stock import Stock

        return Stock(masks, device)
    if device == "gpu":
        from runner.engine.gpu.engine import FastOnGpu

        return FastOnGpu(masks, graph, tf32)
    from runner.engine import cpu
    from runner.engine.fast import Fast

    return Fast(masks, cpu)


def compiles(name: str, device: str) -> bool:
    """Whether the engine of this name has kernels that this machine must compile first, which takes seconds."""
    if name == "stock" or device == "gpu":
        return False
    from runner.engine.cpu import jit

    return jit.first_use()
