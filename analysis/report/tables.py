"""The frames of a report: runs, epochs, claims and contrasts, as they go to CSV and Parquet."""

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from analysis.decide.decision import Decision
from analysis.decide.study import Study
from analysis.report import sides
from runner.record import as_text

_CLAIM_COLUMNS = [
    "claim", "says", "origin", "verdict", "depends_on", "reason", "contrast", "metric", "margin",
    "estimate", "low", "high", "level", "fixed_low", "fixed_high", "look", "n_seeds", "by",
    "p", "p_sign_flip", "p_holm", "p_same", "n_censored",
    "n_choices_agree", "n_choices",
    "missing", "n_diverged", "best_over", "chosen_on", "chosen", "n_hold", "n_fixed",
]  # fmt: skip
_ROWS_A_PIECE = 20_000


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


def csv_text(frame: pd.DataFrame) -> str:
    """A frame as CSV; a text that a spreadsheet would take for a formula has a `'` before it."""
    return "".join(csv_pieces(frame))


def csv_pieces(frame: pd.DataFrame) -> Iterator[str]:
    """As `csv_text`, in pieces: that of a million epochs is hundreds of megabytes."""
    texts = frame.columns[~frame.dtypes.map(pd.api.types.is_numeric_dtype)]
    for first in range(0, max(1, len(frame)), _ROWS_A_PIECE):
        piece = frame.iloc[first : first + _ROWS_A_PIECE]
        # As objects: what a type is, no piece may find out for itself.
        inert = piece.assign(**{name: _objects(map(_inert, piece[name]), piece) for name in texts})
        yield str(inert.to_csv(index=False, header=not first, lineterminator="\n"))


def _objects(values: Iterable[Any], like: pd.DataFrame) -> "pd.Series[Any]":
    return pd.Series(list(values), index=like.index, dtype=object)


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
        interval = decision.interval
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
