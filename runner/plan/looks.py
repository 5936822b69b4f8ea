"""Looks of a sweep whose seeds come until its claims are decided: how many, and what each decided.

The seeds double from look to look, so that it is known beforehand at which numbers of seeds a claim
may be decided: the analysis gives look k the share 1 / 2^k of the 5 % (docs/conclusions.md).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from runner.config.knobs.sweep_knobs import SweepConfig
from runner.errors import ConfigError

#: A later seed would not be one (`seed` in runner/config/schema.py).
_MOST = 2**63
#: Fewer seeds decide nothing (analysis/decide/verdicts.py).
_FEWEST = 3


@dataclass(frozen=True)
class Look:
    """One look: all cells, or those of claims that are open, with seeds more than at the last."""

    #: Those that it adds.
    seeds: list[int]
    #: The verdict of each claim that it decided, by name; None until its runs are trained.
    decided: dict[str, str] | None = None


def first(seeds: Sequence[int], n_claims: int, asked: SweepConfig) -> list[Look]:
    """The first look of a sweep; none where its seeds are fixed.

    Raises
    ------
    ConfigError
        When there is nothing to decide, or no look after the first.
    """
    if asked.seeds == "fixed":
        return []
    typed, n = "sweep.seeds=until_decided", len(set(seeds))
    if not n_claims:
        raise ConfigError(
            f"{typed}: there is no claim to decide; sweep a knob, or a file of sweeps/"
        )
    if n < _FEWEST:
        raise ConfigError(
            f"{typed}: {n} seeds decide nothing; leave seed= out, or give {_FEWEST} seeds or more"
        )
    if len(sizes(n, asked.max_seeds)) < 2:
        raise ConfigError(
            f"sweep.max_seeds={asked.max_seeds}: the first look has {n} seeds, and the second"
            f" {2 * n}; give {2 * n} or more, or sweep.seeds=fixed"
        )
    first = [Look(list(dict.fromkeys(seeds)))]
    try:
        for _ in sizes(n, asked.max_seeds)[1:]:
            first.append(Look(next_seeds(first)))
    except ValueError as error:
        raise ConfigError(f"{typed}: {error}; give smaller seeds") from error
    return first[:1]


def sizes(n_first: int, max_seeds: int) -> list[int]:
    """The number of seeds at each look: 5, 10, 20, 40, those above `max_seeds` left out."""
    found = [n_first]
    while found[-1] * 2 <= max_seeds:
        found.append(found[-1] * 2)
    return found


def label(looks: Sequence[Look], max_seeds: int) -> str:
    """`look 2 of 4: 10 seeds`; empty for fixed seeds."""
    if not looks:
        return ""
    n_first = len(looks[0].seeds)
    n_now = n_first * 2 ** (len(looks) - 1)
    return f"look {len(looks)} of {len(sizes(n_first, max(max_seeds, n_now)))}: {n_now} seeds"


def next_seeds(looks: Sequence[Look]) -> list[int]:
    """The seeds of the look after these, as many as there are: they go on from the largest.

    Raises
    ------
    ValueError
        When there are no such seeds.
    """
    seeds = [seed for look in looks for seed in look.seeds]
    following = range(max(seeds) + 1, max(seeds) + 1 + len(seeds))
    if following[-1] >= _MOST:
        raise ValueError(f"there are no {len(seeds)} seeds after {max(seeds)}")
    return list(following)


def prove(looks: Sequence[Look], runs: Iterable[tuple[int, str]], claims: Iterable[str]) -> None:
    """Refuse looks that do not follow from the first one, or that do not fit the runs and claims.

    Parameters
    ----------
    runs
        Seed and cell key of each.

    Raises
    ------
    ValueError
    """
    runs, names, settled = list(runs), set(claims), set[str]()
    for place, look in enumerate(looks):
        if place and look.seeds != next_seeds(looks[:place]):
            raise ValueError(f"the seeds of look {place + 1} are not those that double the others")
        if look.decided is None and place + 1 < len(looks):
            raise ValueError(f"look {place + 2} was begun before look {place + 1} was decided")
        if not names - settled >= set(look.decided or ()):
            raise ValueError(f"look {place + 1} decided claims that were not open")
        settled |= set(look.decided or ())
    of_look = {seed: place for place, look in enumerate(looks) for seed in look.seeds}
    first = {cell for seed, cell in runs if of_look.get(seed) == 0}
    if any(seed not in of_look or cell not in first for seed, cell in runs):
        raise ValueError("it has runs that are of no look")
    if of_look.keys() != {seed for seed, _ in runs}:
        raise ValueError("it has looks without runs")


def progress(looks: Sequence[Look]) -> tuple[int, int]:
    """Grows with each look that is begun or decided."""
    return len(looks), sum(look.decided is not None for look in looks)


def looks_from(values: list[dict[str, Any]]) -> list[Look]:
    """The looks of a plan as JSON keeps it."""
    return [Look(list(look["seeds"]), look["decided"]) for look in values]


def settled(looks: Iterable[Look]) -> dict[str, str]:
    """The verdict of each claim that is decided, by name."""
    return {name: verdict for look in looks for name, verdict in (look.decided or {}).items()}
