"""What makes two runs the same run: the hash of everything that its numbers depend on."""

from dataclasses import asdict
from typing import Any

from runner.config.effects import own_model
from runner.config.schema import KNOBS, Config, leaves
from runner.plan import fingerprint
from runner.record import CODE_OF_VERSION_1, Claim
from runner.system.files import sha256


def identity(
    config: Config, data_name: str, data_sha256: str, device: str, code: str | None = None
) -> dict[str, Any]:
    """The part of a configuration that bears on numbers; a knob without effect is None.

    Parameters
    ----------
    data_name, data_sha256
        Of the data really used, after any fallback.
    device
        "cpu" or "gpu", after `auto`.
    code
        The name of the code that trains it; by default that of this program.
    """
    values = dict(leaves(config)) | {"data.name": data_name, "device": device}
    if not own_model(values):
        # `channels=30` and `blocks=[[30]]` are the same network.
        values["model.blocks"] = values["model.blocks"] or [[values["model.channels"]]]
    parts = _code(values, code or fingerprint.code_name(device)) | {"data": {"sha256": data_sha256}}
    for name, knob in KNOBS.items():
        value = values[name] if knob.is_effective(values) else None
        # A knob that came later is left out where it changes nothing: older runs keep their keys.
        is_left_out = knob.came_later and value in (None, knob.before)
        if knob.bears_on_numbers and not is_left_out:
            section, _, last = name.rpartition(".")
            part = parts.setdefault(section, {}) if section else parts
            part[last] = value + 0.0 if isinstance(value, float) else value  # -0.0 is 0.0
    return parts


def _code(values: dict[str, Any], name: str) -> dict[str, Any]:
    """The code that trains the run; that of version 1 stands as it stood in version 1's keys."""
    code: dict[str, Any] = {"training_version": 1} if name == CODE_OF_VERSION_1 else {"code": name}
    if own_model(values):
        code["model_code"] = fingerprint.own_model_fingerprint(values["model.kind"])
    return code


def run_key(of: dict[str, Any]) -> str:
    """The key of a run, 64 hexadecimal digits."""
    return sha256(of)


def cell_key(of: dict[str, Any]) -> str:
    """The key of a run's cell: the seed left out."""
    return sha256({name: value for name, value in of.items() if name != "seed"})


def claims_sha256(claims: dict[str, Claim]) -> str:
    """The hash of a sweep's claims; it proves later what had been declared."""
    return sha256({name: asdict(claim) for name, claim in claims.items()})


def sweep_key(run_keys: list[str], claims: dict[str, Claim], single: bool = False) -> str:
    """The key of a sweep: its runs in any order, and its claims; another one for a single run."""
    return sha256([sorted(run_keys), claims_sha256(claims), *(["single"] if single else [])])
