"""The plan of a sweep, `state/sweeps/<sweep_key>/sweep.json`: the runs that its workers take, and its claims."""

import json
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from runner.config.schema import Config
from runner.errors import StateError
from runner.files import write_whole
from runner.record import Claim, cell_name, run_name
from runner.state.root import Root


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

    @property
    def cell(self) -> str:
        """`channels=30 dropout=true`; empty when nothing but the seed was swept."""
        return cell_name(self.knobs)

    @property
    def name(self) -> str:
        """`channels=30 dropout=true seed=0`."""
        return run_name(self.knobs, self.config.seed)


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
    #: Where each claim comes from: declared (in the sweep's file or on the command line), default, generated.
    claims_origin: dict[str, str]
    command: list[str]
    runs: list[PlannedRun]
    #: Whether it is one run that was typed without `-m`: no sweep in a tracking store.
    single: bool = False

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


def write(plan: Plan, root: Root) -> None:
    """Keep the plan; one that is there already is the same and stays."""
    path = root.sweep(plan.sweep_key).plan
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(asdict(plan), indent=1).encode("ascii"))


def read(path: Path) -> Plan:
    """The plan that `write` kept.

    Raises
    ------
    StateError
        When the file is not a plan of this version.
    """
    try:
        values = json.loads(path.read_bytes())
        runs = [PlannedRun(**{**run, "config": config_from(run["config"])}) for run in values.pop("runs")]
        claims = {name: Claim(**claim) for name, claim in values.pop("claims").items()}
        return Plan(**values, runs=runs, claims=claims)
    except FileNotFoundError:
        raise StateError(f"{path}: there is no such plan") from None
    except (ValueError, KeyError, TypeError) as error:
        raise StateError(f"{path}: not a plan that this version can read ({error})") from error


#: Knobs that came later, with the values at which everything before them was trained.
_LATER: dict[str, dict[str, Any]] = {
    "engine": {"graph": True, "tf32": False, "streams": 0},
    "runner": {"time_limit_s": 0.0, "fail_fast": False},
}


def config_from(values: dict[str, Any]) -> Config:
    """The inverse of `dataclasses.asdict`, for a configuration that was checked before it was kept."""
    parts: dict[str, Any] = {f.name: f.type for f in fields(Config)}
    built = {
        name: parts[name](**(_LATER.get(name, {}) | value)) if is_dataclass(parts[name]) else value
        for name, value in values.items()
        if name != "claims"
    }
    return Config(**built, claims={name: Claim(**claim) for name, claim in values["claims"].items()})
