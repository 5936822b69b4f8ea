"""From an interval to a verdict: the table by which a claim earns its words."""

from dataclasses import dataclass

from analysis.statistics.intervals import Interval

SUPPORTED = "SUPPORTED"
DIRECTION = "DIRECTION ESTABLISHED"
NEGLIGIBLE = "REAL BUT NEGLIGIBLE"
EQUIVALENT = "EQUIVALENT"
REFUTED = "REFUTED"
INCONCLUSIVE = "INCONCLUSIVE"
NOT_TESTABLE = "NOT TESTABLE"

#: What each verdict says, in the report's legend.
MEANINGS = {
    SUPPORTED: "the difference goes the way the claim says, by more than the margin",
    DIRECTION: "the difference goes the way the claim says; whether it exceeds the margin is open",
    NEGLIGIBLE: "the difference goes the way the claim says, and is smaller than the margin",
    EQUIVALENT: "any difference is smaller than the margin",
    REFUTED: "the difference goes the other way",
    INCONCLUSIVE: "these seeds do not decide it",
    NOT_TESTABLE: "these runs cannot decide it, with any number of seeds",
}
#: The verdicts that name the direction of a difference.
DIRECTIONAL = (SUPPORTED, DIRECTION, NEGLIGIBLE, REFUTED)


@dataclass(frozen=True)
class Bounds:
    """A claim's interval, and the narrower one for equivalence."""

    #: At level 1 - alpha / m, where m claims share alpha.
    interval: Interval
    #: At level 1 - 2 alpha / m.
    equivalence: Interval


def verdict(bounds: Bounds, direction: str, margin: float) -> str:
    """The verdict on "the difference has this direction and is larger than the margin".

    Parameters
    ----------
    direction
        `less`, `greater` or `either`.
    margin
        In the metric's units, at least 0.
    """
    low, high = bounds.interval.low, bounds.interval.high
    if direction == "less" or (direction == "either" and bounds.interval.estimate < 0):
        low, high = -high, -low
    if low > margin:
        return SUPPORTED
    if low > 0:
        return DIRECTION if high > margin else NEGLIGIBLE
    if high < 0:
        return REFUTED
    if -margin < bounds.equivalence.low and bounds.equivalence.high < margin:
        return EQUIVALENT
    return INCONCLUSIVE


def with_censoring(given: str) -> str:
    """The verdict where some runs never reached the threshold.

    Such runs hide differences, so a small difference is no evidence.
    """
    return INCONCLUSIVE if given in (EQUIVALENT, NEGLIGIBLE) else given


def weakest(verdicts: list[str]) -> str:
    """The verdict on a winner, from those against each rival: it has to beat all of them."""
    order = [REFUTED, INCONCLUSIVE, EQUIVALENT, NEGLIGIBLE, DIRECTION, SUPPORTED]
    return min(verdicts, key=order.index)
