"""The cells and seeds that overrides spell, each checked, and the plan of their runs, each once."""

import difflib
import itertools
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from runner.config import overrides, own
from runner.config.checks import check_value
from runner.config.knobs.sweep_knobs import SweepConfig
from runner.config.schema import Config
from runner.errors import ConfigError
from runner.plan import identity, looks
from runner.plan.cells import designs
from runner.plan.cells.composer import Composer, Watched
from runner.plan.cells.designs import Design, Levels
from runner.plan.plan import VERSION, Plan, PlannedRun
from runner.plan.planned import planned_knobs, planned_runs
from runner.record import Claim, as_text, short

#: The margin of a generated claim, as a share of the test images.
GENERATED_MARGIN = 0.002

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
    #: Which cells of the grid it has; None for all.
    design: Design | None = None
    #: The user's files of conf/ and sweeps/ that it is composed of.
    own_files: tuple[str, ...] = ()


def compose(
    loader: ConfigLoader,
    primary: DictConfig,
    params: dict[str, str],
    arguments: list[str],
    watched: Watched = iter,
) -> Grid:
    """The grid of a multirun, every cell of it composed and checked.

    Parameters
    ----------
    params
        The overrides of the sweep's file; those of `arguments`, which were typed, replace them.
    watched
        Goes through the cells, and may tell how far it is.

    Raises
    ------
    ConfigError
        For any value out of its range, before anything is trained.
    """
    overrides.check(arguments, multirun=True)
    from_file = overrides.parse([f"{key}={value}" for key, value in params.items()])
    typed = overrides.parse(arguments)
    given = {override.key_or_group: override for override in [*from_file, *typed]}
    seeds = _seeds(given.pop("seed", None), primary)
    section = _section(primary)
    design, n_cells, spelled = designs.combinations(
        section, {key: _levels(override) for key, override in given.items()}
    )
    overrides.check_size(len(seeds) * n_cells)
    swept: dict[str, list[Any]] = {key: [] for of in section.cells or () for key in of}
    swept |= {key: [] for key, override in given.items() if override.is_sweep_override()}
    composed = Composer(loader, primary, seeds[0], swept).cells(list(spelled), watched)
    cells = [Cell(of.knobs, of.config) for of in composed]
    for key, levels in swept.items():
        levels += _each_once(cell.knobs[key] for cell in cells)
    if design and design.around:
        design = replace(design, around=cells[0].knobs)  # in the spelling that each level has
    chosen = OmegaConf.select(primary, "hydra.runtime.choices.sweeps")
    is_named = chosen not in (None, "default")
    name = chosen if is_named else " x ".join(map(short, swept)) or "seeds"
    own_files = tuple(own.chosen(of.choices for of in composed))
    return Grid(name, is_named, swept, cells, seeds, design=design, own_files=own_files)


def of_one(
    config: Config, typed: list[str], choices: Mapping[str, str | None] | None = None
) -> Grid:
    """A single run as a grid of one cell and one seed, named by the knobs that were typed.

    Parameters
    ----------
    choices
        The option of each group that Hydra chose.
    """
    knobs = overrides.typed_knobs(config, typed)
    swept = {knob: [value] for knob, value in knobs.items()}
    name = " x ".join(map(short, swept)) or "one run"
    cell = Cell(knobs, replace(config, claims={}))
    files = tuple(own.chosen([choices or {}]))
    return Grid(name, False, swept, [cell], [config.seed], single=True, own_files=files)


def plan(
    grid: Grid, data_of: DataOf, device: str, command: list[str], watched: Watched = iter
) -> tuple[Plan, int]:
    """The plan of a grid, seed-major, and how many duplicates were removed from it."""
    runs: dict[str, PlannedRun] = {}
    cells = [
        planned_runs(cell.config, grid.seeds, cell.knobs, data_of(cell.config), device)
        for cell in watched(grid.cells)
    ]
    first: dict[str, PlannedRun] = {}
    for run in itertools.chain.from_iterable(zip(*cells, strict=True)):
        runs.setdefault(run.run_key, run)
        first.setdefault(run.cell_key, run)
    n_duplicates = len(grid.seeds) * len(grid.cells) - len(runs)
    effects = [(run.knobs, run.without_effect) for run in first.values()]
    designs.check_cells(effects, grid.swept, grid.design)
    knobs = planned_knobs([run.config for run in first.values()], grid.swept)
    claims, origin = _claims(grid)
    _check_knobs(claims, {knob.name for knob in knobs})
    _check_choices(claims, grid)
    asked = grid.cells[0].config.sweep
    of_first = [] if grid.single else looks.first(grid.seeds, len(claims), asked)
    plan = Plan(
        sweep_key=identity.sweep_key(list(runs), claims, grid.single, bool(of_first), grid.design),
        name=grid.name,
        swept=grid.swept,
        claims=claims,
        claims_sha256=identity.claims_sha256(claims),
        claims_origin=origin,
        command=command,
        runs=list(runs.values()),
        version=VERSION,
        single=grid.single,
        knobs=knobs,
        looks=of_first,
        max_seeds=asked.max_seeds if of_first else 0,
        design=grid.design,
    )
    return plan, n_duplicates


def _check_knobs(claims: dict[str, Claim], known: set[str]) -> None:
    """Refuse claims about knobs that no run of the plan has, and the analysis could not see."""
    for name, claim in claims.items():
        for knob in (claim.knob, *claim.at, *claim.best_over):
            if knob not in known:
                near = difflib.get_close_matches(knob, sorted(known), n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise ConfigError(f"claims.{name}: no run of this sweep has the knob {knob}{hint}")


def _check_choices(claims: dict[str, Claim], grid: Grid) -> None:
    """Refuse claims whose sides could not each have their best level, for want of levels or images
    that choose among them."""
    for name, claim in claims.items():
        for knob in claim.best_over:
            if len(grid.swept.get(knob, [])) < 2:
                raise ConfigError(
                    f"claims.{name}.best_over: {knob} is not swept, so there is no best level;"
                    f" sweep it ({knob}=...,...), or leave it out"
                )
        if claim.best_over and any(not cell.config.data["validation"] for cell in grid.cells):
            raise ConfigError(
                f"claims.{name}.chosen_on={claim.chosen_on}: these runs hold no validation images"
                " out; add data.validation=5000 (of mnist; elsewhere a tenth of the training"
                " images)"
            )


def _section(primary: DictConfig) -> SweepConfig:
    """The section `sweep`, which all cells share."""
    values: Any = OmegaConf.to_container(primary.sweep, resolve=True)
    for key, value in values.items():
        check_value(f"sweep.{key}", value)
    return SweepConfig(**values)


def _levels(override: Override) -> Levels:
    if not override.is_sweep_override():
        return Levels([override.value()], [str(override.input_line)], is_swept=False)
    key = override.get_key_element()
    spellings = [f"{key}={value}" for value in override.sweep_string_iterator()]
    return Levels(list(override.sweep_iterator()), spellings, is_swept=True)


def _seeds(override: Override | None, primary: DictConfig) -> list[int]:
    """The seeds of an override of `seed`, each checked; without one, the configured seed."""
    if override is None:
        values = [primary.seed]
    elif override.is_sweep_override():
        values = list(override.sweep_iterator())
    else:
        values = [override.value()]
    for value in values:
        check_value("seed", value)
    return values


def _each_once(levels: Iterable[Any]) -> list[Any]:
    found: list[Any] = []
    hashed: set[Any] = set()
    for level in levels:
        is_hashable = isinstance(level, Hashable)
        if level not in (hashed if is_hashable else found):
            found.append(level)
            hashed |= {level} if is_hashable else set()
    return found


def _claims(grid: Grid) -> tuple[dict[str, Claim], dict[str, str]]:
    """The claims of the sweep, and where each comes from.

    A named sweep has its own. Any other sweep has the default claims whose knob and levels it
    sweeps. A swept knob without such a claim gets a generated claim for each level after the first:
    it differs from the first level, in either direction.
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
            this, first = (f"{short(knob)}={as_text(value)}" for value in (level, levels[0]))
            claims[f"generated {this}"] = Claim(
                says=f"{this} changes test accuracy against {first}",
                knob=knob,
                metric="final(test/accuracy)",
                direction="either",
                margin=GENERATED_MARGIN,
                levels=[level, levels[0]],
            )
            origin[f"generated {this}"] = "generated"
    return claims, origin


def _is_swept(claim: Claim, swept: dict[str, list[Any]]) -> bool:
    """Whether the claim's knob is swept, with all levels that it is about, and what it chooses."""
    levels = swept.get(claim.knob, [])
    wanted = claim.levels or ([claim.winner] if claim.winner is not None else [])
    are_swept = all(len(swept.get(knob, [])) >= 2 for knob in claim.best_over)
    return len(levels) >= 2 and all(level in levels for level in wanted) and are_swept
