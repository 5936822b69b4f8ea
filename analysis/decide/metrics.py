"""From a run's curve to one number: the reductions that a claim can name.

Every contrast is computed on these numbers, never on epochs: the unit of replication is the seed.
"""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

_FORM = re.compile(r"(final|auc|last|epochs_to)\((?:(\d+), *)?([a-z_]+/[a-z_]+)(?:, *(\d+(?:\.\d+)?))?\)")


@dataclass(frozen=True)
class Metric:
    """How a run's curve becomes a number.

    `final` is the last epoch's value, `last` the mean of the last `k`, `auc` the mean over all epochs (in the
    curve's own units), `epochs_to` the first epoch that reaches `threshold`.
    """

    kind: str
    #: The curve, such as `test/accuracy`.
    curve: str
    k: int = 1
    threshold: float | None = None

    @property
    def falls(self) -> bool:
        """Whether smaller values of the curve are better."""
        return self.curve.endswith("/loss")

    def __str__(self) -> str:
        if self.kind == "last":
            return f"last({self.k}, {self.curve})"
        if self.kind == "epochs_to":
            return f"epochs_to({self.curve}, {self.threshold:g})"
        return f"{self.kind}({self.curve})"


def parse(text: str) -> Metric:
    """The metric that a claim names: `final(M)`, `last(K, M)`, `auc(M)` or `epochs_to(M, T)`.

    Raises
    ------
    ValueError
        When it is none of these.
    """
    found = _FORM.fullmatch(text)
    kind, k, curve, threshold = found.groups() if found else ("", None, "", None)
    if not found or (k is not None) != (kind == "last") or (threshold is not None) != (kind == "epochs_to"):
        raise ValueError(f"{text}: allowed is final(M), last(K, M), auc(M) or epochs_to(M, T)")
    return Metric(kind, curve, int(k or 1), None if threshold is None else float(threshold))


def reduce(epochs: pd.DataFrame, metric: Metric) -> pd.DataFrame:
    """One row a run: its number, and whether it is censored.

    Parameters
    ----------
    epochs
        One row a run and epoch: `run_key`, `epoch`, and a column for the metric's curve; of runs that ended.

    Returns
    -------
    DataFrame with index run_key
        `value` (float) and `censored` (bool): `epochs_to` of a run that never got there counts as its last
        epoch, which is then too small; the mean of such numbers is the restricted mean.
    """
    ordered = epochs.sort_values(["run_key", "epoch"], kind="stable")
    by_run = ordered.groupby("run_key", sort=False)
    if metric.kind == "epochs_to":
        curve = ordered[metric.curve]
        reached = curve <= metric.threshold if metric.falls else curve >= metric.threshold
        first = ordered["epoch"].where(reached).groupby(ordered["run_key"], sort=False).min()
        return pd.DataFrame({"value": first.fillna(by_run["epoch"].max()).astype(float), "censored": first.isna()})
    n_last = {"final": 1, "last": metric.k, "auc": len(ordered)}[metric.kind]
    value = by_run.tail(n_last).groupby("run_key", sort=False)[metric.curve].agg(_mean)
    return pd.DataFrame({"value": value.astype(float), "censored": np.zeros(len(value), bool)})


def _mean(values: pd.Series) -> float:
    """The mean, which is not a number where one of the values is none."""
    return float(values.to_numpy(float).mean())
