"""What is recorded of every epoch, and what a user may add to it."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field, fields
from typing import Any


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
