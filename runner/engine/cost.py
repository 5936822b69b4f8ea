"""What the functions that the fast engine leaves to DeZero cost, as shares of a step's time."""

import functools
from collections import defaultdict
from collections.abc import Callable
from time import perf_counter
from typing import Any

from runner.engine.device import Array
from runner.engine.dezero import computed_by
from runner.engine.fast import Fast
from runner.engine.forward import forward
from runner.engine.functions.substitutes import is_fallback

#: Images of a batch that is timed. The two of a warm-up would show the cost of Python's calls.
N_IMAGES = 100


def fallback_cost(
    engine: Any, model: Any, x: Array, t: Array, n_images: int = N_IMAGES, repeats: int = 3
) -> dict[str, float]:
    """Of each function that runs as DeZero's own (`engine.fallbacks`), its share of a step.

    Call it after the warm-up, and on a model that is not trained any further: running averages
    move.

    Parameters
    ----------
    x, t
        Images (n, ...) and labels (n,), repeated to a batch of `n_images`.
    repeats
        Steps, of which the quickest counts.

    Returns
    -------
    dict of str to float in [0, 1]
        By class name, the largest first; of the time of forward and backward pass. Without its
        fallbacks a step would take 1 minus their sum. It is empty where there are none, and for any
        engine but `fast` on the CPU.
    """
    if type(engine) is not Fast or not engine.fallbacks:
        return {}
    rows = [i % len(x) for i in range(n_images)]
    x, t = x[rows], t[rows]
    timed = [_time_step(engine, model, x, t) for _ in range(repeats)]
    total_s, seconds = min(timed, key=lambda of_step: of_step[0])
    shares = {name: seconds[name] / total_s for name in seconds}
    return dict(sorted(shares.items(), key=lambda share: -share[1]))


def _time_step(engine: Fast, model: Any, x: Array, t: Array) -> tuple[float, dict[str, float]]:
    """Seconds of a forward and a backward pass, and of each fallback in them."""
    timer = _Timer(engine.substitutes)
    engine.masks.training(step=1)
    started = perf_counter()
    with computed_by(timer):
        loss, _ = engine.loss(forward(model, x, engine), t)
        model.cleargrads()
        loss.backward()
    total_s = perf_counter() - started
    model.cleargrads()
    return total_s, timer.seconds


class _Timer:
    """Computes calls as the engine does, and adds up the seconds of fallbacks by their names."""

    def __init__(self, compute: Callable[..., Any]) -> None:
        self.compute = compute
        self.seconds: dict[str, float] = defaultdict(float)
        #: Whether a call is under way: what it calls in its turn is part of its time.
        self._is_timing = False

    def __call__(self, function: Any, *inputs: Any) -> Any:
        if self._is_timing:
            return self.compute(function, *inputs)
        y, seconds = self._time(self.compute, function, *inputs)
        creator = (y[0] if isinstance(y, list) else y).creator
        if creator is not None and is_fallback(creator):
            name = type(creator).__name__
            self.seconds[name] += seconds
            creator.backward = functools.partial(self._backward, name, creator.backward)
        return y

    def _backward(self, name: str, backward: Callable[..., Any], *gys: Any) -> Any:
        gxs, seconds = self._time(backward, *gys)
        self.seconds[name] += seconds
        return gxs

    def _time(self, function: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
        self._is_timing, started = True, perf_counter()
        try:
            return function(*arguments), perf_counter() - started
        finally:
            self._is_timing = False
