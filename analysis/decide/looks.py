"""The claims of a sweep decided look by look, each at its part of alpha, and kept for good."""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from analysis.decide import verdicts
from analysis.decide.claims import ALPHA, decide_all
from analysis.decide.decision import Decision
from analysis.design import contrasts
from analysis.design.cells import Cells
from analysis.read.runs import Sweep
from analysis.read.sweeps import Planned
from runner.system.language import Said, say


def alpha_of(look: int | None) -> float:
    """What look k, from 1, may spend: alpha / 2^k, so that any number of them spends alpha at most.

    A union bound: it holds whatever the earlier looks saw, and for whatever reason none follows.
    None is the one look of a sweep of fixed seeds.
    """
    return ALPHA / 2.0 ** (look or 0)


def decide_sweep(
    sweep: Sweep, runs: pd.DataFrame, epochs: pd.DataFrame, cells: Cells
) -> list[Decision]:
    """Every claim of a sweep decided, in the order declared.

    Where seeds were to come until its claims are decided, a claim has the verdict, and the
    evidence, of the look that decided it; one that is open, those of the last look that was taken.
    Which look that was is recorded in the plan, so that it does not matter when this is asked.

    Parameters
    ----------
    runs, epochs
        As `decide_all` takes them.
    """
    if not sweep.planned.looks:
        # Seeds that were added after a look which nobody had planned: it holds for any number.
        any_looks = bool(sweep.looks)
        return decide_all(sweep.claims, runs, epochs, cells, for_any_looks=any_looks)
    found: dict[str, Decision] = {}
    taken = [look for look in sweep.planned.looks if look.decided is not None]
    for number in range(1, max(1, len(taken)) + 1):
        seen = decide_look(sweep, number, runs, epochs, cells)
        found |= {decision.name: decision for decision in seen}
    return [found[name] for name in sweep.claims]


def decide_look(
    sweep: Sweep, number: int, runs: pd.DataFrame, epochs: pd.DataFrame, cells: Cells
) -> list[Decision]:
    """The claims that were open before a look, decided at it; looks are numbered from 1."""
    settled = settled_before(sweep.planned, number)
    seen = seen_at(sweep.planned, number, runs)
    of_seen = epochs[epochs["run_key"].isin(seen.index)]
    alpha = alpha_of(number)
    decisions = decide_all(sweep.claims, seen, of_seen, cells, alpha, settled)
    return [replace(decision, look=number) for decision in decisions]


def settled_before(planned: Planned, number: int) -> Mapping[str, str]:
    """The verdict of each claim that looks before this one decided, by name."""
    earlier = planned.looks[: number - 1]
    return {name: given for look in earlier for name, given in (look.decided or {}).items()}


def seen_at(planned: Planned, number: int | None, runs: pd.DataFrame) -> pd.DataFrame:
    """The runs of the first looks, up to this one; all of them where no look is planned."""
    if number is None:
        return runs
    seeds = {seed for look in planned.looks[:number] for seed in look.seeds}
    return runs[runs["seed"].isin(seeds)]


def place(planned: Planned, decision: Decision) -> Said:
    """`decided at look 1 of 4, 5 seeds`; of a claim that is open, `open after look ...`."""
    number = decision.look
    assert number is not None
    decided = planned.looks[number - 1].decided
    text = "look {n} of {all}, {seeds} seeds, is not at its end"
    if decided is not None:
        text = "open after look {n} of {all}, {seeds} seeds"
        if decision.name in decided:
            text = "decided at look {n} of {all}, {seeds} seeds"
    n_seeds = sum(len(look.seeds) for look in planned.looks[:number])
    return say(text, n=number, all=planned.n_looks, seeds=n_seeds)


def cells_of_open(decisions: list[Decision], cells: Cells) -> list[str]:
    """The keys of the cells that open claims are about, in the order of the sweep."""
    wanted = {
        cell
        for decision in decisions
        if decision.verdict == verdicts.INCONCLUSIVE
        for contrast in contrasts.contrasts_of(decision.claim, cells)
        for cell in contrast.cells
    }
    return [cell for cell in cells.names if cell in wanted]
