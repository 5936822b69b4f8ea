"""The frames of a report: runs, epochs, claims and contrasts, as they go to CSV and Parquet."""

from typing import Any

import pandas as pd

from analysis.decide.decision import Decision
from analysis.decide.study import Study
from analysis.report import sides
from runner.record import DONE, as_text, seconds_spent

_CLAIM_COLUMNS = [
    "claim", "says", "origin", "verdict", "depends_on", "reason", "contrast", "metric", "margin",
    "estimate", "low", "high", "level", "fixed_low", "fixed_high", "look", "n_seeds", "by",
    "p", "p_sign_flip", "p_holm", "p_same", "n_censored",
    "n_choices_agree", "n_choices",
    "missing", "n_diverged", "best_over", "chosen_on", "chosen", "n_hold", "n_fixed",
]  # fmt: skip
#: The metrics of a cell.
_CELL_METRICS = ("test/accuracy", "train_eval/accuracy")


def frames(study: Study) -> dict[str, pd.DataFrame]:
    """Every frame of a report by its file's name, each column of one type."""
    as_decided = {
        "runs": study.sweep.runs,
        "epochs": study.sweep.epochs,
        "claims": claims_frame(study),
        "contrasts": study.exploratory,
    }
    return {name: _plain(frame) for name, frame in as_decided.items()}


def claims_frame(study: Study) -> pd.DataFrame:
    """One row a claim: its verdict and every number that it rests on, in the metric's own units."""
    rows = [_claim_row(study, decision) for decision in study.decisions]
    return pd.DataFrame(rows, columns=_CLAIM_COLUMNS)


def cells_frame(study: Study) -> pd.DataFrame:
    """One row a cell, in words: the runs done, their metrics at the end, seconds and parameters.

    A metric is in percent, its mean with the standard deviation over the seeds.
    """
    runs, epochs = study.sweep.runs, study.sweep.epochs
    seconds = seconds_spent(epochs).groupby(epochs["run_key"]).sum()
    last = epochs.groupby("run_key").last()[list(_CELL_METRICS)]
    numbers = runs.join(last).assign(seconds=seconds)
    rows = []
    for cell, of_cell in numbers.groupby("cell_key", sort=False):
        done = of_cell[of_cell["state"] == DONE]
        size = of_cell["n_parameters"].iloc[0]
        row = {"cell": study.cells.names[str(cell)], "runs done": f"{len(done)} of {len(of_cell)}"}
        row |= {f"{metric} [%]": _mean_and_sd(100 * done[metric]) for metric in _CELL_METRICS}
        row["median seconds a run"] = f"{of_cell['seconds'].median():.1f}"
        row["parameters"] = "" if pd.isna(size) else f"{size:,.0f}"
        rows.append(row)
    return pd.DataFrame(rows)


def _mean_and_sd(values: pd.Series) -> str:
    if not len(values):
        return ""
    spread = f" \N{PLUS-MINUS SIGN} {values.std():.2f}" if len(values) > 1 else ""
    return f"{values.mean():.2f}{spread}"


def csv_text(frame: pd.DataFrame) -> str:
    """A frame as CSV; a text that a spreadsheet would take for a formula has a `'` before it."""
    return str(frame.map(_inert).to_csv(index=False, lineterminator="\n"))


def _claim_row(study: Study, decision: Decision) -> dict[str, Any]:
    claim, choices = decision.claim, study.multiverses[decision.name]
    row = {
        "claim": decision.name,
        "says": claim.says,
        "origin": study.sweep.claims_origin.get(decision.name, "declared"),
        "verdict": decision.verdict,
        "depends_on": " ".join(decision.depends_on),
        "reason": decision.reason,
        "contrast": decision.contrast.label if decision.contrast else "",
        "metric": claim.metric + (f" - {claim.minus}" if claim.minus else ""),
        "margin": claim.margin,
        "look": decision.look,
        "n_censored": decision.n_censored,
        "n_choices_agree": choices.n_agree,
        "n_choices": len(choices.verdicts),
        "missing": claim.missing,
        "n_diverged": decision.n_diverged,
        "best_over": " ".join(claim.best_over),
        "chosen_on": claim.chosen_on or "",
        "chosen": " ".join(sides.best_levels(decision)),
        "n_hold": choices.n_hold,
        "n_fixed": len(choices.at_fixed),
    }
    if decision.bounds:
        interval = decision.bounds.interval
        row |= {"estimate": interval.estimate, "low": interval.low, "high": interval.high}
        row |= {"level": interval.level, "n_seeds": interval.n}
        row |= {"by": str(decision.by), "p": decision.p}
        row |= {"p_sign_flip": decision.p_sign_flip, "p_holm": decision.p_holm}
        row |= {"p_same": decision.p_same}
    if decision.fixed:
        row |= {"fixed_low": decision.fixed.low, "fixed_high": decision.fixed.high}
    return row


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame whose columns have one type each: lists, dictionaries and mixed values are JSON."""
    plain = frame.reset_index(drop=True)
    for name in plain.columns[plain.dtypes.map(pd.api.types.is_object_dtype)]:
        values = plain[name]
        kinds = {type(value) for value in values.dropna()}
        if not (kinds <= {str} or kinds <= {bool} or kinds <= {int, float}):
            plain[name] = [None if value is None else as_text(value) for value in values]
    return plain


def _inert(value: Any) -> Any:
    is_formula = isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t")
    return f"'{value}" if is_formula else value
