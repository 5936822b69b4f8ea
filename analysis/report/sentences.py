"""What a study says in words: the verdict, by how much, how sure, under what fixed values."""

import math
from dataclasses import dataclass

from analysis.decide.claims import Decision
from analysis.decide.multiverse import Multiverse
from analysis.decide.pairing import Pairing
from analysis.decide.sample_size import SampleSize
from analysis.decide.study import Study
from analysis.design.cells import level_as_text
from analysis.report import sides
from analysis.statistics.intervals import Interval, skewed
from runner.record import DONE, Reduction, as_text, metric_of, parse_reduction, short

#: Fewer seeds than this are listed one by one.
_N_LISTED = 4


# =============================================================================
# A claim
# =============================================================================
@dataclass(frozen=True)
class ClaimText:
    """Everything that is said of one claim."""

    headline: str
    finding: str
    #: What to know before trusting the finding, a sentence each.
    details: list[str]


def claim_text(study: Study, decision: Decision) -> ClaimText:
    """What the terminal and the page say of a claim of a study."""
    pair = study.pairings.get(decision.name)
    lines = [
        *sides.moved_along(study.cells, decision),
        *sides.other_data(study.sweep.runs, decision),
    ]
    lines += details(decision, study.multiverses[decision.name], pair)
    if decision.name in study.sample_sizes:
        lines.append(seeds_needed(decision, study.sample_sizes[decision.name]))
    return ClaimText(headline(decision), finding(decision), lines)


def headline(decision: Decision) -> str:
    """`SUPPORTED: Dropout slows learning`, with the knobs on which the answer depends."""
    on = f" (depends on {' and '.join(decision.depends_on)})" if decision.depends_on else ""
    return f"{decision.verdict}{on}: {decision.claim.says}"


def finding(decision: Decision) -> str:
    """The difference with its interval and n; the reason where nothing could be tested."""
    if decision.bounds is None or decision.contrast is None:
        return decision.reason + "."
    claim, interval = decision.claim, decision.bounds.interval
    metric = parse_reduction(claim.metric)
    measured = claim.metric + (f" less {claim.minus}" if claim.minus else "")
    censored = ""
    if decision.n_censored:
        n = decision.n_censored
        censored = f"; {n} runs never reached the threshold and count as their last epoch"
    return (
        f"{measured}, {decision.contrast.label}: {amount(interval.estimate, metric, sign=True)}"
        f" ({level_text(interval)} {_range(interval, metric)}, n = {interval.n} seeds;"
        f" margin {amount(claim.margin, metric)}{censored})."
    )


def details(decision: Decision, choices: Multiverse, pair: Pairing | None = None) -> list[str]:
    """What to know before trusting the finding, a sentence each."""
    if decision.bounds is None:
        return []
    metric = parse_reduction(decision.claim.metric)
    lines = [*_simple_effects(decision, metric), *_straight_line(decision, metric)]
    if decision.new_images is not None:
        lines.append(
            f"On new test images, not only on these: {_range(decision.new_images, metric)}."
        )
    lines += _seeds(decision, metric)
    n = decision.bounds.interval.n
    lines.append(
        f"{p_text(decision.p_t)} (t test), {p_text(decision.p_exact)} (sign-flip test; its smallest"
        " value"
        f" for {n} seeds is {2.0 ** (1 - n):.3g}), {p_text(decision.p_holm)} (t test, adjusted by"
        " Holm"
        " over the claims)."
    )
    if pair is not None:
        rho = f"{pair.rho:.2f}".replace("-", "\N{MINUS SIGN}")
        alike = (
            "" if math.isnan(pair.rho) else f" (correlation of the two sides over the seeds: {rho})"
        )
        lines.append(
            f"Without pairing by seed, {pair.worth:.1f} times as many seeds would be needed{alike}."
        )
    flips = "; ".join(f"{choice}: {verdict}" for choice, verdict in choices.flips.items())
    agree = f"{choices.n_agree} of {len(choices.verdicts)} ways to compute it give this verdict"
    lines.append(f"{agree} (not {flips})." if flips else f"{agree}.")
    return lines


def _simple_effects(decision: Decision, metric: Reduction) -> list[str]:
    """The effect at each level of each other knob, and whether the answer depends on that knob."""
    lines = []
    for interaction in decision.interactions:
        knob = short(interaction.knob)
        effects = ", ".join(
            f"{amount(effect.estimate, metric, sign=True)} at {knob}={level_as_text(level)}"
            for level, effect in interaction.effects
        )
        depends = f"The effect depends on {knob}: " if knob in decision.depends_on else ""
        lines.append(f"{depends}{effects}.")
    return lines


def _straight_line(decision: Decision, metric: Reduction) -> list[str]:
    """Of a slope: the levels that are established to lie off the straight line."""
    if not decision.misfits:
        return []
    knob = short(decision.claim.knob)
    off = [
        f"{amount(misfit.estimate, metric, sign=True)} at {knob}={as_text(level)}"
        f" ({_range(misfit, metric)})"
        for level, misfit in decision.misfits
        if misfit.se > 0 and (misfit.low > 0 or misfit.high < 0)
    ]
    if not off:
        return ["No level is established to lie off the straight line in log2."]
    return [f"The levels do not lie on a straight line in log2; off it: {', '.join(off)}."]


def _seeds(decision: Decision, metric: Reduction) -> list[str]:
    """Two or three seeds one by one; of more, whether they are skewed."""
    d = decision.per_seed.to_numpy(float)
    if len(d) < _N_LISTED:
        listed = ", ".join(amount(value, metric, sign=True) for value in d)
        return [f"The {len(d)} seeds one by one: {listed}."]
    if not skewed(d):
        return []
    return [
        "The differences of the seeds are skewed, and a t interval is then too short: with"
        " lognormal values"
        " a 95 % interval holds the mean in 87 % of samples of 5, and in 90 % of samples of 10."
    ]


def seeds_needed(decision: Decision, needed: SampleSize) -> str:
    """What would decide an inconclusive claim."""
    if decision.n_censored:
        return (
            f"{decision.n_censored} runs never reached the threshold: more epochs, not more seeds,"
            " would"
            " decide this claim."
        )
    if needed.n_seeds is None:
        first = "No practical number of seeds makes the interval as narrow as the margin."
    elif needed.n_new == 0:
        first = (
            "The interval is already as narrow as the margin; the difference is too close to it."
        )
    else:
        first = (
            f"About {needed.n_new} more seeds ({needed.minutes:.1f} min at the measured speed)"
            " would make"
            " the interval as narrow as the margin"
        )
        first += f"; at {needed.level} alone, {needed.n_new_at_level}." if needed.level else "."
    smallest = amount(needed.smallest_difference, parse_reduction(decision.claim.metric))
    n = len(decision.per_seed)
    return f"{first} With {n} seeds, a difference of {smallest} is found in four sweeps of five."


# =============================================================================
# A sweep
# =============================================================================
def conditions(study: Study) -> str:
    """The fixed values under which everything holds, and where one of them has no effect.

    Those that are part of a group that moves are said with it.
    """
    cells, parts = study.cells, []
    of_groups = {knob for of in cells.parts.values() for knob in of}
    for knob in [knob.name for knob in study.sweep.knobs if knob.shown and not knob.is_group]:
        if knob not in of_groups and cells.fixed.get(knob) is not None:
            n_idle = cells.n_without_effect[knob]
            where = f" (without effect in {n_idle} of {len(cells.names)} cells)" if n_idle else ""
            parts.append(f"{knob}={as_text(cells.fixed[knob])}{where}")
    return ", ".join(parts)


def counted(study: Study) -> str:
    """How many of the planned runs are done, and the states of the others."""
    others = ", ".join(f"{n} {state}" for state, n in study.states.items() if state != DONE)
    text = f"{study.states.get(DONE, 0)} of {len(study.sweep.runs)} runs done"
    return f"{text} ({others})" if others else text


def declared(study: Study) -> str:
    """Whether the claims were recorded before the runs, and decided before with fewer seeds."""
    if not study.decisions:
        return "No claim was declared for this sweep."
    text = (
        f"Its claims were recorded before {study.n_declared_before} of {study.n_begun} runs began."
    )
    if study.sweep.looks:
        seeds = " and ".join(str(n) for n in sorted(set(study.sweep.looks)))
        text += (
            f" An earlier sweep decided them with {seeds} seeds: adding seeds until a claim holds"
            " leads to"
            " wrong verdicts in more than 5 % of sweeps."
        )
    return text


# =============================================================================
# Numbers
# =============================================================================
@dataclass(frozen=True)
class Unit:
    """The unit in which people read a number; a recorded unit is `scale` of it."""

    #: Empty for a plain number.
    name: str
    scale: float = 1.0
    digits: str = ".3g"


#: By the unit in which a metric is recorded; any other is shown as it is recorded.
_UNITS = {"share": Unit("points", 100.0, ".2f"), "nats": Unit("nats", digits=".4f")}


def unit_of(metric: Reduction) -> Unit:
    """The unit in which a claim's numbers are shown."""
    if metric.kind == "epochs_to":
        return Unit("epochs", digits=".2f")
    recorded = metric_of(metric.curve).unit
    return _UNITS.get(recorded, Unit(recorded))


def amount(value: float, metric: Reduction, sign: bool = False, unit: bool = True) -> str:
    """A number in the unit that people use: points of accuracy, epochs, nats."""
    shown = unit_of(metric)
    text = f"{shown.scale * value:{'+' if sign else ''}{shown.digits}}"
    # A minus sign in place of the hyphen, and no sign before a rounded zero.
    text = text.replace("-", "\N{MINUS SIGN}") if float(text) else text.lstrip("+-")
    return f"{text} {shown.name}" if unit and shown.name else text


def _range(interval: Interval, metric: Reduction) -> str:
    """The two ends of an interval: `+0.10 to +0.32 points`."""
    low = amount(interval.low, metric, sign=True, unit=False)
    return f"{low} to {amount(interval.high, metric, sign=True)}"


def p_text(p: float) -> str:
    """`p = 0.031`, three decimals, or `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def level_text(interval: Interval) -> str:
    """`98.3 % interval`."""
    return f"{100 * interval.level:.3g} % interval"
