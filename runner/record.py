"""The vocabulary that the runner and the analysis share: metrics, claims, names in a store."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
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
    #: `nats`, `share` (of images, 0 to 1), `s` or `images/s`.
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
    on, as the published script measured it.
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

    def metrics(self) -> dict[str, float]:
        """The record under the names it has in a tracking store."""
        values = asdict(self)
        return {metric.name: values[metric.field] for metric in METRICS.values()}


def _metrics() -> dict[str, Metric]:
    each = [(f.metadata["metric"], f.name) for f in fields(EpochRecord) if "metric" in f.metadata]
    return {metric.name: Metric(metric.name, metric.unit, name) for metric, name in each}


#: Every metric by its name: a new one is a field of EpochRecord, and what train/epochs.py puts into
#: it.
METRICS: dict[str, Metric] = _metrics()
#: The metrics in which two trainings of one run may differ.
TIMES = tuple(metric.name for metric in METRICS.values() if metric.is_time)


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
        return METRICS[self.curve].smaller_is_better

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
    "{curve}": ("M", r"(?P<curve>[a-z_]+/[a-z_]+)"),
    "{k}": ("K", r"(?P<k>[1-9]\d*)"),
    "{threshold:g}": ("T", r"(?P<threshold>\d+(?:\.\d+)?)"),
}


def parse_reduction(text: str) -> Reduction:
    """The reduction that a claim names.

    Raises
    ------
    ValueError
        When it is none, with what is allowed.
    """
    shown = []
    for kind, form in REDUCTIONS.items():
        pattern, letters = re.escape(form).replace(r",\ ", ", *"), form
        for argument, (letter, spelling) in _ARGUMENTS.items():
            pattern = pattern.replace(re.escape(argument), spelling)
            letters = letters.replace(argument, letter)
        shown.append(letters)
        found = re.fullmatch(pattern, text)
        if found and found["curve"] in METRICS:
            given = found.groupdict()
            threshold = float(given["threshold"]) if "threshold" in given else None
            return Reduction(kind, given["curve"], int(given.get("k", 1)), threshold)
    raise ValueError(
        f"{text}: allowed is {', '.join(shown[:-1])} or {shown[-1]} with M one of"
        f" {', '.join(METRICS)}"
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
