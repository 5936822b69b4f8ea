"""What a sweep may claim: the number of each run, and the contrast that decides."""

import math
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import Any

from runner.record.metrics import SHIPPED_METRICS, is_metric, metric_of


@dataclass(frozen=True)
class Reduction:
    """How a run's curve becomes the number that a claim is about, written `final(test/accuracy)`.

    `final` is the last epoch's value, `last` the mean of the last `k`, `auc` the mean over all
    epochs (in the curve's own units), `epochs_to` the first epoch that reaches `threshold`.
    `diverges` is of no curve: 1 for a run that diverged, and 0 for one that did not.
    """

    kind: str
    #: The metric whose curve it is, such as `test/accuracy`; empty for `diverges`.
    curve: str = ""
    k: int = 1
    threshold: float | None = None

    @property
    def smaller_is_better(self) -> bool:
        """Whether smaller values of the curve are better."""
        return metric_of(self.curve).smaller_is_better

    @property
    def worst(self) -> float:
        """What is worse than any number of a run: infinity, with the sign of what is bad."""
        fewer_is_better = self.kind in ("epochs_to", DIVERGES) or self.smaller_is_better
        return math.inf if fewer_is_better else -math.inf

    def __str__(self) -> str:
        return REDUCTIONS[self.kind].format(curve=self.curve, k=self.k, threshold=self.threshold)


#: The kind of reduction that is about how a run ended.
DIVERGES = "diverges"
#: How each kind of reduction is written; analysis/decide/metrics.py has a function for each.
REDUCTIONS = {
    "final": "final({curve})",
    "last": "last({k}, {curve})",
    "auc": "auc({curve})",
    "epochs_to": "epochs_to({curve}, {threshold:g})",
    DIVERGES: "diverges",
}
#: Each argument of a reduction: the letter that stands for it in a message, and how it may be
#: spelled.
_ARGUMENTS = {
    "{curve}": ("M", r"(?P<curve>[a-z_]+/\w+(?:/\w+)?)"),
    "{k}": ("K", r"(?P<k>[1-9]\d*)"),
    "{threshold:g}": ("T", r"(?P<threshold>\d+(?:\.\d+)?)"),
}


def parse_reduction(text: str, own: Collection[str] | None = None) -> Reduction:
    """The reduction that a claim names.

    Parameters
    ----------
    own
        The user's own metrics that it may name, and what their functions may return under keys; by
        default any.

    Raises
    ------
    ValueError
        When it is none, with what is allowed.
    """
    shown = []

    def may_be_named(metric: str) -> bool:
        if own is None or metric in SHIPPED_METRICS:
            return is_metric(metric)
        return metric in own or metric.rpartition("/")[0] in own

    for kind, form in REDUCTIONS.items():
        pattern, letters = re.escape(form).replace(r",\ ", ", *"), form
        for argument, (letter, spelling) in _ARGUMENTS.items():
            pattern = pattern.replace(re.escape(argument), spelling)
            letters = letters.replace(argument, letter)
        shown.append(letters)
        found = re.fullmatch(pattern, text, re.ASCII)
        given = found.groupdict() if found else {}
        if found and ("curve" not in given or may_be_named(given["curve"])):
            threshold = float(given["threshold"]) if "threshold" in given else None
            return Reduction(kind, given.get("curve", ""), int(given.get("k", 1)), threshold)
    raise ValueError(
        f"{text}: allowed is {', '.join(shown[:-1])} or {shown[-1]} with M one of"
        f" {', '.join([*SHIPPED_METRICS, *(own or ())])}"
    )


#: What a claim may do with runs that diverged.
MISSING = ("refuse", "worst")
#: The fields that claims of before do not have.
_CAME_LATER = ("best_over", "chosen_on", "missing")


@dataclass
class Claim:
    """A sentence declared before the runs, and the contrast that decides it."""

    #: The sentence, as the report prints it.
    says: str
    #: The knob whose effect is claimed, such as `model.dropout`.
    knob: str
    #: What is measured on each run: `final(test/accuracy)`, `last(3, test/accuracy)`,
    #: `auc(train/accuracy)`, `epochs_to(test/accuracy, 0.97)` or `diverges`.
    metric: str
    #: The sign of the difference that the claim expects: `less`, `greater` or `either`.
    direction: str
    #: The smallest difference that matters, in the metric's units.
    margin: float
    #: [a, b]: a against b. One of levels, winner and slope is given.
    levels: list[Any] | None = None
    #: The level that is claimed to beat every other.
    winner: Any = None
    #: The metric's slope on log2 of the knob.
    slope: bool = False
    #: A second metric, subtracted from the first.
    minus: str | None = None
    #: Other knobs held at one level (a simple effect).
    at: dict[str, Any] = field(default_factory=dict)
    #: Other knobs of which each side has its own best level, such as `optimizer.lr`.
    best_over: list[str] = field(default_factory=list)
    #: What is best on the validation images, such as `final(val/accuracy)`; with `best_over`.
    chosen_on: str | None = None
    #: What a run that diverged says: `refuse`, nothing, so that the claim is not testable; `worst`,
    #: that it is worse than any number.
    missing: str = MISSING[0]

    @property
    def takes_diverged(self) -> bool:
        """Whether runs that diverged are among its data."""
        return self.missing == "worst" or self.metric == REDUCTIONS[DIVERGES]

    def declared(self) -> dict[str, Any]:
        """Its fields as a plan keeps them and as they are hashed.

        A field that came later is left out at its default: claims of before keep their hash.
        """
        values, plain = asdict(self), Claim("", "", "", "", 0.0)
        return {
            name: value
            for name, value in values.items()
            if name not in _CAME_LATER or value != getattr(plain, name)
        }

    @property
    def kinds(self) -> list[str]:
        """The kinds of contrast that it asks for: exactly one of `CLAIM_KINDS` in a valid claim."""
        given = {
            "levels": self.levels is not None,
            "winner": self.winner is not None,
            "slope": bool(self.slope),
        }
        return [kind for kind, is_given in given.items() if is_given]


#: The fields of a claim that say what is compared; analysis/design/contrasts.py has a function for
#: each.
CLAIM_KINDS = ("levels", "winner", "slope")
