"""Whether one cell of a sweep is established to be better than each of the others."""

import numpy as np

from analysis.decide import metrics
from analysis.decide.claims import ALPHA
from analysis.decide.evidence import evidence_on
from analysis.decide.verdicts import MIN_SEEDS
from analysis.design import confounds, within_seed
from analysis.design.cells import Cells, of_common_seeds, same
from analysis.design.luck import luck_of
from analysis.read.runs import Sweep
from analysis.statistics import p_values
from runner.record import DONE, metric_of, parse_reduction


def best_cell(sweep: Sweep, cells: Cells, metric: str) -> str | None:
    """The key of the cell whose last epoch is established to be the best; None for no such cell.

    It is compared within seeds with every other cell, two-sided, as a claim would be: by the t test
    or, where the luck of the two is uneven, the sign test. Each p, adjusted by Holm over the other
    cells, is at most `ALPHA`. Two-sided tests pay for choosing the best of what was seen: of cells
    that are equal, each side of a difference is as likely.

    Parameters
    ----------
    metric
        Such as `test/accuracy`.
    """
    runs = of_common_seeds(sweep.runs)
    done = runs.index[runs["state"] == DONE]
    epochs = sweep.epochs[sweep.epochs["run_key"].isin(done)]
    values = metrics.reduce(epochs, parse_reduction(f"final({metric})"))["value"]
    numbers = within_seed.table(runs, values)
    is_whole = np.isfinite(numbers.to_numpy()).all()
    if len(numbers) < MIN_SEEDS or len(numbers.columns) < 2 or not is_whole:
        return None
    means = numbers.mean()
    best = str(means.idxmin() if metric_of(metric).smaller_is_better else means.idxmax())
    others = [str(cell) for cell in numbers if cell != best]
    has_looks = bool(sweep.looks or sweep.planned.looks)
    weights = [{best: 1.0, other: -1.0} for other in others]
    p = [
        evidence_on(numbers, of, ALPHA, for_any_looks=has_looks, luck=luck).p
        for of, luck in zip(weights, luck_of(numbers, *weights), strict=True)
    ]
    if max(p_values.holm(p)) > ALPHA:
        return None
    refused = [confounds.refusal(runs, [[best, o]], _moved(cells, best, o)) for o in others]
    return None if any(refused) else best


def _moved(cells: Cells, a: str, b: str) -> list[str]:
    """The factors in which two cells differ, and what moves with them."""
    rows = cells.rows
    differing = [knob for knob in cells.moving if not same(rows[a][knob], rows[b][knob])]
    return [knob for factor in differing for knob in (factor, *cells.parts.get(factor, {}))]
