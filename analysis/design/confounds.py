"""The gate before every claim: what in the runs themselves makes a contrast say nothing."""

from itertools import product

import numpy as np
import pandas as pd

from analysis.design.cells import as_key
from runner.record import short

#: What has to be the same in all runs of a seed, and the knob that may change it when it is the claimed one.
_SAME_WITHIN_A_SEED = {
    "data.sha256": ("data", "data.name"),
    "device": ("devices", "device"),
    "engine": ("engines", "engine.name"),
    "git.commit": ("versions of the code", ""),
    "first_batch_order.sha256": ("orders of the batches", ""),
}
_SHOWN = 5


def refusal(runs: pd.DataFrame, cells: list[str], knob: str) -> str | None:
    """Why these cells cannot be compared seed by seed, naming the runs; None when they can.

    Parameters
    ----------
    runs
        One row a planned run: `name`, `seed`, `cell_key`, `state`, and what was recorded of each.
    cells
        The cells of the contrast.
    knob
        The claimed knob, which may change what nothing else may.
    """
    ours = runs[runs["cell_key"].isin(cells)]
    return _seeds(ours) or _unfinished(ours) or _mixed(ours, knob)


def _seeds(runs: pd.DataFrame) -> str | None:
    seeds = {cell: sorted(group["seed"]) for cell, group in runs.groupby("cell_key", sort=False)}
    first = next(iter(seeds.values()))
    if any(len(set(one)) < len(one) for one in seeds.values()):
        return "a seed is there twice in one cell"
    if any(one != first for one in seeds.values()):
        return "the cells were not planned with the same seeds, so there is nothing to pair"
    if len(first) < 2:
        return f"one seed ({first[0]}) says nothing about the next; run at least 2, better 8"
    return None


def _unfinished(runs: pd.DataFrame) -> str | None:
    parts = []
    for state, group in runs[runs["state"] != "done"].groupby("state", sort=True):
        verb = "are missing" if state == "missing" else str(state)
        parts.append(f"{len(group)} of {len(runs)} runs {verb} ({_some(list(group['name']))})")
    if not parts:
        return None
    advice = "" if set(runs["state"]) <= {"done", "diverged"} else "; the same command again trains what can be trained"
    return "; ".join(parts) + ": a mean over the others would hide them" + advice


def _mixed(runs: pd.DataFrame, knob: str) -> str | None:
    packages = [str(name) for name in runs if str(name).startswith("version.")]
    versions = {name: (f"versions of {name.partition('.')[2]}", "") for name in packages}
    for column, (what, allowed) in (_SAME_WITHIN_A_SEED | versions).items():
        if column not in runs or (allowed and knob == allowed):
            continue
        for seed, group in runs.groupby("seed", sort=True):
            found = group.groupby(group[column].fillna("").astype(str), sort=True)["name"]
            if found.ngroups > 1:
                each = "; ".join(f"{str(value)[:12] or 'unknown'}: {_some(list(names))}" for value, names in found)
                return f"{what} differ within seed {seed} ({each}): not the same but for {short(knob)}"
    return None


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def moved_together(values: pd.DataFrame) -> list[str]:
    """The knobs whose effects the cells cannot tell from those of the other knobs.

    Parameters
    ----------
    values
        `Cells.values`: one row a cell, one column a knob that moves.
    """
    knobs = [str(name) for name in values]
    return [knob for knob in knobs if (knob,) in not_estimable(values, [*((o,) for o in knobs if o != knob), (knob,)])]


def not_estimable(factors: pd.DataFrame, terms: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The terms that the design cannot tell from those before them.

    Parameters
    ----------
    factors
        One row an observation (a cell, a run), one column a factor; every column counts as categories. None stands for
        a factor that has no effect there.
    terms
        Main effects `("N",)` and interactions `("N", "P")`, in the order in which they may claim the variation.

    Returns
    -------
    list of terms
        Those whose columns of the design matrix add less than their degrees of freedom to its rank.
    """
    coded = {name: _coded(factors[name]) for name in factors}
    matrix = np.ones((len(factors), 1))
    lost = []
    for term in terms:
        columns = [np.prod(chosen, axis=0) for chosen in product(*(coded[name] for name in term))]
        wider = np.column_stack([matrix, *columns])
        if np.linalg.matrix_rank(wider) < np.linalg.matrix_rank(matrix) + len(columns):
            lost.append(term)
        matrix = wider
    return lost


def _coded(values: pd.Series) -> list[np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Sum-to-zero columns of a factor: one fewer than it has levels."""
    codes = pd.factorize(values.map(as_key).where(values.notna()))[0]
    last = codes.max()
    return [np.where(codes == level, 1.0, np.where(codes == last, -1.0, 0.0)) for level in range(last)]
