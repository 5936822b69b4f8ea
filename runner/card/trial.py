"""A short training of a network, one way or another, and all that can be compared of it."""

import gc
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from runner.card.answers import Way
from runner.card.network import Network
from runner.engine import device as devices
from runner.engine.dezero import named_parameters
from runner.engine.loop import Diverged
from runner.engine.protocol import Data, Engine, Evaluation, Loop, Measured, Position
from runner.train.assemble import Assembly, assemble

#: The evaluation whose scores are looked at.
_SCORED = "test"


@dataclass
class Trial:
    """What a training of some steps gave; arrays are NumPy's."""

    #: Of each step, in order; the last is not finite where training diverged.
    losses: list[float] = field(default_factory=list)
    #: The sum over the images of all steps.
    loss_sum: float = 0.0
    #: Of the first step, by the name of the parameter, before weight decay and clipping.
    gradients: dict[str, NDArray[Any]] = field(default_factory=dict)
    #: Weights and the optimizer's state after the last step, by name.
    state: dict[str, NDArray[Any]] = field(default_factory=dict)
    #: The evaluations, by name; none where training diverged.
    evaluations: dict[str, Evaluation] = field(default_factory=dict)
    #: Why the engine computes otherwise than it was asked to, in its words.
    fallbacks: tuple[str, ...] = ()


def give_back(way: Way) -> None:
    """Free what trials before have left on a card; their arrays are in reference cycles."""
    if way.device == "gpu":
        gc.collect()
        devices.free_gpu_memory()


def assembled(network: Network, way: Way, seed: int | None = None) -> Assembly:
    """The parts of a run of the network, warmed up."""
    config = network.config
    how = replace(config.engine, name=way.engine, graph=way.graph)
    config = replace(config, engine=how, seed=config.seed if seed is None else seed)

    def load(engine: Engine) -> Data:
        return Data(
            train_images=engine.asarray(network.train_images),
            train_labels=engine.asarray(network.train_labels),
            test_images=engine.asarray(network.test_images),
            test_labels=engine.asarray(network.test_labels),
            scale=network.scale,
            n_classes=network.n_classes,
        )

    assembly = assemble(config, way.device, load)
    assembly.warm_up()
    threadpool_limits(limits=1)  # for the libraries, too, that were loaded only now
    return assembly


def loop_of(assembly: Assembly) -> Loop:
    """How the engine goes through the steps, with the scores of the test images."""
    size = assembly.config.train.batch_size
    return assembly.engine.loop(assembly.model, assembly.optimizer, assembly.data, size, (_SCORED,))


def trial(network: Network, way: Way, by_step: bool = False, nudge: int = 0) -> Trial:
    """Train the network from its seed's weights, and evaluate it.

    Parameters
    ----------
    by_step
        Whether each step's loss and the gradients of the first one are read; not with CUDA graphs.
    nudge
        Where it is not 0, each weight is first changed by up to 1e-6 of itself, at random by this
        number.
    """
    give_back(way)
    assembly, found, position = assembled(network, way), Trial(), Position()
    found.fallbacks = assembly.engine.fallbacks
    if nudge:
        _nudge(assembly, nudge)
    if by_step:
        # Before all that changes gradients; after the warm-up, which may be captured.
        assembly.optimizer.hooks.insert(0, lambda _: _keep_gradients(assembly, found))
    loop, order = loop_of(assembly), np.arange(len(network.train_images))
    measured: Measured | None = None
    try:
        with np.errstate(all="ignore"):
            while measured is None:
                before = position.step, position.loss_sum
                stop = _after_a_step(position) if by_step else lambda: False
                measured = _through(loop, order, position, stop)
                _note(found, before, position, len(order), assembly.config.train.batch_size)
    except Diverged:
        found.losses.append(float("nan"))
        return found
    found.loss_sum, found.state = position.loss_sum, assembly.snapshot()
    names = ("train_eval", _SCORED, "test_masked")
    found.evaluations = {name: getattr(measured, name) for name in names}
    return found


def _through(
    loop: Loop, order: NDArray[np.int64], position: Position, stop: Callable[[], bool]
) -> Measured | None:
    epoch = loop.epoch(order, position, stop)
    while True:
        try:
            next(epoch)
        except StopIteration as ended:
            return ended.value  # type: ignore[no-any-return]


def _after_a_step(position: Position) -> Callable[[], bool]:
    """Stops before a second step; a loop on a card asks once more before its first."""
    first, asked = position.step, itertools.count()
    return lambda: position.step > first or next(asked) >= 2


def _note(
    found: Trial, before: tuple[int, float], position: Position, n_images: int, size: int
) -> None:
    step, loss_sum = before
    if position.step > step:
        n = min(n_images, position.step * size) - step * size
        found.losses.append((position.loss_sum - loss_sum) / n)


def _keep_gradients(assembly: Assembly, found: Trial) -> None:
    if not found.gradients:
        found.gradients = {
            name: np.array(devices.to_numpy(parameter.grad.data))
            for name, parameter in named_parameters(assembly.model).items()
            if parameter.grad is not None
        }


def _nudge(assembly: Assembly, number: int) -> None:
    rng, arrays = np.random.default_rng(number), assembly.snapshot()
    for name, array in arrays.items():
        if name.startswith("weights/") and array.dtype == np.float32:
            by = 1e-6 * rng.uniform(-1, 1, array.shape).astype(np.float32)
            arrays[name] = array * (1 + by)
    assembly.restore(arrays)
