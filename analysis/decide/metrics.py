"""From a run's curve to one number: how each reduction that a claim can name is computed.

Every contrast is computed on these numbers, never on epochs: the unit of replication is the seed.
"""

from collections.abc import Callable, Collection

import numpy as np
import pandas as pd

from runner.record import Claim, Reduction, parse_reduction


def reduce(epochs: pd.DataFrame, reduction: Reduction) -> pd.DataFrame:
    """One row a run: its number, and whether it is censored.

    Parameters
    ----------
    epochs
        One row a run and epoch: `run_key`, `epoch`, and a column for the reduction's curve; of runs
        that ended.

    Returns
    -------
    DataFrame with index run_key
        `value` (float) and `censored` (bool): `epochs_to` of a run that never reached the threshold
        counts as its last epoch, which is then too small; the mean of such numbers is the
        restricted mean.

    Raises
    ------
    ValueError
        For a kind of reduction that is not in `REDUCERS`.
    """
    if reduction.kind not in REDUCERS:
        raise ValueError(f"{reduction.kind}: allowed is {', '.join(REDUCERS)}")
    ordered = epochs.sort_values(["run_key", "epoch"], kind="stable")
    return REDUCERS[reduction.kind](ordered, reduction)


def of_claim(claim: Claim, epochs: pd.DataFrame) -> pd.DataFrame:
    """As `reduce`, by the claim's metric; its `minus` is subtracted within each run."""
    numbers = reduce(epochs, parse_reduction(claim.metric))
    if claim.minus:
        subtracted = reduce(epochs, parse_reduction(claim.minus))["value"]
        numbers = numbers.assign(value=numbers["value"] - subtracted)
    return numbers


def not_recorded(
    claim: Claim, epochs: pd.DataFrame, run_keys: Collection[str]
) -> dict[str, list[str]]:
    """Those of the claim's metrics that some runs lack altogether, with the keys of these runs.

    A version of this program that does not have a metric yet leaves its column without any number;
    a metric of the user's own has no column where no run recorded it.
    """
    lacking = {}
    for text in filter(None, (claim.metric, claim.minus)):
        curve = parse_reduction(text).curve
        recorded = set(epochs.loc[epochs[curve].notna(), "run_key"]) if curve in epochs else set()
        keys = [key for key in run_keys if key not in recorded]
        if keys:
            lacking[curve] = keys
    return lacking


def _final(ordered: pd.DataFrame, reduction: Reduction) -> pd.DataFrame:
    return _mean_of_last(ordered, reduction.curve, 1)


def _last(ordered: pd.DataFrame, reduction: Reduction) -> pd.DataFrame:
    return _mean_of_last(ordered, reduction.curve, reduction.k)


def _auc(ordered: pd.DataFrame, reduction: Reduction) -> pd.DataFrame:
    return _mean_of_last(ordered, reduction.curve, len(ordered))


def _epochs_to(ordered: pd.DataFrame, reduction: Reduction) -> pd.DataFrame:
    curve, threshold = ordered[reduction.curve], reduction.threshold
    reached = curve <= threshold if reduction.smaller_is_better else curve >= threshold
    first = ordered["epoch"].where(reached).groupby(ordered["run_key"], sort=False).min()
    last = ordered.groupby("run_key", sort=False)["epoch"].max()
    return pd.DataFrame({"value": first.fillna(last).astype(float), "censored": first.isna()})


def _mean_of_last(ordered: pd.DataFrame, curve: str, n_epochs: int) -> pd.DataFrame:
    tail = ordered.groupby("run_key", sort=False).tail(n_epochs)
    value = tail.groupby("run_key", sort=False)[curve].agg(_mean).astype(float)
    return pd.DataFrame({"value": value, "censored": np.zeros(len(value), bool)})


def _mean(values: pd.Series) -> float:
    """The mean; nan where one of the values is nan, which pandas' own mean would skip."""
    return float(values.to_numpy(float).mean())


#: How each kind of `runner.record.REDUCTIONS` is computed from the epochs, sorted by run and epoch.
REDUCERS: dict[str, Callable[[pd.DataFrame, Reduction], pd.DataFrame]] = {
    "final": _final,
    "last": _last,
    "auc": _auc,
    "epochs_to": _epochs_to,
}
