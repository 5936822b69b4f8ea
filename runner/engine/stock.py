"""The stock engine: DeZero's own layers, functions and optimizers. It is the slow reference."""

from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from runner.engine import model_state, shapes
from runner.engine.device import Array, array_module
from runner.engine.dezero import F, L, dezero, dropout_is_on
from runner.engine.loop import NO_UPDATE, Eager, step
from runner.engine.protocol import Data, Loop
from runner.engine.recipe import Recipe
from runner.engine.update.optimizers import Optimizer
from runner.seeding import Masks


class ConvBlock(L.Layer):  # type: ignore[misc]  # DeZero is untyped
    """A convolution (stride 1, same size) and ReLU for each of `channels`, then a 2x2 max-pool."""

    def __init__(self, channels: list[int], kernel_size: int) -> None:
        super().__init__()
        self.convs = [L.Conv2d(n, kernel_size, stride=1, pad=kernel_size // 2) for n in channels]
        for i, conv in enumerate(self.convs, start=1):
            setattr(self, f"conv{i}", conv)

    def forward(self, x: Any) -> Any:
        for conv in self.convs:
            x = F.relu(conv(x))
        return F.pooling(x, 2, 2)


class Hidden(L.Layer):  # type: ignore[misc]
    """Linear, ReLU, dropout."""

    def __init__(self, name: str, size: int, dropout_ratio: float | None, masks: Masks) -> None:
        super().__init__()
        self.name, self.dropout_ratio, self.masks = name, dropout_ratio, masks
        self.linear = L.Linear(size)

    def forward(self, x: Any) -> Any:
        h = F.relu(self.linear(x))
        if self.dropout_ratio is None or not dropout_is_on():
            return h
        return _dropout(h, self.masks, self.name, self.dropout_ratio)


def _dropout(x: Any, masks: Masks, name: str, ratio: float) -> Any:
    """`F.dropout` as shipped, but for a mask from the run's seed instead of a global generator."""
    x = dezero.as_variable(x)
    xp = dezero.cuda.get_array_module(x)
    keep = masks.keep(name, x.shape, ratio, xp)
    return x * keep / xp.array(1.0 - ratio).astype(x.dtype)


class Stock:
    """DeZero as it is, repaired by dezero.py, on NumPy or CuPy."""

    name = "stock"
    fallbacks: tuple[str, ...] = ()
    not_captured = ""

    def __init__(self, masks: Masks, device: str) -> None:
        self.masks, self.device, self.xp = masks, device, array_module(device)

    def active(self) -> AbstractContextManager[None]:
        return nullcontext()

    def conv_block(self, channels: list[int], kernel_size: int = 3) -> Any:
        return ConvBlock(channels, kernel_size)

    def hidden(self, name: str, size: int, dropout_ratio: float | None) -> Any:
        return Hidden(name, size, dropout_ratio, self.masks)

    def output(self, n_classes: int) -> Any:
        return L.Linear(n_classes)

    def dropout(self, x: Any, ratio: float) -> Any:
        return _dropout(x, self.masks, self.masks.next_name(), ratio)

    def loss(self, y: Any, t: Array) -> tuple[Any, Array]:
        shapes.check_scores(y.data, t)
        return F.softmax_cross_entropy(y, t), y.data.argmax(axis=1) == t

    def optimizer(self, recipe: Recipe, model: Any) -> Optimizer:
        return Optimizer(recipe, model)

    def asarray(self, array: Array) -> Array:
        return self.xp.asarray(array)

    def pixels(self, images: Array, rows: Array, scale: float) -> Array:
        return images[rows].astype(self.xp.float32) / self.xp.float32(scale)

    def loop(
        self,
        model: Any,
        optimizer: Any,
        data: Data,
        batch_size: int,
        with_scores: Collection[str] = (),
    ) -> Loop:
        return Eager(model, optimizer, self, data, batch_size)

    def to_device(self, model: Any) -> None:
        if self.device == "gpu":
            model.to_gpu()
            model_state.to_device(model, self.asarray)

    def warm_up(self, model: Any, optimizer: Any, x: Array, t: Array) -> None:
        step(model, NO_UPDATE, self, x, t)
        model.cleargrads()
        optimizer.warm_up()
