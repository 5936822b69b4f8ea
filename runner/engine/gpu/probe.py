"""Whether a step of a model can be captured as a CUDA graph, found out on two images before training."""

from typing import TYPE_CHECKING, Any

from runner.engine import device as devices
from runner.engine.gpu import Pass, board_size
from runner.engine.gpu.epoch import captured
from runner.engine.loop import NO_UPDATE, step

if TYPE_CHECKING:
    from runner.engine.gpu.engine import FastOnGpu


def _pass(x: Any, t: Any) -> Pass:
    import cupy

    return Pass(x, t.astype(cupy.int32), cupy.zeros(board_size(len(x)), dtype=cupy.uint8), in_training=True)


def why_not_capturable(model: Any, optimizer: Any, engine: "FastOnGpu", x: Any, t: Any) -> str | None:
    """What a step does that cannot be captured, such as a function of DeZero's that copies to the card; None: nothing.

    No weight changes, nor anything of the optimizer: the step that updates them is captured and not launched.
    """
    kernels, trial = engine.kernels, _pass(x, t)

    def work(optimizer: Any) -> None:
        step(model, optimizer, engine, x, trial.labels)

    before = dict(vars(optimizer))  # Adam counts its steps on the host
    with kernels.during(trial):
        work(NO_UPDATE)
        kernels.stream.synchronize()
        try:
            captured(kernels.stream, lambda: work(optimizer))
        except Exception as error:
            if devices.is_out_of_memory(error):
                raise MemoryError(str(error)) from error
            return " ".join(str(error).split())[:200] or type(error).__name__
        finally:
            vars(optimizer).update(before)
            model.cleargrads()
    return None
