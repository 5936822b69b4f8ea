"""The plan of a sweep, `state/sweeps/<sweep_key>/sweep.json`: its runs and its claims."""

import io
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from runner.config import parts
from runner.config.schema import Config
from runner.errors import StateError
from runner.plan import fingerprint, identity, kept, looks
from runner.plan.cells.designs import Design
from runner.plan.looks import Look
from runner.record import CODE_OF_VERSION_1, Claim, cell_name, run_name
from runner.state.root import Root
from runner.system.files import SEAL, is_whole, sealed, write_whole

#: The version of sweep.json that `write` writes; `read` reads it and every earlier one. From
#: version 3 on the file is sealed; from version 4 on it may have looks.
VERSION = 4


@dataclass(frozen=True)
class PlannedRun:
    """One run of a plan: all that a worker needs to train it, on any machine that sees the root."""

    run_key: str
    cell_key: str
    #: Value of each swept knob, for people: the run's name in displays and in MLflow.
    knobs: dict[str, Any]
    config: Config
    data_name: str
    data_sha256: str
    #: "cpu" or "gpu".
    device: str
    #: Dotted names of the recorded knobs that change nothing in this run, sorted; from version 2.
    without_effect: list[str] = field(default_factory=list)
    #: The name of the code that trains it (`fingerprint.code_name`).
    code: str = CODE_OF_VERSION_1
    #: The fingerprint of the user's own code that it names (`fingerprint.own_code`), or empty.
    own_code: str = ""

    @property
    def cell(self) -> str:
        """`channels=30 dropout=true`; empty when nothing but the seed was swept."""
        return cell_name(self.knobs)

    @property
    def name(self) -> str:
        """`channels=30 dropout=true seed=0`."""
        return run_name(self.knobs, self.config.seed)


@dataclass(frozen=True)
class PlannedKnob:
    """What a reader of the plan has to know of a recorded knob."""

    #: Dotted.
    name: str
    bears_on_numbers: bool
    #: Whether the report names it as a condition of every conclusion.
    shown: bool


@dataclass(frozen=True)
class Plan:
    """A sweep: cells x seeds in seed-major order, and the claims they are to decide."""

    sweep_key: str
    #: The name of its file in sweeps/, or of its knobs: `channels x dropout`.
    name: str
    #: Values of each swept knob, in the order given.
    swept: dict[str, list[Any]]
    claims: dict[str, Claim]
    claims_sha256: str
    #: Where each claim comes from: declared (in the sweep's file), default, generated.
    claims_origin: dict[str, str]
    command: list[str]
    runs: list[PlannedRun]
    #: Of sweep.json.
    version: int = 1
    #: Whether it is one run that was typed without `-m`: it has no claims and no parent in MLflow.
    single: bool = False
    #: The recorded knobs in the order in which a reader should see them; from version 2 on.
    knobs: list[PlannedKnob] = field(default_factory=list)
    #: Of a sweep whose seeds come until its claims are decided; empty for fixed seeds.
    looks: list[Look] = field(default_factory=list)
    #: The most seeds that its looks may reach.
    max_seeds: int = 0
    #: Which cells of the grid it has; None for all, and in plans of before.
    design: Design | None = None

    @property
    def cells(self) -> dict[str, list[PlannedRun]]:
        """The runs of each cell, by cell key, cells in the order of the plan."""
        cells: dict[str, list[PlannedRun]] = {}
        for run in self.runs:
            cells.setdefault(run.cell_key, []).append(run)
        return cells

    @property
    def seeds(self) -> list[int]:
        """The seeds in the order of the plan."""
        return list(dict.fromkeys(run.config.seed for run in self.runs))


def check_code(run: PlannedRun) -> None:
    """Refuse to train a run with other code than it was planned for.

    Raises
    ------
    StateError
        When this process would give the run another key.
    """
    if _is_of_version_1(run):
        raise StateError(
            f"{run.name}: its model lay in runner/models, as models of one's own did in version 1;"
            " docs/own.md says where they lie now"
        )
    of = identity.identity(run.config, run.data_name, run.data_sha256, run.device)
    if run.run_key == identity.run_key(of):
        return
    is_of_this_code = run.code == fingerprint.code_name(run.device)
    if is_of_this_code and run.own_code == fingerprint.own_code(run.config):
        raise StateError(
            f"{run.name}: its plan has another run key than its configuration; delete that"
            " sweep.json and type the command again"
        )
    raise StateError(
        f"{run.name}: the code changed since this sweep was planned; type the command again"
    )


class LaterPlan(StateError):
    """A plan that a later version of this program wrote."""


def write(plan: Plan, root: Root, to_train: Sequence[PlannedRun] = ()) -> str | None:
    """Keep the plan; one that is there already stays, unless runs are to be trained otherwise.

    Parameters
    ----------
    to_train
        The runs that its workers will train: as `runner.*` says now, not when it was planned.

    Returns
    -------
    What is wrong with the file that was there, where it had to be written anew.
    """
    path, damage, first_ns = root.sweep(plan.sweep_key).plan, None, None
    if path.exists():
        try:
            before = read(path)
            how = {run.run_key: run.config.runner for run in before.runs}
            if looks.progress(before.looks) > looks.progress(plan.looks):
                return None  # another process has gone on
            is_as_far = (before.looks, before.max_seeds) == (plan.looks, plan.max_seeds)
            if is_as_far and all(run.config.runner == how[run.run_key] for run in to_train):
                return None
            first_ns = path.stat().st_mtime_ns
        except LaterPlan:
            raise
        except StateError as error:
            damage = f"{error}; it was written anew"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, _text(sealed(content(plan))))
    if first_ns:
        # Sweeps are told to a store in the order in which they were first planned.
        os.utime(path, ns=(first_ns, first_ns))
    return damage


def content(plan: Plan) -> dict[str, Any]:
    """What the plan's file holds, but for its seal; what the runs of a cell share is one object."""
    claims = {name: claim.declared() for name, claim in plan.claims.items()}
    values = _as_json(asdict(replace(plan, runs=[], claims={})) | {"claims": claims})
    first: dict[str, tuple[PlannedRun, dict[str, Any]]] = {}
    for run in plan.runs:
        if run.cell_key not in first:
            first[run.cell_key] = run, _as_json(asdict(run))
        alike, of_cell = first[run.cell_key]
        if not _differ_in_seed(run, alike):
            of_cell = _as_json(asdict(run))
        config = of_cell["config"] | {"seed": run.config.seed}
        values["runs"].append(of_cell | {"run_key": run.run_key, "config": config})
    return values


def _as_json(values: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(json.dumps(values)))


def _differ_in_seed(run: PlannedRun, other: PlannedRun) -> bool:
    """Whether two runs of a cell are alike in all but their seed."""
    config = replace(run.config, seed=other.config.seed)
    return replace(run, run_key=other.run_key, config=config) == other


def _text(values: dict[str, Any]) -> memoryview:
    """The values as JSON, a run a line."""
    head = json.dumps({name: of for name, of in values.items() if name != "runs"}, indent=1)
    text = io.BytesIO()
    text.write(f'{head.removesuffix("}").rstrip()},\n "runs": ['.encode("ascii"))
    for place, run in enumerate(values["runs"]):
        text.write(f"{',' * (place > 0)}\n  {json.dumps(run)}".encode("ascii"))
    text.write(b"\n ]\n}")
    return text.getbuffer()


def read(path: Path) -> Plan:
    """The plan that `write`, or that of an earlier version, kept.

    Raises
    ------
    StateError
        When the file is not a plan, not what was written, or one of a later version (LaterPlan).
    """
    try:
        values = json.loads(path.read_bytes())
        version = values.get("version", 1)
        if version > VERSION:
            raise LaterPlan(
                f"{path}: a plan of version {version}, and this program knows those up to version"
                f" {VERSION}; use the program that wrote it, or a later one"
            )
        if (version >= 3 or SEAL in values) and not is_whole(values):
            raise ValueError("it was changed after it was written")
        runs = list(_runs_from(values["runs"]))
        knobs = [PlannedKnob(**kept.known(PlannedKnob, knob)) for knob in values.get("knobs", [])]
        design = values.get("design")
        design = design and Design(**kept.known(Design, design))
        claims = kept.claims_from(values["claims"])
        read = {"runs": runs, "knobs": knobs, "claims": claims, "design": design}
        read["looks"] = looks.looks_from(values.get("looks", []))
        plan = Plan(**kept.known(Plan, values) | read)
        _prove(plan)
        return plan
    except FileNotFoundError:
        raise StateError(f"{path}: there is no such plan") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateError(f"{path}: not a plan that this version can read ({error})") from error


def _prove(plan: Plan) -> None:
    """Refuse a plan whose keys are not those of what it holds.

    Raises
    ------
    ValueError
    """
    first: dict[str, tuple[PlannedRun, dict[str, Any]]] = {}
    for run in plan.runs:
        if _is_of_version_1(run):
            continue
        alike, of = first.get(run.cell_key, (None, {}))
        if alike is None or not _differ_in_seed(run, alike):
            of = identity.identity(
                run.config, run.data_name, run.data_sha256, run.device, run.code, run.own_code
            )
            if run.cell_key != identity.cell_key(of):
                raise ValueError(f"the run {run.name} has another key than its configuration")
            first[run.cell_key] = run, of
        if run.run_key != identity.run_key(of | {"seed": run.config.seed}):
            raise ValueError(f"the run {run.name} has another key than its configuration")
    keys = [run.run_key for run in plan.runs]
    if plan.looks:
        looks.prove(plan.looks, [(run.config.seed, run.cell_key) for run in plan.runs], plan.claims)
        seeds = plan.looks[0].seeds
        keys = [run.run_key for run in plan.runs if run.config.seed in seeds]
    key = identity.sweep_key(keys, plan.claims, plan.single, bool(plan.looks), plan.design)
    if key != plan.sweep_key:
        raise ValueError("it has another key than its runs and claims")


def _is_of_version_1(run: PlannedRun) -> bool:
    """Whether its model is one's own as version 1 had them: then its key cannot be proven."""
    return parts.TARGET not in run.config.model


def _runs_from(kept_runs: list[dict[str, Any]]) -> Iterator[PlannedRun]:
    """The runs of a file; those of a cell share what they share."""
    first: dict[str, tuple[dict[str, Any], PlannedRun]] = {}
    for values in kept_runs:
        seed = values["config"]["seed"]
        alike, run = first.get(values["cell_key"], (values, None))
        config = values["config"] | {"seed": alike["config"]["seed"]}
        if run is None or values | {"run_key": alike["run_key"], "config": config} != alike:
            known = kept.known(PlannedRun, values)
            run = PlannedRun(**known | {"config": kept.config_from(values["config"])})
            first[values["cell_key"]] = values, run
        yield replace(run, run_key=values["run_key"], config=replace(run.config, seed=seed))
