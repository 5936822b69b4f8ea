"""What is said of a claim with all numbers: the verdict, by how much, how sure, and what else."""

import math
from dataclasses import dataclass

import numpy as np

from analysis.decide import verdicts
from analysis.decide.beside.more_seeds import MOST, MoreSeeds
from analysis.decide.beside.multiverse import Multiverse
from analysis.decide.beside.pairing import Pairing
from analysis.decide.decision import Decision
from analysis.decide.evidence import By
from analysis.decide.looks import alpha_of, place
from analysis.decide.study import Study
from analysis.design.luck import UNEVEN, Luck
from analysis.report import sides
from analysis.report.numbers import amount, between, level_text, p_text
from analysis.statistics.intervals import constant
from analysis.statistics.p_values import MAX_EXACT_SEEDS, N_DRAWN_PATTERNS
from runner.record import Claim, Reduction, as_text, parse_reduction, short
from runner.system.language import Said, say

#: Fewer seeds than this are listed one by one, and no more settings of other knobs than this.
_N_LISTED, _N_SETTINGS = 4, 8
#: The test of the direction by what is judged.
_TESTS = {By.MEAN: "t test", By.MEDIAN: "sign test", By.SHARE: "McNemar's exact test"}


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
    lines += looks(study, decision)
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
    claim, interval = decision.claim, decision.interval
    metric = parse_reduction(claim.metric)
    censored = ""
    if decision.n_censored:
        n = decision.n_censored
        censored = f"; {n} runs never reached the threshold and count as their last epoch"
    estimate = amount(interval.estimate, metric, sign=True)
    where = " in the median seed" if decision.by_median else ""
    level, margin = level_text(interval), amount(claim.margin, metric)
    if decision.verdict == verdicts.DEPENDS:
        return (
            f"{measured(claim)}, {decision.contrast.label}: {_at_settings(decision, metric)}"
            f" (n = {interval.n} seeds; margin {margin}{censored})."
        )
    return (
        f"{measured(claim)}, {decision.contrast.label}: {estimate}{where} ({level}"
        f" {between(interval, metric)}, n = {interval.n} seeds; margin {margin}{censored})."
    )


def measured(claim: Claim) -> Said:
    """The metric of a claim: `final(test/accuracy) less final(test_masked/accuracy)`."""
    if not claim.minus:
        return say(claim.metric)
    return say("{metric} less {minus}", metric=claim.metric, minus=claim.minus)


def details(decision: Decision, choices: Multiverse, pair: Pairing | None = None) -> list[str]:
    """What to know before trusting the finding, a sentence each."""
    if decision.bounds is None:
        return []
    metric = parse_reduction(decision.claim.metric)
    caveat = decision.contrast.caveat if decision.contrast else ""
    lines = [caveat] if caveat else []
    lines += [*_simple_effects(decision, metric), *_straight_line(decision, metric)]
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


def looks(study: Study, decision: Decision) -> list[str]:
    """Which planned look decided a claim; or that seeds were added, and what that costs."""
    if decision.look:
        mark, alpha = place(study.sweep.planned, decision), alpha_of(decision.look)
        return [f"{mark[0].upper()}{mark[1:]}: p values are compared with {alpha:.3g} there."]
    if decision.fixed is None:
        return []
    metric, once = parse_reduction(decision.claim.metric), decision.fixed
    return [
        "Seeds were added after fewer of them had been looked at, which nobody had planned: the"
        " interval and p are those that hold for any number of looks. For one look at"
        f" {once.n} seeds the interval would be {between(once, metric)}."
    ]


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
    return [
        *lines,
        f"Luck is uneven: the metric {_how_uneven(decision.luck)}, and an interval for a mean is"
        " then wrong too often. What is said is of the median seed, and holds whatever the luck:"
        f" {n_same} of {len(d)} seeds have this sign.",
    ]


def _how_uneven(luck: Luck) -> str:
    if math.isinf(luck.unevenness):
        return "varies over the seeds on one side alone"
    if not luck.is_uneven:
        return "of some seeds lies far off from the others, in the sweep's cells on the same side"
    how, ratio = "varies {ratio} times as {much} over the seeds", luck.unevenness
    if ratio >= UNEVEN:
        where = "on one side"
    else:
        where, ratio = "in the cells that claims compare with one side as there", luck.beside
    much = "much" if ratio > 1 else "little"
    return f"{how.format(ratio=f'{max(ratio, 1 / ratio):.2g}', much=much)} {where}"


def seeds_needed(decision: Decision, more: MoreSeeds) -> list[str]:
    """What would decide an inconclusive claim."""
    if decision.n_censored:
        return [
            say(
                "{n} runs never reached the threshold: more epochs, not more seeds, would decide"
                " this claim.",
                n=decision.n_censored,
            )
        ]
    n, metric = len(decision.per_seed), parse_reduction(decision.claim.metric)
    if decision.by is not By.MEAN:
        if more.n_new is None:
            if decision.by is By.SHARE:
                return [say("More seeds that differ decide it if nearly all go the same way.")]
            return [say("More seeds decide it if nearly all of them go the same way.")]
        enough = (
            "{n} seeds cannot decide it where luck is so uneven: {more} more ({minutes} min) can,"
            " if all go the same way."
        )
        if constant(decision.per_seed.to_numpy(float)):
            enough = (
                "{n} seeds cannot decide it, though all are equal: {more} more ({minutes} min) can,"
                " if they are so, too."
            )
        return [say(enough, n=n, more=more.n_new, minutes=f"{more.minutes:.1f}")]
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
