"""The capability probe: whether a training step of this model can be captured as a CUDA graph."""

from typing import Any

from runner.engine import model_state
from runner.engine.device import Array, is_out_of_memory
from runner.engine.fast import Fast
from runner.engine.gpu.batches import Batches, Phase
from runner.engine.gpu.graph import capture_graph
from runner.engine.gpu.kernels import Kernels
from runner.engine.loop import NO_UPDATE, step


def why_not_capturable(model: Any, optimizer: Any, engine: Fast, x: Array, t: Array) -> str | None:
    """Why a step cannot be captured, such as a function of the model that copies to the host.

    The step is captured with the batch (x, t) and never launched: weights and optimizer stay as
    they are.

    Returns
    -------
    str or None
        The error of CUDA or CuPy in one line; None when the step can be captured.

    Raises
    ------
    MemoryError
        When the GPU has no room for the graph.
    """
    import cupy

    kernels: Kernels = engine.kernels
    kept = model_state.identities(model)
    batches = Batches(Phase.TRAIN, x, t.astype(cupy.int32), len(x))
    if not optimizer.is_fused:
        return f"{type(optimizer.rule).__name__} is updated by itself"
    # Steps are counted on the host.
    state_on_host = [(part, dict(vars(part))) for part in (optimizer, optimizer.rule)]
    with kernels.using(batches):
        # Libraries load what these shapes need on first use, which CUDA refuses within a capture.
        step(model, NO_UPDATE, engine, x, batches.labels)
        kernels.stream.synchronize()
        try:
            capture_graph(kernels.stream, lambda: step(model, optimizer, engine, x, batches.labels))
        except Exception as error:
            if is_out_of_memory(error):
                raise MemoryError(str(error)) from error
            return " ".join(str(error).split())[:200] or type(error).__name__
        finally:
            for part, attributes in state_on_host:
                vars(part).update(attributes)
            model.cleargrads()
    now = model_state.identities(model)
    for name, value in now.items():
        # A graph goes on with the array, or the number, that was there when it was captured.
        if kept.get(name) != value:
            return f"a step puts another object in place of {name}: write into the array instead"
    return None
