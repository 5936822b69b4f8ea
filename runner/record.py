"""The vocabulary that the runner and the analysis share: epochs, claims, states and names in MLflow."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

#: Raised whenever the numbers that a configuration trains to change; part of every run key.
TRAINING_VERSION = 1

#: Metric in MLflow -> field of EpochRecord. docs/metrics.md defines each.
METRICS = {
    "train/loss": "train_loss",
    "train/accuracy": "train_accuracy",
    "train_eval/loss": "train_eval_loss",
    "train_eval/accuracy": "train_eval_accuracy",
    "test/loss": "test_loss",
    "test/accuracy": "test_accuracy",
    "test_masked/loss": "test_masked_loss",
    "test_masked/accuracy": "test_masked_accuracy",
    "time/train_s": "train_s",
    "time/eval_s": "eval_s",
    "throughput/images_per_s": "images_per_s",
}
#: The metrics that say how long something took: they differ from machine to machine and from day to day.
TIMES = ("time/train_s", "time/eval_s", "throughput/images_per_s")

# How a run ended. The first two are results: such a run is never trained again.
DONE, DIVERGED, FAILED, KILLED = "done", "diverged", "failed", "killed"
TRAINED = (DONE, DIVERGED)

# Tags of a run in MLflow.
TAG_COMPLETE = "complete"
TAG_RUN_KEY = "run_key"
TAG_CELL_KEY = "cell_key"
TAG_STATUS = "status"
TAG_CAUSE = "cause"
TAG_SWEEP_KEY = "sweep_key"
TAG_CLAIMS_SHA256 = "claims_sha256"
TAG_LAST_USED = "last_used"


#: The kinds of network that the project ships; what has an effect in a kind of one's own is not known.
OWN_KINDS = ("cnn", "mlp")


def without_effect(knobs: Mapping[str, Any]) -> set[str]:
    """The knobs, by dotted name, that change nothing under the values of the others."""
    kind, nothing = knobs["model.kind"], set()
    if kind in OWN_KINDS:
        nothing.add("model.options")
        if kind == "mlp":
            nothing |= {"model.channels", "model.blocks"}
        elif knobs["model.blocks"]:
            nothing.add("model.channels")
        if knobs["model.fc_depth"] == 0:
            nothing |= {"model.hidden_size", "model.dropout", "model.dropout_ratio"}
        if not knobs["model.dropout"]:
            nothing.add("model.dropout_ratio")
    if knobs["optimizer.name"] != "momentum":
        nothing.add("optimizer.momentum")
    return nothing


def sha256_tag(file: str) -> str:
    """The tag that holds the hash of a file that a run logged, such as `test_correct.npy`."""
    return f"{file}.sha256"


def sweep_tag(sweep_key: str) -> str:
    """The tag that a run carries for every sweep that it serves."""
    return f"sweep.{sweep_key[:8]}"


@dataclass(frozen=True)
class EpochRecord:
    """One epoch of one run. Accuracies are in [0, 1], losses are means over images, in nats.

    `train_*` is the running value over the epoch with dropout on, what the book prints; `train_eval_*` is
    measured after it on a fixed 10,000 training images in test mode; `test_*` in test mode;
    `test_masked_*` with dropout left on, which is what the published script measured.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    train_eval_loss: float
    train_eval_accuracy: float
    test_loss: float
    test_accuracy: float
    test_masked_loss: float
    test_masked_accuracy: float
    train_s: float
    eval_s: float
    images_per_s: float
    #: Which test images were classified right in test mode, bool (n_test_images,); not a metric.
    test_correct: Any = field(repr=False, compare=False)

    def metrics(self) -> dict[str, float]:
        """The record under the names it has in MLflow."""
        values = asdict(self)
        return {metric: values[name] for metric, name in METRICS.items()}


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
