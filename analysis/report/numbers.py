"""How numbers are written: in the units that people use, with their intervals and p values."""

import math
from dataclasses import dataclass

from analysis.statistics.intervals import Interval
from runner.record import DIVERGES, Reduction, metric_of
from runner.system.language import Said, say


@dataclass(frozen=True)
class Unit:
    """The unit in which people read a number; a recorded unit is `scale` of it."""

    #: Empty for a plain number.
    name: str
    scale: float = 1.0
    digits: str = ".3g"

    @property
    def in_brackets(self) -> str:
        """Behind the name of a difference, on an axis: ` [points]`."""
        return f" [{self.name}]" if self.name else ""

    @property
    def of_level(self) -> str:
        """Behind the name of what is no difference: of points, ` [%]`."""
        return " [%]" if self.name == "points" else self.in_brackets


#: By the unit in which a metric is recorded; any other is shown as it is recorded.
_UNITS = {"share": Unit("points", 100.0, ".2f"), "nats": Unit("nats", digits=".4f")}


def unit_of(metric: Reduction) -> Unit:
    """The unit in which a claim's numbers are shown."""
    if metric.kind == "epochs_to":
        return Unit("epochs", digits=".2f")
    if metric.kind == DIVERGES:
        return Unit("points", 100.0, ".0f")
    return unit_of_curve(metric.curve)


def unit_of_curve(curve: str) -> Unit:
    """The unit in which a recorded metric is shown."""
    recorded = metric_of(curve).unit
    return _UNITS.get(recorded, Unit(recorded))


def amount(value: float, metric: Reduction, sign: bool = False, unit: bool = True) -> Said:
    """A number in the unit that people use: points of accuracy, epochs, nats."""
    shown = unit_of(metric)
    if math.isinf(value):
        if not sign:
            return say("any number")
        return say("above any number" if value > 0 else "below any number")
    text = f"{shown.scale * value:{'+' if sign else ''}{shown.digits}}"
    # A minus sign in place of the hyphen, and no sign before a rounded zero.
    text = text.replace("-", "\N{MINUS SIGN}") if float(text) else text.lstrip("+-")
    if not unit or not shown.name:
        return say(text)
    return say("{number} {unit}", number=text, unit=say(shown.name))


def between(interval: Interval, metric: Reduction) -> str:
    """The two ends of an interval: `+0.10 to +0.32 points`."""
    if math.isinf(interval.low) and math.isinf(interval.high):
        return "without ends"
    high = amount(interval.high, metric, sign=True)
    if math.isinf(interval.low):
        return f"at most {high}"
    if math.isinf(interval.high):
        return f"at least {amount(interval.low, metric, sign=True)}"
    return f"{amount(interval.low, metric, sign=True, unit=False)} to {high}"


def p_text(p: float) -> str:
    """`p = 0.031`, three decimals, or `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def level_text(interval: Interval) -> str:
    """`98.3 % interval`."""
    return f"{100 * interval.level:.3g} % interval"
