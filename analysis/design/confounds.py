"""The gate before every claim: why runs cannot be compared, and what a design cannot tell apart."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd

from analysis.design.cells import NO_EFFECT, as_key
from runner.record import DONE, TAG_FALLBACKS, TRAINED, WEIGHTS, sha256_tag, short
from runner.system.language import Said, joined, say

#: The column of the runs that says in which order they saw their batches.
BATCHES = "first_batch_order.sha256"


@dataclass(frozen=True)
class _Shared:
    """Something that the runs of a seed must have in common."""

    what: Said
    #: What to do where they have not.
    advice: Said
    #: The knobs and sections that change it: they may do so where they are claimed, and between
    #: simple effects.
    of: tuple[str, ...] = ()

    def is_moved_by(self, knobs: Sequence[str]) -> bool:
        return any(
            knob not in _KEEP_DATA and (knob == of or knob.startswith(f"{of}."))
            for knob in knobs
            for of in self.of
        )


def _shared_within(what: str, of: str, knob: str) -> _Shared:
    return _Shared(
        say(what), say("hold {knob} at one value with the claim's `at`", knob=knob), (of,)
    )


_AGAIN = say("the same command again trains all of its runs with the code that is there now")
_ANEW = say("the same command with another runner.root trains all of its runs alike")


def _version_of(package: str) -> _Shared:
    return _Shared(say("versions of {package}", package=package), _ANEW)


#: By column of the runs; `version.*` is added by what the runs have.
_SHARED = {
    "data.sha256": _shared_within("data", "data", "data.name"),
    "device": _shared_within("devices", "device", "device"),
    # Products are rounded otherwise by another card, and by another family of processors.
    "card": _Shared(say("cards"), _ANEW, ("device",)),
    "processor": _Shared(say("processors"), _ANEW),
    "engine": _shared_within("engines", "engine", "engine.name"),
    "code": _Shared(say("versions of the code"), _AGAIN),
    # Other data may have another number of images.
    BATCHES: _Shared(say("orders of the batches"), _ANEW, ("data",)),
    # DeZero rounds otherwise than our kernels.
    TAG_FALLBACKS: _Shared(
        say("the functions without kernels"), _ANEW, ("model", "optimizer", "engine", "device")
    ),
}
#: Knobs of the data that leave its images alone.
_KEEP_DATA = ("data.normalize",)
#: How much of a hash or a version is shown.
_N_LETTERS = 18
_N_NAMED = 5


def refusal(
    runs: pd.DataFrame,
    compared: list[list[str]],
    moved: Sequence[str],
    accepted: Collection[str] = (DONE,),
) -> Said | None:
    """Why these cells cannot be compared within seeds, naming the runs; None when they can.

    Parameters
    ----------
    runs
        One row a planned run: `name`, `seed`, `cell_key`, `state`, and what was recorded of each.
    compared
        The cells of each simple effect of the contrast.
    moved
        The claimed knob or group and all that moves with it, which may change what nothing else
        may.
    accepted
        The states in which a run may be.
    """
    members = runs[runs["cell_key"].isin({cell for cells in compared for cell in cells})]
    return (
        _seeds(members)
        or _unfinished(members, accepted)
        or _mixed(members, compared, moved)
        or _unchanged(members, moved[0])
    )


def _seeds(runs: pd.DataFrame) -> Said | None:
    of_cells = runs.groupby("cell_key", sort=False)["seed"]
    seeds = {cell: sorted(of_cell) for cell, of_cell in of_cells}
    first = next(iter(seeds.values()))
    if any(len(set(of_cell)) < len(of_cell) for of_cell in seeds.values()):
        return say("a cell has two runs of one seed; plan each seed once")
    if any(of_cell != first for of_cell in seeds.values()):
        return say(
            "the cells were not planned with the same seeds, so they cannot be paired; train all of"
            " them with one list"
        )
    if len(first) < 2:
        alone = "one seed ({seed}) says nothing about other seeds; train at least 2, better 8"
        return say(alone, seed=first[0])
    return None


#: What runs are that have no end; others failed, or were killed.
_ARE = {"missing": say("are missing"), "running": say("are running")}


def _unfinished(runs: pd.DataFrame, accepted: Collection[str]) -> Said | None:
    parts = []
    for state, group in runs[~runs["state"].isin(accepted)].groupby("state", sort=True):
        verb = _ARE.get(state) or say(str(state))
        names = named(group["name"])
        unfinished = "{n} of {all} runs {verb} ({names})"
        parts.append(say(unfinished, n=len(group), all=len(runs), verb=verb, names=names))
    if not parts:
        return None
    hidden = "{parts}: a mean over the others would hide this; the same command trains the rest"
    if set(runs["state"]) <= set(TRAINED):
        hidden = (
            "{parts}: a mean over the others would hide this; a claim with `missing: worst` ranks"
            " them last, one about `diverges` counts them"
        )
    return say(hidden, parts=joined("; ", parts))


def _mixed(runs: pd.DataFrame, compared: list[list[str]], moved: Sequence[str]) -> Said | None:
    packages = [str(name) for name in runs if str(name).startswith("version.")]
    versions = {name: _version_of(name.partition(".")[2]) for name in packages}
    for column, shared in (_SHARED | versions).items():
        if column not in runs or shared.is_moved_by(moved) or not differing(runs, column):
            continue
        # What a factor changes may differ between simple effects: each is at one level of it.
        for cells in compared if shared.of else [list(runs["cell_key"])]:
            found = differing(runs[runs["cell_key"].isin(cells)], column)
            if found:
                seed, names = found
                parts = [
                    f"{value[:_N_LETTERS] or 'unknown'}: {named(of_value)}"
                    for value, of_value in names.items()
                ]
                return say(
                    "{what} differ within seed {seed} ({parts}), so more than {knob} differs"
                    " between these runs; {advice}",
                    what=shared.what,
                    seed=seed,
                    parts="; ".join(parts),
                    knob=short(moved[0]),
                    advice=shared.advice,
                )
    return None


def _unchanged(runs: pd.DataFrame, knob: str) -> Said | None:
    """Why a knob is no cause: each run has one with another value and, to the bit, its weights."""
    weights = sha256_tag(WEIGHTS)
    if knob not in runs or weights not in runs or not runs[weights].astype(bool).all():
        return None
    values = runs[knob].map(as_key).groupby([runs["seed"], runs[weights]])
    if values.nunique().min() < 2:
        return None
    return say(
        "{knob} changed nothing: in each seed its values ended with equal weights ({names}); the"
        " model may not use it",
        knob=short(knob),
        names=named(runs["name"]),
    )


def differing(runs: pd.DataFrame, column: str) -> tuple[int, dict[str, pd.Series]] | None:
    """The first seed whose runs differ in a column, and their names by its values; or None."""
    values = runs[column].fillna("").astype(str)
    if values.nunique() < 2:  # what is mostly so, and seen at once
        return None
    n_values = values.groupby(runs["seed"], sort=True).nunique()
    seeds = n_values.index[n_values > 1]
    if seeds.empty:
        return None
    members = runs["seed"] == seeds[0]
    by_value = runs.loc[members, "name"].groupby(values[members], sort=True)
    return int(str(seeds[0])), {str(value): names for value, names in by_value}


def named(runs: pd.Series) -> str:
    """The names of some runs for a message: the first five, and how many others there are."""
    others = f" and {len(runs) - _N_NAMED} more" if len(runs) > _N_NAMED else ""
    return ", ".join(map(str, runs.iloc[:_N_NAMED])) + others


def moved_together(values: pd.DataFrame) -> list[str]:
    """The knobs whose effects cannot be told from those of the other knobs in these cells.

    Parameters
    ----------
    values
        The factors among `Cells.values`: one row a cell, one column a factor.
    """
    terms: list[tuple[str, ...]] = [(str(name),) for name in values]
    lost = []
    for term in terms:
        others = [other for other in terms if other != term]
        if term in not_estimable(values, [*others, term]):
            lost.append(term[0])
    return lost


def not_estimable(factors: pd.DataFrame, terms: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The terms whose effects the design cannot tell from those of the terms before them.

    Parameters
    ----------
    factors
        One row an observation (a cell, a run), one column a factor; every value is a category.
        `NO_EFFECT` stands for a factor that has none there.
    terms
        Main effects `("N",)` and interactions `("N", "P")`, in the order in which they explain the
        variation.

    Returns
    -------
    list of terms
        Those whose columns add less than their number to the rank of the design matrix.
    """
    coded = {name: _coded(factors[name]) for name in factors}
    matrix = np.ones((len(factors), 1))
    lost = []
    for term in terms:
        columns = [np.prod(factor, axis=0) for factor in product(*(coded[name] for name in term))]
        wider = np.column_stack([matrix, *columns])
        if np.linalg.matrix_rank(wider) < np.linalg.matrix_rank(matrix) + len(columns):
            lost.append(term)
        matrix = wider
    return lost


def _coded(values: pd.Series) -> list[np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """The sum-to-zero columns of a factor, one fewer than its levels; 0 where it has no effect."""
    keys = [None if value is NO_EFFECT else as_key(value) for value in values]
    codes = pd.factorize(pd.Series(keys, dtype=object))[0]
    last = codes.max()
    return [
        np.where(codes == level, 1.0, np.where(codes == last, -1.0, 0.0)) for level in range(last)
    ]
