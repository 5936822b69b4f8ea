"""From an interval to a verdict: the table by which a claim earns its words."""

from dataclasses import dataclass, replace

from analysis.statistics.intervals import Interval

SUPPORTED = "SUPPORTED"
DIRECTION = "DIRECTION ESTABLISHED"
NEGLIGIBLE = "REAL BUT NEGLIGIBLE"
EQUIVALENT = "EQUIVALENT"
REFUTED = "REFUTED"
DEPENDS = "DEPENDS"
INCONCLUSIVE = "INCONCLUSIVE"
NOT_TESTABLE = "NOT TESTABLE"

#: What each verdict says, in the report's legend.
MEANINGS = {
    SUPPORTED: "the difference goes the way the claim says, by more than the margin",
    DIRECTION: "the difference goes the way the claim says; whether it exceeds the margin is open",
    NEGLIGIBLE: "the difference goes the way the claim says, and is smaller than the margin",
    EQUIVALENT: "any difference is smaller than the margin, at every setting of the other knobs",
    REFUTED: "the difference goes the other way",
    DEPENDS: "the difference is another one at other settings, and not all of them have one answer",
    INCONCLUSIVE: "these seeds do not decide it",
    NOT_TESTABLE: "these runs cannot decide it, with any number of seeds",
}
#: The verdicts that name the direction of a difference.
DIRECTIONAL = (SUPPORTED, DIRECTION, NEGLIGIBLE, REFUTED)
#: Those of a claim that holds.
HOLDS = (SUPPORTED, DIRECTION)
#: The verdicts that a difference does not matter.
SMALL = (NEGLIGIBLE, EQUIVALENT)
#: Fewer seeds decide nothing.
MIN_SEEDS = 3

#: Answers that differ in size alone.
_ALIKE = (HOLDS, SMALL)
#: The weaker of two verdicts stands first.
_WEAKEST_FIRST = [REFUTED, DEPENDS, INCONCLUSIVE, EQUIVALENT, NEGLIGIBLE, DIRECTION, SUPPORTED]


@dataclass(frozen=True)
class Bounds:
    """A claim's interval, and the narrower one for equivalence."""

    #: At level 1 - alpha / m, where m claims share alpha.
    interval: Interval
    #: At level 1 - 2 alpha / m.
    equivalence: Interval

    def hull(self, other: "Bounds") -> "Bounds":
        """The bounds with the farther ends of both."""
        interval, equivalence = (
            replace(one, low=min(one.low, two.low), high=max(one.high, two.high))
            for one, two in (
                (self.interval, other.interval),
                (self.equivalence, other.equivalence),
            )
        )
        return Bounds(interval, equivalence)

    def with_direction(self) -> "Bounds":
        """The bounds where the direction is established: the interval ends at 0.

        Holm's test of the direction finds more than intervals that share alpha evenly. The interval
        that belongs to it has 0 as its end where the shared one reaches beyond (Guilbaud 2008).
        """
        interval = self.interval
        if interval.estimate > 0:
            return replace(self, interval=replace(interval, low=max(0.0, interval.low)))
        return replace(self, interval=replace(interval, high=min(0.0, interval.high)))


def verdict(
    bounds: Bounds, direction: str, margin: float, is_established: bool, may_be_small: bool = True
) -> str:
    """The verdict on "the difference has this direction and is larger than the margin".

    Parameters
    ----------
    direction
        `less`, `greater` or `either`.
    margin
        In the metric's units, at least 0.
    is_established
        Whether a difference is established at all: the p value, adjusted for whatever else was
        asked, is at most alpha.
    may_be_small
        Whether a difference within the margin is an answer: not of an average where it is larger at
        a setting of the other knobs, or may be.
    """
    interval = bounds.interval
    if interval.n < MIN_SEEDS:
        return INCONCLUSIVE
    low, estimate, high = turned(interval.ends, direction)
    if is_established and estimate > 0:
        if low > margin or margin == 0:
            return SUPPORTED
        return DIRECTION if high > margin or not may_be_small else NEGLIGIBLE
    if may_be_small and -margin < bounds.equivalence.low and bounds.equivalence.high < margin:
        return EQUIVALENT
    return REFUTED if is_established else INCONCLUSIVE


def turned(ends: tuple[float, float, float], direction: str) -> tuple[float, float, float]:
    """An interval's low end, estimate and high end, turned so that the claim says "greater"."""
    low, estimate, high = ends
    if direction == "less" or (direction == "either" and estimate < 0):
        return -high, -estimate, -low
    return low, estimate, high


def with_censoring(given: str) -> str:
    """The verdict where some runs never reached the threshold.

    Such runs hide differences, so a small difference is no evidence.
    """
    return INCONCLUSIVE if given in (EQUIVALENT, NEGLIGIBLE) else given


def weakest(verdicts: list[str]) -> str:
    """The verdict on a winner, from those against each rival: it has to beat all of them."""
    return min(verdicts, key=_WEAKEST_FIRST.index)


def over_settings(verdicts: list[str], estimates: list[float]) -> str:
    """The verdict where a difference is known to be another one at other settings.

    It is that of all settings, where they have the same answer and differ in size alone. Of a claim
    about a difference either way, one way and the other are not the same answer.
    """
    given = set(verdicts)
    ways = {e > 0 for v, e in zip(verdicts, estimates, strict=True) if v in (SUPPORTED, DIRECTION)}
    is_one = len(given) == 1 or any(given <= set(alike) for alike in _ALIKE)
    return weakest(verdicts) if is_one and len(ways) < 2 else DEPENDS
