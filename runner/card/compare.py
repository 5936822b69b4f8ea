"""Whether two trainings agree: what differs first, and by how much more than rounding explains."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.card.trial import Trial

#: Of a loss, relative; of gradients and scores, relative to the largest of their array.
LOSS, GRADIENT, SCORE = 1e-4, 1e-5, 5e-4
#: TF32 rounds the factors of products to 10 bits, and then this is allowed instead.
LOSS_TF32, GRADIENT_TF32, SCORE_TF32 = 1e-2, 5e-2, 1e-1
#: The share of images that may be classified otherwise: their two largest scores may be equal.
ACCURACY = 0.005
#: Where rounding makes two trainings drift apart, they may differ by so many times what some
#: trainings do whose weights begin 1e-6 apart.
_SPREAD = 5.0


class Reference:
    """A training to compare with, and others that show how far rounding carries.

    Parameters
    ----------
    trial
        Of the device and engine that are trusted.
    nudged
        The same from weights that differ by rounding: where a ReLU or a pool is close to a tie,
        they fall on both of its sides.
    """

    def __init__(self, trial: Trial, nudged: list[Trial], tf32: bool = False) -> None:
        self._trial, self._nudged = trial, nudged
        self._loss, self._gradient, self._score = (
            (LOSS_TF32, GRADIENT_TF32, SCORE_TF32) if tf32 else (LOSS, GRADIENT, SCORE)
        )

    def difference(self, other: Trial) -> str | None:
        """What differs first, in the order in which a training computes it; None if nothing."""
        return next(self._differences(other), None)

    def _differences(self, other: Trial) -> Iterator[str]:
        ours = self._trial
        for step, loss in enumerate(ours.losses, start=1):
            if step > len(other.losses):
                yield f"step {step} was not taken"
                return
            others = [t.losses[step - 1] for t in self._nudged if len(t.losses) >= step]
            yield from self._of_loss(f"step {step}, loss", loss, other.losses[step - 1], others)
            if step == 1:
                yield from self._of_gradients(other)
        for name, evaluation in ours.evaluations.items():
            found = other.evaluations.get(name)
            if found is None:
                yield f"evaluation {name} is missing"
                return
            nudged = [t.evaluations[name] for t in self._nudged if t.evaluations]
            what = f"after step {len(ours.losses)}, {name}"
            losses = [of.loss for of in nudged]
            yield from self._of_loss(f"{what}/loss", evaluation.loss, found.loss, losses)
            if evaluation.scores is not None and found.scores is not None:
                scores = [of.scores for of in nudged if of.scores is not None]
                # A training that drifts apart does so in all scores.
                if off := _off(evaluation.scores, found.scores, scores, self._score, False):
                    yield f"{what}, scores: {_told(off, self._score)}"
            allowed = 1 + ACCURACY * len(evaluation.correct)
            allowed += _SPREAD * max(
                (abs(int(of.correct.sum()) - int(evaluation.correct.sum())) for of in nudged),
                default=0,
            )
            n = abs(int(found.correct.sum()) - int(evaluation.correct.sum()))
            if n > allowed or len(found.correct) != len(evaluation.correct):
                yield f"{what}/accuracy: {found.accuracy:.4f} and not {evaluation.accuracy:.4f}"

    def _of_loss(self, what: str, loss: float, found: float, nudged: list[float]) -> Iterator[str]:
        if not math.isfinite(loss) or not math.isfinite(found):
            # Rounding may decide at which step it overflows.
            if math.isfinite(found) not in map(math.isfinite, (loss, *nudged)):
                yield f"{what}: {found:.6g} and not {loss:.6g}"
            return
        size = max(abs(loss), 1e-3)
        spread = max((abs(other - loss) for other in nudged), default=0.0) / size
        if not math.isfinite(spread):
            return
        by, allowed = abs(found - loss) / size, max(self._loss, _SPREAD * spread)
        if by > allowed:
            yield f"{what}: {found:.7g} and not {loss:.7g}, off by {by:.1e} ({allowed:.0e} allowed)"

    def _of_gradients(self, other: Trial) -> Iterator[str]:
        """The gradient that is the furthest off: an error spreads to all layers below."""
        worst = 0.0, ""
        for name, gradient in self._trial.gradients.items():
            if name not in other.gradients:
                yield f"step 1, no gradient of {name}"
                return
            nudged = [t.gradients[name] for t in self._nudged if name in t.gradients]
            off = _off(gradient, other.gradients[name], nudged, self._gradient)
            worst = max(worst, (off, name))
        if worst[0]:
            yield f"step 1, gradient of {worst[1]}: {_told(worst[0], self._gradient)}"


def _off(
    ours: NDArray[Any],
    found: NDArray[Any],
    nudged: list[NDArray[Any]],
    share: float,
    is_local: bool = True,
) -> float:
    """How far an element is off, in terms of the largest one; 0 where all are within bounds.

    Parameters
    ----------
    share
        Of the largest element, that each may be off by.
    is_local
        Whether rounding may carry an element as far as it has carried that one, or any of them.
    """
    if ours.shape != found.shape:
        return math.inf
    ours, found = ours.astype(np.float64), found.astype(np.float64)
    if not np.isfinite(ours).all():
        return 0.0
    largest = float(np.abs(ours).max(initial=0.0)) or 1.0
    spread = np.max([np.abs(other - ours) for other in nudged], axis=0, initial=0.0)
    spread = spread if is_local else np.full_like(spread, spread.max(initial=0.0))
    by = np.nan_to_num(np.abs(found - ours), nan=math.inf, posinf=math.inf)
    is_off = by > np.maximum(share * largest, _SPREAD * spread)
    return float(np.max(by, where=is_off, initial=0.0)) / largest


def _told(off: float, share: float) -> str:
    return f"off by {off:.1e} of the largest ({share:.0e} allowed)"


def first_other_bits(ours: Trial, other: Trial) -> str | None:
    """What has other bits in two trainings that should have the same; None if nothing has."""
    if ours.state.keys() != other.state.keys():
        return "a training that diverged, and one that did not"
    for name, array in ours.state.items():
        there = other.state[name]
        if np.asarray(array).tobytes() != np.asarray(there).tobytes():
            by = np.abs(np.asarray(array, np.float64) - np.asarray(there, np.float64)).max()
            return f"{name.partition('/')[2]} has other bits (off by {by:.1e})"
    if ours.state and ours.loss_sum != other.loss_sum:
        return f"the sum of the losses is {other.loss_sum!r} and not {ours.loss_sum!r}"
    for name, evaluation in ours.evaluations.items():
        found = other.evaluations[name]
        is_same = np.array_equal(evaluation.predicted, found.predicted)
        if evaluation.scores is not None and found.scores is not None:
            is_same = is_same and evaluation.scores.tobytes() == found.scores.tobytes()
        if not is_same or evaluation.loss != found.loss:
            return f"{name} has other bits"
    return None
