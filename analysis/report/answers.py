"""What a study answers, in a reader's words: a word and a line or two a claim, for a terminal."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isinf

from analysis.decide import verdicts
from analysis.decide.beside.more_seeds import MOST
from analysis.decide.decision import Decision
from analysis.decide.evidence import By
from analysis.decide.looks import alpha_of
from analysis.decide.settings import Setting
from analysis.decide.study import Study
from analysis.report import sentences, sides
from analysis.report.numbers import amount, unit_of
from analysis.statistics.intervals import Interval, constant
from runner.record import DIVERGES, Claim, Reduction, as_text, parse_reduction, short
from runner.system.language import Said, joined, say
from runner.words.columns import padded, width_of, wrapped

#: The answer that each verdict is.
WORDS = {
    verdicts.SUPPORTED: say("YES"),
    verdicts.DIRECTION: say("YES, HOW MUCH IS OPEN"),
    verdicts.NEGLIGIBLE: say("TOO SMALL TO MATTER"),
    verdicts.EQUIVALENT: say("TOO SMALL TO MATTER"),
    verdicts.REFUTED: say("NO, THE OPPOSITE"),
    verdicts.DEPENDS: say("IT DEPENDS"),
    verdicts.INCONCLUSIVE: say("NOT YET"),
    verdicts.NOT_TESTABLE: say("CANNOT SAY"),
}
#: A word that takes more columns has a line to itself; claims begin two columns after the others.
_WIDEST_WORD = 14
#: Settings of other knobs that are listed.
_N_SETTINGS = 4


@dataclass(frozen=True)
class Answer:
    """A claim's answer."""

    verdict: str
    says: Said
    #: What was found, a sentence each.
    found: list[str]

    @property
    def word(self) -> Said:
        return WORDS[self.verdict]


def answer(study: Study, decision: Decision) -> Answer:
    """The answer to a claim of a study."""
    says = sentence_of(decision.claim)
    if decision.depends_on:
        knobs = joined(" and ", decision.depends_on)
        says = say("{claim}: on {knobs}", claim=says, knobs=knobs)
    found = _found(study, decision)
    found += sides.best_levels(decision)
    found += sides.at_fixed_levels(decision, study.multiverses[decision.name])
    return Answer(decision.verdict, says, found)


def lines(
    answers: list[tuple[Answer, list[str]]],
    width: int,
    to: Callable[[str], str] = str,
    painted: Callable[[str, str], str] = lambda word, verdict: word,
) -> list[str]:
    """Answers with their marks as lines of a terminal of this width, broken between words.

    Parameters
    ----------
    to
        Says a text in the reader's language.
    painted
        Gives a word the colour of its verdict; colours take no columns.
    """
    words = [to(word) for word in WORDS.values()]
    indent = 2 + max(width_of(word) for word in words if width_of(word) <= _WIDEST_WORD)
    text: list[str] = []
    for one, marks in answers:
        word = to(one.word)
        says = to(one.says) + "".join(f" [{to(mark)}]" for mark in marks)
        first, *others = wrapped(says, width, " " * indent, " " * indent)
        if width_of(word) < indent:
            rest = first[indent:]
            text += ["", painted(word, one.verdict) + padded("", indent - width_of(word)) + rest]
        else:
            text += ["", painted(word, one.verdict), first]
        text += others
        for sentence in one.found:
            text += wrapped(to(sentence), width, " " * indent, " " * indent)
    return text


def sentence_of(claim: Claim) -> Said:
    """The claim's sentence; of a generated one what it was made from."""
    sides = []
    if claim.levels:
        sides = [f"{short(claim.knob)}={as_text(level)}" for level in claim.levels]
        made = say("{this} changes test accuracy against {first}", this=sides[0], first=sides[1])
        if made == claim.says:
            return made
    return say(claim.says)


# =============================================================================
# What was found
# =============================================================================
def _found(study: Study, decision: Decision) -> list[str]:
    if decision.bounds is None or decision.contrast is None:
        return [say("{reason}.", reason=_begun(decision.reason))]
    metric = parse_reduction(decision.claim.metric)
    interval, than = decision.interval, _than(decision)
    if decision.verdict == verdicts.DEPENDS:
        return _at_settings(decision.settings, metric)
    if decision.verdict == verdicts.INCONCLUSIVE:
        span = say("{span}.", span=_span(interval, metric, than))
        return [span, *sides.diverged(decision), *_more(study, decision)]
    margin = amount(decision.claim.margin, metric)
    if decision.verdict in (verdicts.EQUIVALENT, verdicts.NEGLIGIBLE):
        small = "{span}: less than the {margin} that matter."
        span = say(small, span=_span(interval, metric, than), margin=margin)
        return [span, *sides.diverged(decision)]
    found = _estimate(decision, metric, than)
    found = say("{found}{surely}", found=found, surely=_surely(interval, metric))
    if decision.claim.minus:
        found = say("{measured}: {found}", measured=sentences.measured(decision.claim), found=found)
    if decision.verdict == verdicts.DIRECTION:
        open_ = "{found}, which may be more or less than the {margin} that matter"
        if isinf(interval.estimate):
            open_ = "{found}; whether it is surely by the {margin} that matter is open"
        elif min(abs(interval.low), abs(interval.high)) > decision.claim.margin:
            open_ = (
                "{found}, which at some settings may be more or less than the {margin} that matter"
            )
        found = say(open_, found=found, margin=margin)
    said: list[str] = [say("{found}. {seeds}.", found=found, seeds=_seeds(decision))]
    said += sides.diverged(decision)
    if decision.p_same <= alpha_of(decision.look):
        said += _at_settings(decision.settings, metric)
    return said


def _begun(reason: str) -> str:
    if isinstance(reason, Said):
        return reason.capitalised()
    return reason[:1].upper() + reason[1:]


def _than(decision: Decision) -> Said:
    """Of which level against which: ` with dropout=true than with dropout=false`."""
    assert decision.contrast
    if decision.contrast.sides:
        this, that = decision.contrast.sides
        return say(" with {this} than with {that}", this=this, that=that)
    if decision.claim.slope:
        return say(" with each doubling of {knob}", knob=short(decision.claim.knob))
    return say("")


def _estimate(decision: Decision, metric: Reduction, than: Said) -> Said:
    """`2.90 points lower`; where the median seed has no number, which of its sides diverged."""
    assert decision.bounds and decision.contrast
    value, of = decision.interval.estimate, decision.contrast.sides
    if isinf(value) and of:
        return say("{side} diverges in the median seed", side=of[0 if value == metric.worst else 1])
    return say("{way}{than}", way=way(value, metric), than=than)


def way(value: float, metric: Reduction) -> Said:
    """`2.90 points lower`; of epochs, `1.00 epochs more`; of nothing, `no difference`."""
    size = amount(abs(value), metric)
    if not value:
        return say("no difference")
    if metric.kind == DIVERGES:
        return say("{size} less often" if value < 0 else "{size} more often", size=size)
    if unit_of(metric).name == "epochs":
        return say("{size} fewer" if value < 0 else "{size} more", size=size)
    return say("{size} lower" if value < 0 else "{size} higher", size=size)


def _surely(interval: Interval, metric: Reduction) -> Said:
    """`, surely 2.60 to 3.20`: the ends of an interval on one side of 0."""
    near, far = sorted((abs(interval.low), abs(interval.high)))
    if near == far:
        return say("")
    if isinf(far):
        end = interval.low if interval.low > 0 else interval.high
        return say(", surely at least {way}", way=way(end, metric)) if near else say("")
    least, most = (amount(end, metric, unit=False) for end in (near, far))
    if near == 0:
        return say(", surely more than 0 and at most {most}", most=most)
    return say(", surely {least} to {most}", least=least, most=most)


def _span(interval: Interval, metric: Reduction, than: Said) -> Said:
    """`Between 0.54 points lower and 0.22 points higher`; of too few seeds, their median."""
    middle = say("No difference")
    if interval.estimate:
        middle = say("{way}{than}", way=way(interval.estimate, metric), than=than)
    if isinf(interval.low) and isinf(interval.high):
        return say("{found} in the median seed; so few seeds give no sure range", found=middle)
    if interval.low == interval.high:
        return say("{found}, in each seed", found=middle)
    low, high = way(interval.low, metric), way(interval.high, metric)
    return say("Between {low} and {high}{than}", low=low, high=high, than=than)


def _seeds(decision: Decision) -> Said:
    """`In 8 of 8 seeds`: in how many the difference has the sign of the answer."""
    assert decision.bounds
    interval, d = decision.interval, decision.per_seed
    sign = 1 if interval.estimate > 0 else -1
    seeds = say("In {n} of {all} seeds", n=int((sign * d > 0).sum()), all=interval.n)
    if not decision.by_median:
        return seeds
    if decision.n_diverged:
        return say("{seeds}, and the median seed is judged", seeds=seeds)
    if constant(d.to_numpy(float)):
        return say("{seeds}, the same in each", seeds=seeds)
    return say("{seeds}; their luck is uneven, and the median seed is judged", seeds=seeds)


def _at_settings(settings: list[Setting], metric: Reduction) -> list[str]:
    said: list[str] = [
        say("{setting}: {way}.", setting=setting.name, way=way(setting.interval.estimate, metric))
        for setting in settings[:_N_SETTINGS]
    ]
    n_more = len(settings) - _N_SETTINGS
    return said + [say("And {n} more settings.", n=n_more)] * (n_more > 0)


def _more(study: Study, decision: Decision) -> list[str]:
    """What more seeds would do, in short."""
    more = study.more_seeds.get(decision.name)
    if more is None:
        return []
    if decision.n_censored or decision.by is not By.MEAN:
        return sentences.seeds_needed(decision, more)
    chances = say(
        "with a chance of {seen} % if the difference is as seen, {none} % if there is none",
        seen=f"{100 * more.if_as_seen:.0f}",
        none=f"{100 * more.if_none:.0f}",
    )
    if more.n_new is None:
        hopeless = "Even {n} more seeds would settle it {chances}: not worth it."
        return [say(hopeless, n=MOST, chances=chances)]
    settle = "{n} more seeds ({minutes} min) would settle it {chances}."
    if more.n_new == 1:
        settle = "{n} more seed ({minutes} min) would settle it {chances}."
    minutes = f"{max(1, more.minutes):.0f}"
    return [say(settle, n=more.n_new, minutes=minutes, chances=chances)]
