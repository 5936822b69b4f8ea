"""What a study says in plain words: the verdict, by how much, how sure, under what fixed values."""

import math
from dataclasses import dataclass

from analysis.decide.claims import Decision
from analysis.decide.multiverse import Multiverse
from analysis.decide.pairing import Pairing
from analysis.decide.sample_size import More
from analysis.decide.study import Study
from analysis.statistics.intervals import Interval, skewed
from runner.record import METRICS, Reduction, as_text, parse_reduction, short

#: Below this, seeds are told one by one.
_FEW = 4


@dataclass(frozen=True)
class ClaimText:
    """All that is said of one claim."""

    headline: str
    finding: str
    #: What to know before trusting the finding, a sentence each.
    details: list[str]


def claim_text(study: Study, decision: Decision) -> ClaimText:
    """What the terminal and the page say of a claim of a study."""
    lines = details(decision, study.multiverses[decision.name], study.pairings.get(decision.name))
    if decision.name in study.more:
        lines.append(wish(decision, study.more[decision.name]))
    return ClaimText(headline(decision), finding(decision), lines)


def headline(decision: Decision) -> str:
    """`SUPPORTED: Dropout slows learning`, with the knobs on which it depends."""
    on = f" (depends on {' and '.join(decision.depends_on)})" if decision.depends_on else ""
    return f"{decision.verdict}{on}: {decision.claim.says}"


def finding(decision: Decision) -> str:
    """One sentence with the difference, its interval and n; the reason where nothing could be tested."""
    if decision.bounds is None or decision.contrast is None:
        return decision.reason + "."
    interval, metric = decision.bounds.interval, parse_reduction(decision.claim.metric)
    of = f"{_measured(decision)}, {decision.contrast.label}"
    censored = ""
    if decision.n_censored:
        censored = f"; {decision.n_censored} runs never got there and count as their last epoch"
    return (
        f"{of}: {amount(interval.estimate, metric, sign=True)} ({_percent(interval.level)} interval"
        f" {amount(interval.low, metric, sign=True, unit=False)} to {amount(interval.high, metric, sign=True)},"
        f" n = {interval.n} seeds; margin {amount(decision.claim.margin, metric)}{censored})."
    )


def details(decision: Decision, choices: Multiverse, pair: Pairing | None = None) -> list[str]:
    """What a reader should know before trusting the sentence, a line each."""
    if decision.bounds is None:
        return []
    metric, lines = parse_reduction(decision.claim.metric), []
    for one in decision.interactions:
        effects = ", ".join(
            f"{amount(effect.estimate, metric, sign=True)} at {short(one.knob)}={as_text(level)}"
            for level, effect in one.effects
        )
        lines.append(effects + "." if short(one.knob) not in decision.depends_on else f"It depends: {effects}.")
    lines += _line_held(decision, metric)
    if decision.new_images is not None:
        wide = decision.new_images
        lines.append(
            f"On new test images, not only these: {amount(wide.low, metric, sign=True, unit=False)} to"
            f" {amount(wide.high, metric, sign=True)}."
        )
    lines += _seeds_told(decision, metric)
    lines.append(
        f"{p_text(decision.p_t)} (t), {p_text(decision.p_exact)} (exact sign-flip; the least that"
        f" {decision.bounds.interval.n} seeds can give is {2.0 ** (1 - decision.bounds.interval.n):.3g}),"
        f" {p_text(decision.p_holm)} (Holm over the claims)."
    )
    if pair is not None:
        rho = f"{pair.rho:.2f}".replace("-", "\N{MINUS SIGN}")
        alike = "" if math.isnan(pair.rho) else f" (correlation of the two sides {rho})"
        lines.append(f"Comparing within seeds was worth {pair.worth:.1f} times the seeds{alike}.")
    n = len(choices.verdicts)
    flips = "; ".join(f"{choice}: {verdict}" for choice, verdict in choices.flips.items())
    lines.append(f"{choices.n_agree} of {n} ways to compute it agree" + (f" (not: {flips})." if flips else "."))
    return lines


def _line_held(decision: Decision, metric: Reduction) -> list[str]:
    """Whether a slope is one: the levels that are established to lie off the straight line."""
    if not decision.misfits:
        return []
    off = [(level, one) for level, one in decision.misfits if one.se > 0 and (one.low > 0 or one.high < 0)]
    if not off:
        return ["No level is established to lie off the straight line in log2."]
    each = ", ".join(
        f"{amount(one.estimate, metric, sign=True)} at {short(decision.claim.knob)}={as_text(level)}"
        f" ({amount(one.low, metric, sign=True, unit=False)} to {amount(one.high, metric, sign=True, unit=False)})"
        for level, one in off
    )
    return [f"It is no straight line in log2; off it: {each}."]


def _seeds_told(decision: Decision, metric: Reduction) -> list[str]:
    """Two or three seeds one by one; from four on, whether they lie so skewed that a t interval is too short."""
    d = decision.per_seed.to_numpy(float)
    if len(d) < _FEW:
        each = ", ".join(amount(value, metric, sign=True) for value in d)
        return [f"The {len(d)} seeds by themselves: {each}."]
    if not skewed(d):
        return []
    return [
        "The seeds lie skewed, and a t interval is then too short: of 5 lognormal values one that is called 95 % holds"
        " in 87 %, of 10 in 90 %."
    ]


def wish(decision: Decision, more: More) -> str:
    """What would decide an inconclusive claim."""
    metric = parse_reduction(decision.claim.metric)
    smallest = f"these seeds find a difference of {amount(more.smallest, metric)} in four of five sweeps"
    if decision.n_censored:
        return f"{decision.n_censored} runs never got there: more epochs, not more seeds, would decide it."
    if more.n_seeds is None:
        return f"No number of seeds that anybody would run makes it as sure as the margin asks; {smallest}."
    if more.n_new == 0:
        return f"The interval is as narrow as the margin already: the difference is near it; {smallest}."
    alone = f" (at {more.alone}, {more.n_alone} would)" if more.alone else ""
    return f"About {more.n_new} seeds more, {more.minutes:.1f} min at the measured speed, would{alone}; {smallest}."


def conditions(study: Study) -> str:
    """The fixed values under which everything holds, and where one of them has no effect."""
    cells, parts = study.cells, []
    for knob in [knob.name for knob in study.sweep.knobs if knob.shown]:
        if cells.fixed.get(knob) is not None:
            n_idle = cells.n_without_effect[knob]
            where = f" (without effect in {n_idle} of {len(cells.names)} cells)" if n_idle else ""
            parts.append(f"{knob}={as_text(cells.fixed[knob])}{where}")
    return ", ".join(parts)


def counted(study: Study) -> str:
    """How many of the planned runs are done, and what became of the others."""
    rest = ", ".join(f"{n} {state}" for state, n in study.states.items() if state != "done")
    n_done = study.states.get("done", 0)
    return f"{n_done} of {len(study.sweep.runs)} runs done" + (f" ({rest})" if rest else "")


def declared(study: Study) -> str:
    """Whether the claims were recorded before the runs, and whether they were looked at before with fewer seeds."""
    if not study.decisions:
        return "No claim was declared for this sweep."
    text = f"Its claims were recorded before {study.n_declared_before} of {study.n_begun} runs began."
    if study.sweep.looks:
        seeds = " and ".join(str(n) for n in sorted(set(study.sweep.looks)))
        text += (
            f" They were decided before with {seeds} seeds, so these verdicts follow an extension: whoever adds seeds"
            " until a claim holds is wrong more often than in 5 % of sweeps."
        )
    return text


@dataclass(frozen=True)
class Unit:
    """In what unit people read a number, times what, and with how many digits."""

    name: str
    scale: float = 1.0
    digits: str = ".3g"


#: By `record.Metric.unit`; any other unit is shown as it is recorded.
_UNITS = {"share": Unit("points", 100.0, ".2f"), "nats": Unit("nats", digits=".4f")}


def unit_of(metric: Reduction) -> Unit:
    """In what unit a claim's numbers are shown."""
    if metric.kind == "epochs_to":
        return Unit("epochs", digits=".2f")
    recorded = METRICS[metric.curve].unit
    return _UNITS.get(recorded, Unit(recorded))


def amount(value: float, metric: Reduction, sign: bool = False, unit: bool = True) -> str:
    """A number in the unit that people use: points of accuracy, epochs, nats."""
    shown = unit_of(metric)
    text = f"{shown.scale * value:{'+' if sign else ''}{shown.digits}}"
    # A minus sign in place of the hyphen, and no sign at a rounded zero.
    text = text.replace("-", "\N{MINUS SIGN}") if float(text) else text.lstrip("+-")
    return f"{text} {shown.name}" if unit else text


def p_text(p: float) -> str:
    """`p = 0.031`, three decimals, or `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def level_text(interval: Interval) -> str:
    """`98.3 % interval`."""
    return f"{_percent(interval.level)} interval"


def _measured(decision: Decision) -> str:
    return decision.claim.metric + (f" less {decision.claim.minus}" if decision.claim.minus else "")


def _percent(level: float) -> str:
    return f"{100 * level:.3g} %"
