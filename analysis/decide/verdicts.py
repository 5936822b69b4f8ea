"""From an interval to a verdict: the table that says which words a claim has earned."""

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
    SUPPORTED: "the difference goes the way the claim says, and the whole interval is beyond the margin",
    DIRECTION: "the difference goes the way the claim says; whether it is as large as the margin is open",
    NEGLIGIBLE: "the difference goes the way the claim says, and is smaller than the margin",
    EQUIVALENT: "any difference is smaller than the margin",
    REFUTED: "the difference goes the other way",
    INCONCLUSIVE: "these seeds do not decide it",
    NOT_TESTABLE: "these runs cannot decide it, however many seeds",
}
#: The verdicts that say that there is a difference, and which way.
DIRECTIONAL = (SUPPORTED, DIRECTION, NEGLIGIBLE, REFUTED)


@dataclass(frozen=True)
class Bounds:
    """What the table reads: a claim's interval, and the narrower one for equivalence."""

    #: At level 1 - alpha / m, where m claims share alpha.
    interval: Interval
    #: At level 1 - 2 alpha / m.
    equivalence: Interval


def verdict(bounds: Bounds, direction: str, margin: float) -> str:
    """The verdict on `the difference is greater (less, either way different)`, if at all by more than the margin.

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


def with_censoring(found: str) -> str:
    """A verdict where some runs never reached the threshold: that the rest differ little is then no evidence."""
    return INCONCLUSIVE if found in (EQUIVALENT, NEGLIGIBLE) else found


def weakest(verdicts: list[str]) -> str:
    """The verdict on a winner from those against each rival: it wins if it beats every one."""
    order = [REFUTED, INCONCLUSIVE, EQUIVALENT, NEGLIGIBLE, DIRECTION, SUPPORTED]
    return min(verdicts, key=order.index)
