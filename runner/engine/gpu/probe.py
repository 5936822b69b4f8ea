"""What a model leaves room for of a card's short cuts, found out on two images before training."""

from typing import TYPE_CHECKING, Any

from runner.engine import device as devices
from runner.engine.dezero import no_grad, test_mode
from runner.engine.gpu import Pass, board_size
from runner.engine.gpu.epoch import captured
from runner.engine.loop import NO_UPDATE, step

if TYPE_CHECKING:
    from runner.engine.gpu.engine import FastOnGpu


def _pass(x: Any, t: Any) -> Pass:
    import cupy

    return Pass(x, t.astype(cupy.int32), cupy.zeros(board_size(len(x)), dtype=cupy.uint8), in_training=True)


def may_wait(model: Any, engine: "FastOnGpu", x: Any, t: Any) -> bool:
    """Whether a batch may wait for the convolution, and the last layer for its loss, so that one kernel computes both.

    A model that looks at pixels or scores by itself would see nothing yet: what waits is filled with NaN here, and
    losses and gradients must have the bits that they have when nothing waits.
    """
    waiting = engine.kernels.waiting

    images = (x != 0).astype("uint8")  # any will do

    def bits() -> list[bytes]:
        trial = _pass(images, t)
        with engine.kernels.during(trial):
            engine.masks.training(1)
            loss, _ = step(model, NO_UPDATE, engine, *engine.kernels.batch(trial, len(x), 1.0))
            found = [loss.data, *(parameter.grad.data for parameter in model.params() if parameter.grad is not None)]
            found = [devices.to_numpy(array).tobytes() for array in found]
            trial.place()
            with no_grad(), test_mode():
                x_again, t_again = engine.kernels.batch(trial, len(x), 1.0)
                loss, _ = engine.loss(model(x_again), t_again)
            found.append(devices.to_numpy(loss.data).tobytes())
        return found

    at_once = bits()
    waiting.is_allowed, waiting.trial = True, lambda output: output.fill(float("nan"))
    try:
        return bits() == at_once
    except Exception as error:
        if devices.is_out_of_memory(error):
            raise
        return False  # it looked, and said so
    finally:
        waiting.is_allowed, waiting.trial = False, None
        model.cleargrads()


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
