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
#: The versions that a run was trained with, and the hashes of the files that it logged, as
#: `as_words` writes them.
TAG_VERSIONS, TAG_HASHES = "versions", "sha256"
#: MLflow's own, by which its pages show a run's commit.
TAG_COMMIT = "mlflow.source.git.commit"


#: The file of a run's weights at its end.
WEIGHTS = "weights.npz"


def sha256_tag(file: str) -> str:
    """The name of the hash of a file that a run logged, such as `test_correct.npy`."""
    return f"{file}.sha256"


def as_words(values: Mapping[str, str]) -> str:
    """`numpy=2.4.6 pandas=3.1.1`, of names and values without blanks."""
    return " ".join(f"{name}={value}" for name, value in values.items())


def recorded_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """A run's tags, with a name for each version, for each file's hash and for the commit.

    Earlier versions wrote tags of these names.
    """

    def words(tag: str) -> dict[str, str]:
        return dict(word.partition("=")[::2] for word in tags.get(tag, "").split())

    commit = {"git.commit": tags[TAG_COMMIT]} if TAG_COMMIT in tags else {}
    versions = {f"version.{package}": of for package, of in words(TAG_VERSIONS).items()}
    hashes = {sha256_tag(file): of for file, of in words(TAG_HASHES).items()}
    together = (TAG_COMMIT, TAG_VERSIONS, TAG_HASHES)
    others = {name: value for name, value in tags.items() if name not in together}
    return {**others, **commit, **versions, **hashes}


#: Where MLflow's pages are shown on this machine, unless another port is given.
UI_PORT = 5000

#: MLflow's own, by which its pages nest a run.
TAG_PARENT = "mlflow.parentRunId"


#: How the names of the tags begin by which a run is of sweeps.
SWEEP_TAGS = "sweep."


def sweep_tag(sweep_key: str) -> str:
    """The tag that a run carries for every sweep that it serves; its value names the cell there."""
    return f"{SWEEP_TAGS}{sweep_key[:8]}"


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
