"""What a study says in words: the verdict, by how much, how sure, under what fixed values."""

import math
from dataclasses import dataclass

import numpy as np

from analysis.decide import verdicts
from analysis.decide.claims import Decision
from analysis.decide.evidence import By
from analysis.decide.more_seeds import MOST, MoreSeeds
from analysis.decide.multiverse import Multiverse
from analysis.decide.pairing import Pairing
from analysis.decide.study import Study
from analysis.report import sides
from analysis.report.numbers import amount, between, level_text, p_text
from analysis.statistics.intervals import constant
from analysis.statistics.p_values import MAX_EXACT_SEEDS, N_DRAWN_PATTERNS
from runner.record import DONE, Reduction, as_text, parse_reduction, short

#: Fewer seeds than this are listed one by one, and no more settings of other knobs than this.
_N_LISTED, _N_SETTINGS = 4, 8
#: The test of the direction by what is judged.
_TESTS = {By.MEAN: "t test", By.MEDIAN: "sign test", By.SHARE: "McNemar's exact test"}
#: As many seeds that are not used are named.
_N_SEEDS = 10


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
        *sides.best_levels(decision),
        *sides.at_fixed_levels(decision, study.multiverses[decision.name]),
    ]
    lines += details(decision, study.multiverses[decision.name], pair)
    if decision.name in study.more_seeds:
        lines += seeds_needed(decision, study.more_seeds[decision.name])
    return ClaimText(headline(decision), finding(decision), lines)


def headline(decision: Decision) -> str:
    """`SUPPORTED: Dropout slows learning`; what depends, names the knobs on which it does."""
    on = f" on {' and '.join(decision.depends_on)}" if decision.depends_on else ""
    return f"{decision.verdict}{on}: {decision.claim.says}"


def finding(decision: Decision) -> str:
    """The difference with its interval and n, or each setting's where no average is an answer; the
    reason where nothing could be tested."""
    if decision.bounds is None or decision.contrast is None:
        return decision.reason + "."
    claim, interval = decision.claim, decision.bounds.interval
    metric = parse_reduction(claim.metric)
    measured = claim.metric + (f" less {claim.minus}" if claim.minus else "")
    censored = ""
    if decision.n_censored:
        n = decision.n_censored
        censored = f"; {n} runs never reached the threshold and count as their last epoch"
    estimate = amount(interval.estimate, metric, sign=True)
    where = " in the median seed" if decision.by_median else ""
    level, margin = level_text(interval), amount(claim.margin, metric)
    if decision.verdict == verdicts.DEPENDS:
        return (
            f"{measured}, {decision.contrast.label}: {_at_settings(decision, metric)}"
            f" (n = {interval.n} seeds; margin {margin}{censored})."
        )
    return (
        f"{measured}, {decision.contrast.label}: {estimate}{where} ({level}"
        f" {between(interval, metric)}, n = {interval.n} seeds; margin {margin}{censored})."
    )


def details(decision: Decision, choices: Multiverse, pair: Pairing | None = None) -> list[str]:
    """What to know before trusting the finding, a sentence each."""
    if decision.bounds is None:
        return []
    metric = parse_reduction(decision.claim.metric)
    lines = [*_simple_effects(decision, metric), *_straight_line(decision, metric)]
    if decision.new_images is not None:
        lines.append(
            f"On new test images, not only on these: {between(decision.new_images, metric)}."
        )
    lines += _seeds(decision, metric)
    lines.append(_p_values(decision))
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


def _p_values(decision: Decision) -> str:
    n = len(decision.per_seed)
    patterns = f"its smallest value for {n} seeds is {2.0 ** (1 - n):.3g}"
    if n > MAX_EXACT_SEEDS:
        patterns = f"{N_DRAWN_PATTERNS:,} random patterns"
    test = _TESTS[decision.by]
    ranks = "" if np.isfinite(decision.per_seed).all() else " on ranks"
    flip = f"sign-flip test{ranks}; {patterns}"
    return (
        f"{p_text(decision.p)} ({test}), {p_text(decision.p_sign_flip)} ({flip}"
        f"), {p_text(decision.p_holm)} ({test}, adjusted by Holm over the claims)."
    )


def _simple_effects(decision: Decision, metric: Reduction) -> list[str]:
    """The effect at each setting of the other knobs, and whether it is the same at all of them."""
    if not decision.settings:
        return []
    same = f"{p_text(decision.p_same)} that it is the same at all of them, adjusted by Holm"
    if decision.depends_on:
        on = " and ".join(decision.depends_on)
        return [f"The effect depends on {on} ({same}), so no average is an answer."]
    return [f"{_at_settings(decision, metric)} ({same})."]


def _at_settings(decision: Decision, metric: Reduction) -> str:
    """`+2.00 points at normalize=true, \N{MINUS SIGN}1.00 points at normalize=false`."""
    effects = [
        f"{amount(setting.interval.estimate, metric, sign=True)} at {setting.name}"
        for setting in decision.settings
    ]
    n_more = len(effects) - _N_SETTINGS
    return ", ".join(effects[:_N_SETTINGS] + [f"and {n_more} more"] * (n_more > 0))


def _straight_line(decision: Decision, metric: Reduction) -> list[str]:
    """Of a slope: the levels that are established to lie off the straight line."""
    if not decision.misfits:
        return []
    knob = short(decision.claim.knob)
    off = [
        f"{amount(misfit.estimate, metric, sign=True)} at {knob}={as_text(level)}"
        f" ({between(misfit, metric)})"
        for level, misfit in decision.misfits
        if misfit.se > 0 and (misfit.low > 0 or misfit.high < 0)
    ]
    if not off:
        return ["No level is established to lie off the straight line in log2."]
    return [f"The levels do not lie on a straight line in log2; off it: {', '.join(off)}."]


def _seeds(decision: Decision, metric: Reduction) -> list[str]:
    """Two or three seeds one by one; why the median is judged, and what the seeds say of it."""
    d = decision.per_seed.to_numpy(float)
    lines = []
    if len(d) < _N_LISTED:
        listed = ", ".join(amount(value, metric, sign=True) for value in d)
        lines = [f"The {len(d)} seeds one by one: {listed}."]
    lines += sides.diverged(decision)
    if not decision.by_median or decision.n_diverged:
        return lines
    n_same = max(int((d > 0).sum()), int((d < 0).sum()))
    if constant(d):
        return [*lines, f"It is the same in each of {len(d)} seeds."]
    times = f"varies {decision.unevenness:.2g} times as much over the seeds on one side"
    if math.isinf(decision.unevenness):
        times = "varies over the seeds on one side alone"
    return [
        *lines,
        f"Luck is uneven: the metric {times}, and an interval for a mean is then wrong too often."
        f" What is said is of the median seed, and holds whatever the luck: {n_same} of {len(d)}"
        " seeds have this sign.",
    ]


def seeds_needed(decision: Decision, more: MoreSeeds) -> list[str]:
    """What would decide an inconclusive claim."""
    if decision.n_censored:
        return [
            f"{decision.n_censored} runs never reached the threshold: more epochs, not more seeds,"
            " would decide this claim."
        ]
    n, metric = len(decision.per_seed), parse_reduction(decision.claim.metric)
    if decision.by is not By.MEAN:
        if more.n_new is None:
            which = "that differ " if decision.by is By.SHARE else ""
            return [f"More seeds {which}decide it where nearly all of them have one sign."]
        return [
            f"{n} seeds cannot decide it, whatever they are: {more.n_new} more"
            f" ({more.minutes:.1f} min) can, where all have one sign."
        ]
    chances = (
        f"with a chance of {_percent(more.if_as_seen)} if the difference is what was seen,"
        f" {_percent(more.if_margin)} if it is just the margin, {_percent(more.if_none)} if there"
        " is none"
    )
    first = f"{MOST} more seeds would decide it {chances}: not worth it."
    if more.n_new is not None:
        plural = "" if more.n_new == 1 else "s"
        verb = "decides" if more.n_new == 1 else "decide"
        first = (
            f"{more.n_new} more seed{plural} ({more.minutes:.1f} min at the measured speed) {verb}"
            f" it {chances}."
        )
    smallest = amount(more.smallest_difference, metric)
    return [f"{first} With {n} seeds, a difference of {smallest} is found in four sweeps of five."]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


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
    if study.sweep.unused_seeds:
        listed = ", ".join(map(str, study.sweep.unused_seeds[:_N_SEEDS]))
        more = ", ..." if len(study.sweep.unused_seeds) > _N_SEEDS else ""
        text += (
            f" The store holds seeds {listed}{more} of these cells, too, and they are not used:"
            " what is chosen among seeds that were seen is wrong far more often than 5 %."
        )
    return text


def test_reads(study: Study) -> str:
    """How many runs of the store were evaluated on the sweep's test images."""
    return " ".join(
        f"The test images of {name} have been read by {n:,} run{'s' * (n != 1)} of this store."
        for name, n in study.sweep.test_reads.items()
    )


def marks(study: Study, decision: Decision) -> list[str]:
    """What is to be seen beside a verdict at first sight."""
    origin = study.sweep.claims_origin.get(decision.name, "declared")
    made = [] if origin == "declared" else [f"{origin} claim"]
    return made + ["seeds left out"] * bool(study.sweep.unused_seeds)
