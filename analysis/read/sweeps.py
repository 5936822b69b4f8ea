"""Which sweep is asked for, its plan, and earlier sweeps that are this one with fewer seeds."""

import contextlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from analysis.read import version1
from analysis.read.store import Store, StoredRun
from runner.errors import StoreError
from runner.record import (
    TAG_CELL_KEY,
    TAG_CLAIMS_SHA256,
    TAG_LAST_USED,
    TAG_RUN_KEY,
    TAG_STATUS,
    TAG_SWEEP_KEY,
    TRAINED,
    Claim,
)
from runner.system.command import command_of
from runner.system.files import SEAL, is_whole, sha256

#: The newest plan that this version reads. From version 3 on a plan is sealed.
VERSION = 4
#: How many sweeps a message names.
_N_NAMED = 5
#: The kinds of designs that have not all cells of the grid.
ONE_AT_A_TIME, FRACTION, CELLS = "one_at_a_time", "fraction", "cells"
#: A shorter text is no start of a key.
_SHORTEST_START = 4


@dataclass(frozen=True)
class Knob:
    """A knob as it was recorded with a sweep."""

    #: Its dotted name, such as `model.channels`.
    name: str
    #: Whether a run's numbers depend on it.
    bears_on_numbers: bool
    #: Whether a reader should see its value where it is the same in all runs.
    shown: bool
    #: Whether it is a swept group such as `model=cnn,mlp`: its levels are names, and what each
    #: stands for is in the knobs below it.
    is_group: bool = False


@dataclass(frozen=True)
class Look:
    """One look of a sweep whose seeds come until its claims are decided."""

    #: Those that it adds.
    seeds: tuple[int, ...]
    #: The verdict of each claim that it decided, by name; None while its runs are trained.
    decided: Mapping[str, str] | None


@dataclass(frozen=True)
class Planned:
    """The looks of a sweep that were planned; none of fixed seeds."""

    looks: tuple[Look, ...] = ()
    #: The most seeds that they may reach.
    max_seeds: int = 0

    @property
    def n_looks(self) -> int:
        """How many looks there may be."""
        n_seeds, n = len(self.looks[0].seeds) if self.looks else 0, len(self.looks)
        while n and n_seeds * 2**n <= self.max_seeds:
            n += 1
        return n


@dataclass(frozen=True)
class Design:
    """Which cells of the grid a sweep has, where it has not all of them, as its plan keeps it."""

    #: One of these.
    kind: str
    #: Of one at a time: the level of each swept group and knob in the base.
    around: dict[str, Any]
    #: Of a fraction.
    resolution: int
    #: Of a fraction: sets of effects that it cannot tell apart. An effect is a list of knobs, of
    #: one for a main effect, of two for an interaction; one that is in no set is clear of these.
    aliases: list[list[list[str]]]


def last_used(parent: StoredRun) -> tuple[int, str]:
    """Sorts the parent runs of sweeps by when they were last asked for, in ms since 1970."""
    used = parent.tags.get(TAG_LAST_USED, "")
    return int(used) if used.isdigit() else parent.start_ms or 0, parent.run_id


def chosen(parents: list[StoredRun], sweep: str | None) -> StoredRun:
    """The parent run of a sweep by its name, the start of its key or its run id; None: the latest.

    Parameters
    ----------
    parents
        The parent runs of all sweeps, sorted by `last_used`.

    Raises
    ------
    StoreError
        When there is no such sweep, or the start belongs to several keys.
    """
    if not parents:
        raise StoreError(
            f"the store holds no sweep yet; train one first: {command_of('runner')} -m ..."
        )
    if sweep is None:
        return parents[-1]
    named = [parent for parent in parents if sweep in (parent.name, parent.run_id)]
    if named:
        return named[-1]
    begun = [parent for parent in parents if parent.tags[TAG_SWEEP_KEY].startswith(sweep)]
    matching = begun if len(sweep) >= _SHORTEST_START else []
    if len(matching) == 1:
        return matching[0]
    what = "is the start of several keys" if matching else "names no sweep of the store"
    latest = parents[::-1][:_N_NAMED]
    known = ", ".join(f"{parent.name} ({parent.tags[TAG_SWEEP_KEY][:8]})" for parent in latest)
    raise StoreError(f"{sweep[:80]}: {what}; there are: {known}")


def plan_of(store: Store, parent: StoredRun) -> dict[str, Any]:
    """The plan that a sweep recorded, as one of the newest version.

    Its claims are `Claim`s, its knobs `Knob`s without the seed, and its design a `Design`, or None
    for the whole grid.

    Raises
    ------
    StoreError
        When it is not at hand, is damaged or is newer than this version.
    """
    where = f"the plan of {parent.name} ({parent.artifact_uri}/sweep.json)"
    try:
        content = json.loads(store.artifact(parent, "sweep.json"))
        version = content.get("version", 1)
        if version in range(1, VERSION + 1):
            _prove(content, version, parent)
            # JSON can spell a lone surrogate, which is no character: no frame and no file takes it.
            text = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
            plan = json.loads(text)
            return typed(plan if version > 1 else version1.upgraded(plan))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        again = command_of("runner.sync")
        raise StoreError(f"{where} cannot be read ({error}); {again} puts it back") from error
    raise StoreError(
        f"{where} has version {version}, and this program reads up to {VERSION}; analyse it with"
        " the version that trained it, or with a newer one"
    )


def _prove(plan: dict[str, Any], version: int, parent: StoredRun) -> None:
    """Refuse a plan that is not what was written, or is another sweep's.

    Raises
    ------
    ValueError
    """
    if (version >= 3 or SEAL in plan) and not is_whole(plan):
        raise ValueError("it was changed after it was written")
    runs, looks = plan["runs"], plan.get("looks")
    if looks:  # the runs of later looks follow from those of the first
        runs = [run for run in runs if run["config"]["seed"] in looks[0]["seeds"]]
    keys = sorted(run["run_key"] for run in runs)
    kind = ["single"] * bool(plan.get("single")) + ["until_decided"] * bool(looks)
    claims_sha256 = sha256(plan["claims"])
    if claims_sha256 != plan["claims_sha256"]:
        raise ValueError("its claims are not those that were declared")
    design = [plan["design"]] if plan.get("design") else []
    if plan["sweep_key"] != sha256([keys, claims_sha256, *kind, *design]):
        raise ValueError("it has another key than its runs and claims")
    if plan["sweep_key"] != parent.tags[TAG_SWEEP_KEY] or not keys:
        raise ValueError("it is of another sweep")


def typed(plan: dict[str, Any]) -> dict[str, Any]:
    """The content of a plan, with its claims as `Claim`s and its knobs as `Knob`s."""
    for part in ("name", "swept", "claims_origin", "command"):
        plan[part]
    claims = {name: Claim(**claim) for name, claim in plan["claims"].items()}
    recorded = [
        Knob(knob["name"], knob["bears_on_numbers"], knob["shown"]) for knob in plan["knobs"]
    ]
    names, config = {knob.name for knob in recorded}, plan["runs"][0]["config"]
    # Plans of before do not list the groups that were swept.
    groups = [
        Knob(name, bears_on_numbers=True, shown=True, is_group=True)
        for name in plan["swept"]
        if ("." not in name or name not in names) and _is_group(name, config)
    ]
    others = {"seed", *(group.name for group in groups)}
    knobs = groups + [knob for knob in recorded if knob.name not in others]
    looks = [Look(tuple(look["seeds"]), look["decided"]) for look in plan.get("looks", [])]
    planned = Planned(tuple(looks), plan.get("max_seeds", 0))
    design = plan.get("design") and Design(**plan["design"])
    more = {"planned": planned, "design": design}
    return plan | {"claims": claims, "knobs": knobs} | more


def _is_group(name: str, config: dict[str, Any]) -> bool:
    """Whether a swept name stands for other knobs: a section of a configuration, or a preset."""
    value: Any = config
    for part in name.split("."):
        value = value.get(part, {}) if isinstance(value, dict) else value
    return isinstance(value, dict)


def looks(
    store: Store, parents: list[StoredRun], plan: dict[str, Any], stored: list[StoredRun]
) -> tuple[int, ...]:
    """With how many seeds sweeps asked the same claims of the same cells before the others began.

    Whoever adds seeds to a sweep has seen its verdicts. A sweep counts when its claims have the
    same hash, each of its cells has some of the seeds of this one, and a run of the others began
    after it was recorded. Looks that were planned are none of these: they share alpha, whatever was
    seen before.
    """
    if plan["planned"].looks:
        return ()
    seeds, found = _seeds_by_cell(plan), []
    began = {run.tags[TAG_RUN_KEY]: run.start_ms or 0 for run in stored}
    for other in parents:
        if not plan["claims"] or other.tags.get(TAG_CLAIMS_SHA256) != plan["claims_sha256"]:
            continue
        with contextlib.suppress(StoreError):
            fewer = _seeds_by_cell(plan_of(store, other))
            if fewer.keys() != seeds.keys() or any(not fewer[cell] < seeds[cell] for cell in fewer):
                continue
            added = [
                began.get(run["run_key"], math.inf)
                for run in plan["runs"]
                if run["config"]["seed"] not in fewer[run["cell_key"]]
            ]
            if (other.start_ms or 0) < max(added):
                found.append(max(map(len, fewer.values())))
    return tuple(found)


def further_seeds(stored: list[StoredRun], plan: dict[str, Any]) -> dict[int, dict[str, str]]:
    """The run keys by cell of each seed that the store holds of all cells, and the sweep has not.

    Whoever leaves out seeds that are there may have seen which of them suit a claim.
    """
    used, found = _seeds_by_cell(plan), dict[int, dict[str, str]]()
    for run in stored:
        cell, seed = run.tags.get(TAG_CELL_KEY, ""), run.tags.get("seed", "")
        is_new = cell in used and seed.isdigit() and int(seed) not in used[cell]
        if is_new and run.tags.get(TAG_STATUS) in TRAINED:
            found.setdefault(int(seed), {})[cell] = run.tags[TAG_RUN_KEY]
    return {
        seed: of_cells for seed, of_cells in sorted(found.items()) if len(of_cells) == len(used)
    }


def with_seeds(plan: dict[str, Any], further: dict[int, dict[str, str]]) -> dict[str, Any]:
    """A plan with runs of `further_seeds` beside its own."""
    first = {run["cell_key"]: run for run in reversed(plan["runs"])}
    added = [
        run | {"run_key": of_cells[cell], "config": run["config"] | {"seed": seed}}
        for seed, of_cells in further.items()
        for cell, run in reversed(first.items())
    ]
    return plan | {"runs": plan["runs"] + added}


def test_reads(stored: dict[str, StoredRun], plan: dict[str, Any]) -> dict[str, int]:
    """How many runs of the store were evaluated on a sweep's test images, by the data's name.

    Whatever is found by looking at a test set many times holds less surely for other images.

    Parameters
    ----------
    stored
        All runs of the store, by run key.
    """
    names = {run["run_key"]: str(run["config"]["data"]["name"]) for run in plan["runs"]}
    data = {key: run.tags.get("data.sha256") for key, run in stored.items()}
    of_sweep = {data[key]: name for key, name in names.items() if data.get(key)}
    return {name: list(data.values()).count(sha256) for sha256, name in of_sweep.items()}


def _seeds_by_cell(plan: dict[str, Any]) -> dict[str, set[int]]:
    seeds: dict[str, set[int]] = {}
    for run in plan["runs"]:
        seeds.setdefault(run["cell_key"], set()).add(run["config"]["seed"])
    return seeds
