"""What a study answers, in a reader's words: a word and a line or two a claim, for a terminal."""

import textwrap
from dataclasses import dataclass
from math import isinf

from analysis.decide import verdicts
from analysis.decide.claims import ALPHA, Decision
from analysis.decide.evidence import By
from analysis.decide.more_seeds import MOST
from analysis.decide.settings import Setting
from analysis.decide.study import Study
from analysis.report import sentences, sides
from analysis.report.numbers import amount, unit_of
from analysis.statistics.intervals import Interval
from runner.record import DIVERGES, Reduction, parse_reduction

#: The answer that each verdict is.
WORDS = {
    verdicts.SUPPORTED: "YES",
    verdicts.DIRECTION: "YES, HOW MUCH IS OPEN",
    verdicts.NEGLIGIBLE: "TOO SMALL TO MATTER",
    verdicts.EQUIVALENT: "TOO SMALL TO MATTER",
    verdicts.REFUTED: "NO, THE OPPOSITE",
    verdicts.DEPENDS: "IT DEPENDS",
    verdicts.INCONCLUSIVE: "NOT YET",
    verdicts.NOT_TESTABLE: "CANNOT SAY",
}
#: The column at which claims begin; a longer word has a line to itself.
_INDENT = 12
#: Settings of other knobs that are listed.
_N_SETTINGS = 4


@dataclass(frozen=True)
class Answer:
    """A claim's answer."""

    word: str
    says: str
    #: What was found, a sentence each.
    found: list[str]


def answer(study: Study, decision: Decision) -> Answer:
    """The answer to a claim of a study."""
    on = f": on {' and '.join(decision.depends_on)}" if decision.depends_on else ""
    found = _found(study, decision)
    found += sides.best_levels(decision)
    found += sides.at_fixed_levels(decision, study.multiverses[decision.name])
    return Answer(WORDS[decision.verdict], decision.claim.says + on, found)


def lines(answers: list[tuple[Answer, list[str]]], width: int) -> list[str]:
    """Answers with their marks as lines of a terminal of this width, broken between words."""
    text: list[str] = []
    for one, marks in answers:
        says = one.says + "".join(f" [{mark}]" for mark in marks)
        text += ["", *_block(one.word, says, width)]
        for sentence in one.found:
            text += _block("", sentence, width)
    return text


def _block(word: str, sentence: str, width: int) -> list[str]:
    indent = " " * _INDENT
    first, alone = word.ljust(_INDENT), []
    if len(word) >= _INDENT:
        first, alone = indent, [word]
    wrapped = textwrap.wrap(
        sentence, width, initial_indent=first, subsequent_indent=indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return alone + wrapped


# =============================================================================
# What was found
# =============================================================================
def _found(study: Study, decision: Decision) -> list[str]:
    if decision.bounds is None:
        reason = decision.reason[:1].upper() + decision.reason[1:]
        return [f"{reason}."]
    metric = parse_reduction(decision.claim.metric)
    interval = decision.bounds.interval
    if decision.verdict == verdicts.DEPENDS:
        return _at_settings(decision.settings, metric)
    if decision.verdict == verdicts.INCONCLUSIVE:
        counts = sides.diverged(decision)
        return [f"{_span(interval, metric)}.", *counts, *_more(study, decision)]
    if decision.verdict in (verdicts.EQUIVALENT, verdicts.NEGLIGIBLE):
        margin = amount(decision.claim.margin, metric)
        small = f"{_span(interval, metric)}: less than the {margin} that matter."
        return [small, *sides.diverged(decision)]
    found = f"{_estimate(decision, metric)}{_surely(interval, metric)}"
    if decision.verdict == verdicts.DIRECTION:
        margin = amount(decision.claim.margin, metric)
        is_large = min(abs(interval.low), abs(interval.high)) > decision.claim.margin
        where = "at some settings " if is_large else ""
        if isinf(interval.estimate):
            found += f"; whether it is surely by the {margin} that matter is open"
        else:
            found += f", which {where}may be more or less than the {margin} that matter"
    seeds = f"{_n_alike(decision)} of {interval.n} seeds"
    said = [f"{found}. In {seeds}{', judged by the median' if decision.by_median else ''}."]
    said += sides.diverged(decision)
    if decision.p_same <= ALPHA:
        said += _at_settings(decision.settings, metric)
    return said


def _estimate(decision: Decision, metric: Reduction) -> str:
    """`2.90 points lower`; where the median seed has no number, which of its sides diverged."""
    assert decision.bounds and decision.contrast
    value = decision.bounds.interval.estimate
    if not isinf(value):
        return way(value, metric)
    first, _, second = decision.contrast.label.partition(" minus ")
    return f"{first if value == metric.worst else second} diverges in the median seed"


def way(value: float, metric: Reduction) -> str:
    """`2.90 points lower`; of epochs, `1.00 epochs more`."""
    less, more = ("fewer", "more") if unit_of(metric).name == "epochs" else ("lower", "higher")
    if metric.kind == DIVERGES:
        less, more = "less often", "more often"
    direction = less if value < 0 else more
    size = amount(abs(value), metric)
    return f"{size} {direction}" if value else size


def _surely(interval: Interval, metric: Reduction) -> str:
    """`, surely 2.60 to 3.20`: the ends of an interval on one side of 0."""
    near, far = sorted((abs(interval.low), abs(interval.high)))
    if near == far:
        return ""
    if isinf(far):
        size = amount(near, metric)
        way_of = "lower" if interval.high <= 0 else "higher"
        return f", surely at least {size} {way_of}" if near else ""
    return f", surely {amount(near, metric, unit=False)} to {amount(far, metric, unit=False)}"


def _span(interval: Interval, metric: Reduction) -> str:
    """`Between 0.54 points lower and 0.22 points higher`; of too few seeds, their median."""
    if isinf(interval.low) and isinf(interval.high):
        return f"{way(interval.estimate, metric)} in the median seed, and no end to it"
    if interval.low == interval.high:
        return f"{way(interval.estimate, metric)} in each seed"
    return f"Between {way(interval.low, metric)} and {way(interval.high, metric)}"


def _n_alike(decision: Decision) -> int:
    """In how many seeds the difference has the sign of the answer."""
    assert decision.bounds
    sign = 1 if decision.bounds.interval.estimate > 0 else -1
    return int((sign * decision.per_seed > 0).sum())


def _at_settings(settings: list[Setting], metric: Reduction) -> list[str]:
    said = [
        f"{setting.name}: {way(setting.interval.estimate, metric)}"
        for setting in settings[:_N_SETTINGS]
    ]
    n_more = len(settings) - _N_SETTINGS
    return [f"{one}." for one in said] + [f"And {n_more} more settings."] * (n_more > 0)


def _more(study: Study, decision: Decision) -> list[str]:
    """What more seeds would do, in short."""
    more = study.more_seeds.get(decision.name)
    if more is None:
        return []
    if decision.n_censored or decision.by is not By.MEAN:
        return sentences.seeds_needed(decision, more)
    seen, none = (f"{100 * chance:.0f} %" for chance in (more.if_as_seen, more.if_none))
    chances = f"{seen} if it is as seen, {none} if there is none"
    if more.n_new is None:
        return [f"Even {MOST} more seeds settle it with {chances}: not worth it."]
    seeds = f"{more.n_new} more seed{'s' * (more.n_new != 1)}"
    return [f"{seeds} ({more.minutes:.0f} min) settle it with {chances}."]
