"""What makes two runs the same run: the hash of everything that its numbers depend on."""

from dataclasses import asdict
from typing import Any

from runner.config import parts
from runner.config.knob import Knob
from runner.config.schema import KNOBS, Config, knobs_of, leaves
from runner.plan import fingerprint
from runner.plan.cells.designs import Design
from runner.record import CODE_OF_VERSION_1, Claim
from runner.system.files import sha256


def identity(
    config: Config,
    data_name: str,
    data_sha256: str,
    device: str,
    code: str | None = None,
    own_code: str | None = None,
) -> dict[str, Any]:
    """The part of a configuration that bears on numbers; a knob without effect is None.

    Parameters
    ----------
    data_name, data_sha256
        Of the data really used, after any fallback.
    device
        "cpu" or "gpu", after `auto`.
    code, own_code
        The name of the code that trains it, and the hash of the user's own; by default those of
        this program and of the files that are there now.
    """
    values = dict(leaves(config)) | {"data.name": data_name, "device": device}
    if "model.blocks" in values and parts.ships("model", config.model):
        # `channels=30` and `blocks=[[30]]` are the same network.
        values["model.blocks"] = values["model.blocks"] or [[values["model.channels"]]]
    found = _code(code or fingerprint.code_name(device)) | {"data": {"sha256": data_sha256}}
    own_code = fingerprint.own_code(config) if own_code is None else own_code
    if own_code:
        found["own_code"] = own_code
    for name, knob in _bearing(config).items():
        value = values.get(name) if name in values and knob.is_effective(values) else None
        # A knob that came later is left out where it changes nothing: older runs keep their keys.
        is_left_out = knob.came_later and value in (None, knob.before)
        if not is_left_out:
            section, _, last = name.rpartition(".")
            part = found.setdefault(section, {}) if section else found
            part[last] = value + 0.0 if isinstance(value, float) else value  # -0.0 is 0.0
    for section in parts.SECTIONS:
        values_of = getattr(config, section)
        if not parts.ships(section, values_of):
            found[section][parts.TARGET] = values_of[parts.TARGET]
    if parts.ships("model", config.model):
        found["model"]["options"] = None  # as it stood in version 1's keys
    return found


def _bearing(config: Config) -> dict[str, Knob]:
    """The knobs that bear on numbers; of a part that ships all that its section's parts have."""
    known = {name: knob for name, knob in KNOBS.items() if not knob.is_argument}
    for section in parts.SECTIONS:
        if parts.ships(section, getattr(config, section)):
            known |= {name: k for name, k in KNOBS.items() if name.startswith(f"{section}.")}
    known |= knobs_of(config)
    return {name: knob for name, knob in known.items() if knob.bears_on_numbers}


def _code(name: str) -> dict[str, Any]:
    """The code that trains the run; that of version 1 stands as it stood in version 1's keys."""
    return {"training_version": 1} if name == CODE_OF_VERSION_1 else {"code": name}


def run_key(of: dict[str, Any]) -> str:
    """The key of a run, 64 hexadecimal digits."""
    return sha256(of)


def cell_key(of: dict[str, Any]) -> str:
    """The key of a run's cell: the seed left out."""
    return sha256({name: value for name, value in of.items() if name != "seed"})


def claims_sha256(claims: dict[str, Claim]) -> str:
    """The hash of a sweep's claims; it proves later what had been declared."""
    return sha256({name: claim.declared() for name, claim in claims.items()})


def sweep_key(
    run_keys: list[str],
    claims: dict[str, Claim],
    single: bool = False,
    until_decided: bool = False,
    design: Design | None = None,
) -> str:
    """The key of a sweep: its runs in any order, and its claims.

    Another one for a single run, and where a design says how claims find their cells. Of a sweep
    whose seeds come until its claims are decided, the runs of the first look: the others follow
    from them.
    """
    kind = ["single"] * single + ["until_decided"] * until_decided
    of_design = [asdict(design)] if design else []
    return sha256([sorted(run_keys), claims_sha256(claims), *kind, *of_design])
