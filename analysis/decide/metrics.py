"""From a run's curve to one number: how each reduction that a claim can name is computed.

Every contrast is computed on these numbers, never on epochs: the unit of replication is the seed.
"""

from collections.abc import Callable, Collection

import numpy as np
import pandas as pd

from analysis.design import confounds, within_seed
from analysis.design.contrasts import Contrast, NotTestable
from analysis.design.within_seed import Array
from runner.record import DIVERGED, DIVERGES, DONE, METRICS, Claim, Reduction, parse_reduction
from runner.system.language import joined, say


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
    """Those of the claim's curves that some runs lack altogether, with the keys of these runs.

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


def numbers_of(
    claim: Claim, runs: pd.DataFrame, epochs: pd.DataFrame, compared: list[Contrast]
) -> tuple[pd.DataFrame, int]:
    """The claim's metric as a table of seeds x cells, and how many of its numbers are censored.

    With `missing: worst` a run that diverged has `Reduction.worst`, which is infinite.

    Raises
    ------
    NotTestable
        When this version does not know the metric, or a run of the contrasts did not record it or
        has no finite number of it, or no run reached the threshold.
    """
    members = runs[
        runs["cell_key"].isin({cell for contrast in compared for cell in contrast.cells})
    ]
    try:
        metric, *_ = [parse_reduction(text) for text in (claim.metric, claim.minus) if text]
    except ValueError as error:
        unknown = "this version does not know the claim's metric ({error})"
        raise NotTestable(say(unknown, error=error)) from error
    has_diverged = members["state"] == DIVERGED
    if metric.kind == DIVERGES:
        return within_seed.table(members, has_diverged.astype(float)), 0
    planned = members
    if claim.missing == "worst":
        members = members[~has_diverged]
        if not len(members):
            raise NotTestable(say("every run diverged, so that none is better than another"))
    curves = epochs[epochs["run_key"].isin(members.index)]
    absent = not_recorded(claim, curves, members.index)
    for curve, keys in absent.items():
        names = confounds.named(runs.loc[keys, "name"])
        why = say("they were trained without it")
        if curve in METRICS:
            why = say(
                "the version that trained them did not have it; the same command with another"
                " runner.root trains them with this version"
            )
        raise NotTestable(
            say(
                "{curve} was not recorded in {n} of {all} runs ({names}): {why}",
                curve=curve,
                n=len(keys),
                all=len(members),
                names=names,
                why=why,
            )
        )
    numbers = of_claim(claim, curves)
    values = numbers["value"]
    infinite = [key for key in members.index if not np.isfinite(values.get(key, np.nan))]
    if infinite:
        names = confounds.named(runs.loc[infinite, "name"])
        not_finite = "{metric} is not a finite number in {names}"
        raise NotTestable(say(not_finite, metric=claim.metric, names=names))
    if numbers["censored"].all():
        n_epochs = int(curves["epoch"].max())
        raise NotTestable(
            say(
                "no run reached {curve} {threshold} in {n} epochs: train longer, or ask for a"
                " threshold that is reached",
                curve=metric.curve,
                threshold=f"{metric.threshold:g}",
                n=n_epochs,
            )
        )
    _check_epochs(claim, curves, members, compared)
    values = values.reindex(planned.index).mask(~planned.index.isin(members.index), metric.worst)
    return within_seed.table(planned, values), int(numbers["censored"].sum())


def of_all_cells(
    claim: Claim, runs: pd.DataFrame, epochs: pd.DataFrame, seeds: Collection[int]
) -> Array:
    """The claim's metric of every cell that has a finite number of it in each of the seeds.

    Returns
    -------
    ndarray of shape (n_seeds, n_cells)
        In the metric's units.
    """
    done = runs[(runs["state"] == DONE) & runs["seed"].isin(seeds)]
    values = of_claim(claim, epochs[epochs["run_key"].isin(done.index)])["value"]
    numbers = within_seed.table(done, values).reindex(list(seeds)).to_numpy(float)
    return np.asarray(numbers[:, np.isfinite(numbers).all(axis=0)])


def _check_epochs(
    claim: Claim, curves: pd.DataFrame, members: pd.DataFrame, compared: list[Contrast]
) -> None:
    """Refuse the means over all epochs of trainings of other lengths: late epochs are better."""
    metrics = [parse_reduction(text) for text in (claim.metric, claim.minus) if text]
    if not any(metric.kind == "auc" for metric in metrics):
        return
    n_epochs = curves.groupby("run_key")["epoch"].max().groupby(members["cell_key"]).max()
    for cells in (cells for contrast in compared for cells in contrast.compared):
        lengths = sorted({int(n_epochs[cell]) for cell in cells if cell in n_epochs})
        if len(lengths) > 1:
            raise NotTestable(
                say(
                    "auc is a mean over all epochs, and these are {lengths}; ask for final(...) or"
                    " epochs_to(...), or train all for as many epochs",
                    lengths=joined(" and ", list(map(str, lengths))),
                )
            )


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
