"""What a device makes of one network: in which way it agrees, and how fast it is that way."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import numpy as np

from runner.card.answers import ON_CPU, Answer, Speeds, Way
from runner.card.compare import Reference, first_other_bits
from runner.card.network import Network
from runner.card.trial import Trial, assembled, give_back, loop_of, trial
from runner.engine import device as devices
from runner.engine.loop import Diverged
from runner.engine.protocol import Position
from runner.errors import printable

#: Trainings of the reference from weights that differ by rounding.
N_NUDGED = 4
#: Runs side by side on a card whose speed is measured, beside that of a single one.
SIDE_BY_SIDE = 4
#: Seconds that a measurement of speed takes; it takes one epoch at least.
_MEASURED_S = 0.5
#: Bytes that are taken to see whether the card counts them, and how often that is tried: other
#: processes may give memory back meanwhile.
_PROBE, _N_PROBES = 64 << 20, 3
_NO_GRAPH = "no CUDA graph: "

#: Is told what is under way, so that a process that ends says where.
Tell = Callable[[str], None]


class _Differs(Exception):
    """A way that does not agree; the text says what differed first."""


def on_card(network: Network, tell: Tell, number: int = 0) -> Answer:
    """Hold a card against the CPU, with the engine of the network's configuration.

    The ways are tried in this order: with CUDA graphs, without them, the stock engine.
    """
    refused: dict[str, str] = {}
    with ExitStack() as stack:
        # To use a card takes some of its memory, which others may hold.
        with _refusals(refused, "its memory"):
            stack.enter_context(devices.card(number))
        if not refused:
            return _on_current_card(network, tell)
    return Answer(network.name, network.batch_size, None, True, refused, passing=True)


def _on_current_card(network: Network, tell: Tell) -> Answer:
    how = network.config.engine
    tell("training on the CPU")
    refused: dict[str, str] = {}
    with _refusals(refused, ON_CPU):
        agreed = reference(network, Way(how.name, "cpu"))
    if refused:
        return Answer(network.name, network.batch_size, refused=refused, passing=True)
    way, stock = None, Way("stock", "gpu")
    with _refusals(refused, "its memory"):
        tell("taking memory")
        _check_memory()
    if not refused and how.name == "fast":
        plain, graphs = Way("fast", "gpu", graph=False), Way("fast", "gpu")
        with _refusals(refused, str(plain)):
            eager = _checked(network, plain, agreed, tell)
            way = plain
        if way and how.graph:
            with _refusals(refused, str(graphs)):
                _check_graphs(network, graphs, eager, tell)
                way = graphs
    is_lost = bool(refused) and devices.card_is_lost()
    if way is None and "its memory" not in refused and not is_lost:
        with _refusals(refused, str(stock)):
            _checked(network, stock, agreed, tell)
            way = stock
    passing = any(why.startswith("out of memory") for why in refused.values())
    if way is None or is_lost:
        return Answer(network.name, network.batch_size, None, True, refused, passing=passing)
    tell("measuring speeds")
    speeds = Speeds(rate(network, Way(how.name, "cpu")), *_on_card_side_by_side(network, way))
    return Answer(network.name, network.batch_size, way.engine, way.graph, refused, speeds, passing)


def on_cpu(network: Network, tell: Tell) -> Answer:
    """Hold the fast engine on the CPU against the stock one."""
    fast, stock = Way("fast", "cpu"), Way("stock", "cpu")
    tell("training with engine=stock")
    agreed, refused = reference(network, stock), dict[str, str]()
    with _refusals(refused, str(fast)):
        _checked(network, fast, agreed, tell)
        tell("measuring speeds")
        speeds = Speeds(rate(network, stock), {"1": rate(network, fast)})
        return Answer(network.name, network.batch_size, "fast", True, refused, speeds)
    return Answer(network.name, network.batch_size, None, True, refused)


def reference(network: Network, way: Way) -> Reference:
    """The training that others are compared with."""
    first = trial(network, way, by_step=True)
    nudged = [trial(network, way, by_step=True, nudge=i + 1) for i in range(N_NUDGED)]
    return Reference(first, nudged, network.config.engine.tf32)


def _checked(network: Network, way: Way, agreed: Reference, tell: Tell) -> Trial:
    """A training step by step that agrees, and comes out with the same bits a second time."""
    tell(f"training with {way}, step by step")
    found = trial(network, way, by_step=True)
    if difference := agreed.difference(found):
        raise _Differs(difference)
    tell(f"training with {way} again")
    _check_bits(found, trial(network, way), "a second time")
    return found


def _check_graphs(network: Network, way: Way, eager: Trial, tell: Tell) -> None:
    for time_ in ("with CUDA graphs", "with CUDA graphs a second time"):
        tell(f"training {time_}")
        found = trial(network, way)
        reason = next((f for f in found.fallbacks if f.startswith(_NO_GRAPH)), None)
        # One's own may be such that no card captures it; the engine then trains without.
        if reason and network.ships:
            raise _Differs(reason)
        _check_bits(eager, found, time_)


def _check_bits(ours: Trial, other: Trial, when: str) -> None:
    if difference := first_other_bits(ours, other):
        raise _Differs(f"{when}, {difference}")


def _check_memory() -> None:
    """A card says that memory is taken which is, and the memory holds what is written there."""
    xp, said = devices.array_module("gpu"), ""
    for _ in range(_N_PROBES):
        devices.free_gpu_memory()
        before = devices.free_gpu_bytes()
        block = xp.arange(_PROBE // 4, dtype=np.int32)
        after = devices.free_gpu_bytes()
        if not np.array_equal(devices.to_numpy(block), np.arange(_PROBE // 4, dtype=np.int32)):
            raise _Differs(f"{_PROBE >> 20} MiB do not hold what was written there")
        del block
        if before - after >= _PROBE // 2:
            return
        said = f"{before >> 20} MiB before {_PROBE >> 20} MiB were taken, and {after >> 20} after"
    raise _Differs(f"the card says that its free memory is {said}")


@contextmanager
def _refusals(refused: dict[str, str], what: str) -> Iterator[None]:
    """Note why the block did not come to its end."""
    try:
        yield
    except _Differs as differs:
        refused[what] = str(differs)
    except Exception as error:
        text = printable(" ".join(str(error).split()))[:200]
        told = f"{type(error).__name__}: {text}"
        if devices.is_out_of_memory(error):
            with suppress(Exception):
                told += f"; the card says that {devices.free_gpu_bytes() >> 20} MiB are free"
            told = f"out of memory ({told})"
        refused[what] = told


# =============================================================================
# Speed
# =============================================================================
def _on_card_side_by_side(network: Network, way: Way) -> tuple[dict[str, float], int]:
    """Images a second by the number of runs, as far as they fit, and the memory of a run."""
    rates: dict[str, float] = {}
    give_back(way)
    free, run_bytes = devices.free_gpu_bytes(), 0
    for n in (1, SIDE_BY_SIDE) if network.n_runs > 1 else (1,):
        rates[str(n)] = 0.0
        with _refusals({}, "speed"):
            rates[str(n)], left = _rate(network, way, n)
            run_bytes = max(0, free - left) // n
    return rates, run_bytes


def rate(network: Network, way: Way) -> float:
    """Images a second of one run, evaluations included."""
    return _rate(network, way)[0]


def _rate(network: Network, way: Way, n_runs: int = 1) -> tuple[float, int]:
    """Images a second of so many runs, each of another seed, and the bytes that they leave free."""
    give_back(way)
    assemblies = [assembled(network, way, seed) for seed in range(n_runs)]
    loops, order = list(map(loop_of, assemblies)), np.arange(len(network.train_images))
    positions, size = [Position() for _ in loops], network.config.train.batch_size

    def round_of_all() -> int:
        epochs = [
            loop.epoch(order, position, lambda: False)
            for loop, position in zip(loops, positions, strict=True)
        ]
        # Each is launched before any is waited for, as in runner/work/concurrent.py.
        for _ in range(2):
            for epoch in epochs:
                with suppress(Diverged):
                    next(epoch, None)
        n_images = sum(min(len(order), position.step * size) for position in positions)
        for position in positions:
            position.next_epoch()
        return n_images

    with np.errstate(all="ignore"):
        round_of_all()  # compiles, and captures the graphs
        n_images, started = 0, time.perf_counter()
        while True:
            n_images += round_of_all()
            seconds = time.perf_counter() - started
            if seconds >= _MEASURED_S:
                break
    return n_images / seconds, devices.free_gpu_bytes() if way.device == "gpu" else 0
