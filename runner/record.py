"""The vocabulary that the runner and the analysis share: metrics, claims, names in a store."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from runner.errors import printable

#: The name of the code of version 1, which had no fingerprints, and of all code known to equal it.
CODE_OF_VERSION_1 = "training_version 1"

# How a run ended. The first two are results: such a run is never trained again.
DONE, DIVERGED, FAILED, KILLED = "done", "diverged", "failed", "killed"
TRAINED = (DONE, DIVERGED)

# Tags of a run in a tracking store.
TAG_COMPLETE = "complete"
TAG_RUN_KEY = "run_key"
TAG_CELL_KEY = "cell_key"
TAG_STATUS = "status"
TAG_CAUSE = "cause"
TAG_SWEEP_KEY = "sweep_key"
TAG_CLAIMS_SHA256 = "claims_sha256"
TAG_LAST_USED = "last_used"
TAG_CODE = "code"
#: JSON of the functions of a model that no kernel of ours computes.
TAG_FALLBACKS = "engine.fallbacks"
#: Of a run whose attempts differ in an epoch: they were on processors of two families.
TAG_MIXED = "mixed"


#: The file of a run's weights at its end.
WEIGHTS = "weights.npz"


def sha256_tag(file: str) -> str:
    """The tag that holds the hash of a file that a run logged, such as `test_correct.npy`."""
    return f"{file}.sha256"


#: MLflow's own, by which its pages nest a run.
TAG_PARENT = "mlflow.parentRunId"


def sweep_tag(sweep_key: str) -> str:
    """The tag that a run carries for every sweep that it serves."""
    return f"sweep.{sweep_key[:8]}"


# =============================================================================
# Knobs in words
# =============================================================================
def short(knob: str) -> str:
    """The last part of a dotted knob: `channels` for `model.channels`."""
    return knob.rpartition(".")[2]


def as_text(value: Any) -> str:
    """A knob's value as it is typed on the command line: `true`, `30`, `[[16,16]]`."""
    return printable(value) if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def cell_name(knobs: Mapping[str, Any]) -> str:
    """`channels=30 dropout=true`; empty when nothing but the seed was swept."""
    return " ".join(f"{short(knob)}={as_text(value)}" for knob, value in knobs.items())


def run_name(knobs: Mapping[str, Any], seed: int) -> str:
    """`channels=30 dropout=true seed=0`."""
    return f"{cell_name(knobs)} seed={seed}".lstrip()


# =============================================================================
# Metrics
# =============================================================================
@dataclass(frozen=True)
class Metric:
    """A number that is recorded once an epoch."""

    #: Its name in a tracking store, such as `test/accuracy`.
    name: str
    #: `nats`, `share` (of images, 0 to 1), `s` or `images/s`; empty for a plain number.
    unit: str
    #: The field of `EpochRecord` that holds it.
    field: str = ""

    @property
    def smaller_is_better(self) -> bool:
        return self.unit in ("nats", "s")

    @property
    def is_time(self) -> bool:
        """Whether it says how long something took, which differs from machine to machine."""
        return self.unit in ("s", "images/s")


def _metric(name: str, unit: str) -> dict[str, Metric]:
    return {"metric": Metric(name, unit)}


@dataclass(frozen=True)
class EpochRecord:
    """One epoch of one run: a field for each metric, defined in docs/metrics.md.

    Accuracies are in [0, 1], losses are means over images. `train_*` is the running value over the
    epoch with dropout on, which the book prints; `train_eval_*` is measured after it on a fixed
    10,000 training images in test mode; `test_*` in test mode; `test_masked_*` with dropout left
    on, as the published script measured it; `val_*` in test mode, of a run with validation images.
    """

    epoch: int
    train_loss: float = field(metadata=_metric("train/loss", "nats"))
    train_accuracy: float = field(metadata=_metric("train/accuracy", "share"))
    train_eval_loss: float = field(metadata=_metric("train_eval/loss", "nats"))
    train_eval_accuracy: float = field(metadata=_metric("train_eval/accuracy", "share"))
    test_loss: float = field(metadata=_metric("test/loss", "nats"))
    test_accuracy: float = field(metadata=_metric("test/accuracy", "share"))
    test_masked_loss: float = field(metadata=_metric("test_masked/loss", "nats"))
    test_masked_accuracy: float = field(metadata=_metric("test_masked/accuracy", "share"))
    train_s: float = field(metadata=_metric("time/train_s", "s"))
    eval_s: float = field(metadata=_metric("time/eval_s", "s"))
    images_per_s: float = field(metadata=_metric("throughput/images_per_s", "images/s"))
    #: Which test images were classified right in test mode, bool (n_test_images,); not a metric.
    test_correct: Any = field(repr=False, compare=False)
    #: The classes that they were given, of the dtype of `Evaluation.predicted`; not a metric.
    test_predicted: Any = field(repr=False, compare=False)
    val_loss: float | None = field(default=None, metadata=_metric("val/loss", "nats"))
    val_accuracy: float | None = field(default=None, metadata=_metric("val/accuracy", "share"))
    #: The user's own metrics, by name.
    own: dict[str, float] = field(default_factory=dict)

    def metrics(self) -> dict[str, float]:
        """What was measured, under the names it has in a tracking store."""
        known = {name: getattr(self, metric.field) for name, metric in SHIPPED_METRICS.items()}
        return {name: value for name, value in known.items() if value is not None} | self.own


def _shipped() -> dict[str, Metric]:
    each = [(f.metadata["metric"], f.name) for f in fields(EpochRecord) if "metric" in f.metadata]
    return {metric.name: Metric(metric.name, metric.unit, name) for metric, name in each}


#: Every metric that ships, by its name: a new one is a field of EpochRecord, and what
#: train/epochs.py puts into it.
SHIPPED_METRICS: dict[str, Metric] = _shipped()
#: Those of every run; the others need validation images.
METRICS = {name: of for name, of in SHIPPED_METRICS.items() if not name.startswith("val/")}
#: The metrics in which two trainings of one run may differ.
TIMES = tuple(metric.name for metric in METRICS.values() if metric.is_time)


#: The evaluations after an epoch, of which a user's own metrics are computed.
EVALUATIONS = ("train_eval", "test", "test_masked", "val")
#: A user's own metric; the last part is a key of the dictionary that its function returned.
_OWN_METRIC = re.compile(rf"({'|'.join(EVALUATIONS)})/[A-Za-z]\w{{0,59}}(/\w{{1,60}})?", re.ASCII)


def is_metric(name: str) -> bool:
    """Whether there may be a metric of this name: one that ships, or a user's own."""
    return name in SHIPPED_METRICS or _OWN_METRIC.fullmatch(name) is not None


def metric_of(name: str) -> Metric:
    """The metric of this name; a user's own is a plain number, of which more is better."""
    return SHIPPED_METRICS.get(name) or Metric(name, "")


def in_order(names: Collection[str]) -> list[str]:
    """Names of metrics as a reader should see them: those that ship, then the user's own."""
    return [name for name in SHIPPED_METRICS if name in names] + sorted(
        set(names) - set(SHIPPED_METRICS)
    )


def seconds_spent(metrics: Any) -> Any:
    """Training and evaluation together, of one epoch's metrics or of a frame of them."""
    return metrics.get("time/train_s", 0.0) + metrics.get("time/eval_s", 0.0)


@dataclass(frozen=True)
class Reduction:
    """How a run's curve becomes the number that a claim is about, written `final(test/accuracy)`.

    `final` is the last epoch's value, `last` the mean of the last `k`, `auc` the mean over all
    epochs (in the curve's own units), `epochs_to` the first epoch that reaches `threshold`.
    """

    kind: str
    #: The metric whose curve it is, such as `test/accuracy`.
    curve: str
    k: int = 1
    threshold: float | None = None

    @property
    def smaller_is_better(self) -> bool:
        """Whether smaller values of the curve are better."""
        return metric_of(self.curve).smaller_is_better

    def __str__(self) -> str:
        return REDUCTIONS[self.kind].format(curve=self.curve, k=self.k, threshold=self.threshold)


#: How each kind of reduction is written; analysis/decide/metrics.py has a function for each.
REDUCTIONS = {
    "final": "final({curve})",
    "last": "last({k}, {curve})",
    "auc": "auc({curve})",
    "epochs_to": "epochs_to({curve}, {threshold:g})",
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
        if found and may_be_named(found["curve"]):
            given = found.groupdict()
            threshold = float(given["threshold"]) if "threshold" in given else None
            return Reduction(kind, given["curve"], int(given.get("k", 1)), threshold)
    raise ValueError(
        f"{text}: allowed is {', '.join(shown[:-1])} or {shown[-1]} with M one of"
        f" {', '.join([*SHIPPED_METRICS, *(own or ())])}"
    )


# =============================================================================
# Claims
# =============================================================================
@dataclass
class Claim:
    """A sentence declared before the runs, and the contrast that decides it."""

    #: The sentence, as the report prints it.
    says: str
    #: The knob whose effect is claimed, such as `model.dropout`.
    knob: str
    #: What is measured on each run: `final(test/accuracy)`, `last(3, test/accuracy)`,
    #: `auc(train/accuracy)` or `epochs_to(test/accuracy, 0.97)`.
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
