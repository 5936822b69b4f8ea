"""How a network is computed. models/ says what is computed; an engine says how, on which device.

One engine object serves one run (`runner.engine.protocol.Engine`). It hands out the parts of a
network (`conv_block`, `hidden`, `output`), the loss, the optimizer and the batches; every part is a
DeZero layer, function or optimizer.
"""

from collections.abc import Callable
from dataclasses import dataclass

from runner.engine.protocol import Engine
from runner.errors import ConfigError
from runner.seeding import Masks

#: What is said when kernels must be compiled first.
COMPILING = "compiling the kernels of engine=fast, once on this machine"


def create(name: str, masks: Masks, device: str, graph: bool = True, tf32: bool = False) -> Engine:
    """The engine of a run.

    Parameters
    ----------
    device
        "cpu" or "gpu".
    graph, tf32
        Whether steps are captured as CUDA graphs, and whether products may be rounded to TF32;
        without effect on the CPU and under `stock`.

    Raises
    ------
    ConfigError
        When there is no such engine.
    """
    return _entry(name, device).make(masks, device, graph, tf32)


def compiles(name: str, device: str) -> bool:
    """Whether the engine has kernels that this machine must compile first, which takes seconds."""
    return _entry(name, device).compiles()


# The modules of an engine are imported by its function: a command that trains nothing need not wait
# for DeZero, nor `stock` for Numba.
def _fast(masks: Masks, device: str, graph: bool, tf32: bool) -> Engine:
    from runner.engine import cpu
    from runner.engine.fast import Fast

    return Fast(masks, cpu, records=graph)


def _fast_on_gpu(masks: Masks, device: str, graph: bool, tf32: bool) -> Engine:
    from runner.engine.gpu.engine import FastOnGpu

    return FastOnGpu(masks, graph, tf32)


def _stock(masks: Masks, device: str, graph: bool, tf32: bool) -> Engine:
    from runner.engine.stock import Stock

    return Stock(masks, device)


def _cpu_kernels_are_missing() -> bool:
    from runner.engine.cpu import jit

    return jit.first_use()


@dataclass(frozen=True)
class _Entry:
    make: Callable[[Masks, str, bool, bool], Engine]
    compiles: Callable[[], bool] = lambda: False


#: The engines by name and device. Their names are also in runner/config/schema.py.
ENGINES: dict[tuple[str, str], _Entry] = {
    ("fast", "cpu"): _Entry(_fast, _cpu_kernels_are_missing),
    ("fast", "gpu"): _Entry(_fast_on_gpu),
    ("stock", "cpu"): _Entry(_stock),
    ("stock", "gpu"): _Entry(_stock),
}


def _entry(name: str, device: str) -> _Entry:
    if (name, device) not in ENGINES:
        known = ", ".join(f"{engine} on {where}" for engine, where in ENGINES)
        raise ConfigError(f"engine.name={name} on device={device}: allowed is one of {known}")
    return ENGINES[name, device]
