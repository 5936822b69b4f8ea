"""The vocabulary that the runner and the analysis share: metrics, claims, names in a store."""

import json
from collections.abc import Mapping
from typing import Any

from runner.errors import printable
from runner.record.claims import (
    CLAIM_KINDS,
    DIVERGES,
    MISSING,
    REDUCTIONS,
    Claim,
    Reduction,
    parse_reduction,
)
from runner.record.metrics import (
    EVALUATIONS,
    METRICS,
    SHIPPED_METRICS,
    TIMES,
    EpochRecord,
    Metric,
    in_order,
    is_metric,
    metric_of,
    seconds_spent,
)

__all__ = [
    "EVALUATIONS",
    "EpochRecord",
    "METRICS",
    "Metric",
    "SHIPPED_METRICS",
    "TIMES",
    "in_order",
    "is_metric",
    "metric_of",
    "seconds_spent",
    "CLAIM_KINDS",
    "Claim",
    "DIVERGES",
    "MISSING",
    "REDUCTIONS",
    "Reduction",
    "parse_reduction",
]

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


#: Where MLflow's pages are shown on this machine, unless another port is given.
UI_PORT = 5000

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
