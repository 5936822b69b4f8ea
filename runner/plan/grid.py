"""From a sweep's overrides to its plan: every cell with every seed, each checked, each once."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from runner.config import overrides
from runner.config.checks import check_value, checked
from runner.config.schema import KNOBS, Config
from runner.errors import ConfigError
from runner.plan import identity
from runner.plan.plan import VERSION, Plan, PlannedRun, planned_knobs, planned_run
from runner.record import Claim, as_text, short

#: What a claim that nobody declared asks of a swept knob, in units of test accuracy.
GENERATED_MARGIN = 0.002
_MAX_RUNS = 100_000

#: Gives the name and the SHA-256 of the data that a configuration will really see.
DataOf = Callable[[Config], tuple[str, str]]


@dataclass(frozen=True)
class Cell:
    """One combination of knob values, before it is known what data it will see."""

    knobs: dict[str, Any]
    config: Config


@dataclass(frozen=True)
class Grid:
    """The cells and seeds of a sweep as its overrides spell them."""

    name: str
    #: True for a file of sweeps/, False for knobs swept on the command line.
    named: bool
    swept: dict[str, list[Any]]
    cells: list[Cell]
    seeds: list[int]
    #: Whether it is one run that was typed without `-m`.
    single: bool = False


def compose(loader: ConfigLoader, primary: DictConfig, params: dict[str, str], arguments: list[str]) -> Grid:
    """Compose and check every cell. What is typed (`arguments`) beats the sweep file's `params`.

    Raises
    ------
    ConfigError
        For any value out of its range, before anything is trained.
    """
    overrides.check(arguments, multirun=True)
    parsed = overrides.parse([f"{key}={value}" for key, value in params.items()])
    given = {override.key_or_group: override for override in [*parsed, *overrides.parse(arguments)]}
    seeds = _seeds(given.pop("seed", None), primary)
    choices = {key: _choices(override) for key, override in given.items()}
    n_runs = len(seeds)
    for spellings in choices.values():
        n_runs *= len(spellings)
    if n_runs > _MAX_RUNS:
        raise ConfigError(f"{n_runs} runs are more than one sweep may have ({_MAX_RUNS}); sweep fewer values")
    swept_keys = [key for key, override in given.items() if override.is_sweep_override()]
    cells = []
    for combination in itertools.product(*choices.values()):
        try:
            composed = loader.load_sweep_config(primary, [*combination, f"seed={seeds[0]}"])
        except HydraException as error:
            raise ConfigError(overrides.one_line(error)) from error
        config = checked(composed)
        spelled = dict(zip(choices, combination, strict=True))
        cells.append(Cell({key: _level(key, spelled[key], composed) for key in swept_keys}, config))
    swept: dict[str, list[Any]] = {key: [] for key in swept_keys}
    for cell in cells:
        for key, value in cell.knobs.items():
            if value not in swept[key]:
                swept[key].append(value)
    chosen = OmegaConf.select(primary, "hydra.runtime.choices.sweeps")
    named = chosen not in (None, "default")
    name = chosen if named else " x ".join(short(key) for key in swept_keys) or "seeds"
    return Grid(name, named, swept, cells, seeds)


def of_one(config: Config, typed: list[str]) -> Grid:
    """A single run as a grid of one cell and one seed, named by the knobs that were typed."""
    knobs = overrides.typed_knobs(config, typed)
    swept = {knob: [value] for knob, value in knobs.items()}
    name = " x ".join(map(short, swept)) or "one run"
    cell = Cell(knobs, replace(config, claims={}))
    return Grid(name, False, swept, [cell], [config.seed], single=True)


def plan(grid: Grid, data_of: DataOf, device: str, command: list[str]) -> tuple[Plan, int]:
    """The plan of a grid, seed-major, and how many duplicates were removed from it."""
    runs: dict[str, PlannedRun] = {}
    n_spelled = 0
    for seed, cell in itertools.product(grid.seeds, grid.cells):
        n_spelled += 1
        run = planned_run(replace(cell.config, seed=seed), cell.knobs, *data_of(cell.config), device)
        runs.setdefault(run.run_key, run)
    claims, origin = _claims(grid)
    made = Plan(
        sweep_key=identity.sweep_key(list(runs), claims, grid.single),
        name=grid.name,
        swept=grid.swept,
        claims=claims,
        claims_sha256=identity.claims_sha256(claims),
        claims_origin=origin,
        command=command,
        runs=list(runs.values()),
        version=VERSION,
        single=grid.single,
        knobs=planned_knobs(),
    )
    return made, n_spelled - len(runs)


def _choices(override: Override) -> list[str]:
    """Every spelling `KEY=VALUE` of an override."""
    if not override.is_sweep_override():
        return [str(override.input_line)]
    prefix = "+" if override.is_add() else ""
    return [f"{prefix}{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]


def _seeds(override: Override | None, primary: DictConfig) -> list[int]:
    if override is None:
        values = [primary.seed]
    elif override.is_sweep_override():
        values = list(override.sweep_iterator())
    else:
        values = [override.value()]
    for value in values:
        check_value("seed", value)
    return values


def _level(key: str, spelled: str, composed: DictConfig) -> Any:
    """The value of a swept knob in a composed cell; for a group (`preset`), the option's name."""
    value = OmegaConf.select(composed, key) if "." in key or key in KNOBS else None
    if value is None:
        return spelled.partition("=")[2]
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


def _claims(grid: Grid) -> tuple[dict[str, Claim], dict[str, str]]:
    """The claims of the sweep, and where each comes from.

    A named sweep has its own. Otherwise the default ones whose knob and levels were swept, and for each
    swept knob that none of them is about, one generated claim a level: against the first, either way.
    """
    declared = grid.cells[0].config.claims
    if grid.named:
        return declared, dict.fromkeys(declared, "declared")
    claims = {name: claim for name, claim in declared.items() if _is_swept(claim, grid.swept)}
    origin = dict.fromkeys(claims, "default")
    for knob, levels in grid.swept.items():
        if len(levels) < 2 or any(claim.knob == knob for claim in claims.values()):
            continue
        for level in levels[1:]:
            name = f"generated {short(knob)}={as_text(level)}"
            says = f"{short(knob)}={as_text(level)} changes test accuracy against {short(knob)}={as_text(levels[0])}"
            claims[name] = Claim(
                says, knob, "final(test/accuracy)", "either", GENERATED_MARGIN, levels=[level, levels[0]]
            )
            origin[name] = "generated"
    return claims, origin


def _is_swept(claim: Claim, swept: dict[str, list[Any]]) -> bool:
    levels = swept.get(claim.knob, [])
    wanted = claim.levels or ([claim.winner] if claim.winner is not None else [])
    return len(levels) >= 2 and all(level in levels for level in wanted)
