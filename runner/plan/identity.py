"""What makes two runs the same run: the hash of everything that its numbers depend on."""

import hashlib
import json
from dataclasses import asdict
from typing import Any

from runner.config.schema import Config, leaves
from runner.record import OWN_KINDS, TRAINING_VERSION, Claim, without_effect


def identity(config: Config, data_name: str, data_sha256: str, device: str) -> dict[str, Any]:
    """The result-bearing part of a configuration; what has no effect is None.

    Parameters
    ----------
    data_name, data_sha256
        Of the data really used, after any fallback.
    device
        "cpu" or "gpu", after `auto`.
    """
    model, optimizer = asdict(config.model), asdict(config.optimizer)
    nothing = without_effect(dict(leaves(config)))
    if model["kind"] in OWN_KINDS:
        # `channels=30` and `blocks=[[30]]` are the same network.
        model |= {"blocks": model["blocks"] or [[model["channels"]]], "channels": None}
    for name, part in (("model", model), ("optimizer", optimizer)):
        part |= {key: None for key in part if f"{name}.{key}" in nothing}
    for part in (model, optimizer):  # -0.0 is 0.0
        part |= {name: value + 0.0 for name, value in part.items() if isinstance(value, float)}
    return {
        "training_version": TRAINING_VERSION,
        "seed": config.seed,
        "model": model,
        "train": asdict(config.train),
        "optimizer": optimizer,
        "data": {"name": data_name, "sha256": data_sha256, "normalize": config.data.normalize},
        "engine": _engine(config, device),
        "device": device,
    }


def _engine(config: Config, device: str) -> dict[str, Any]:
    """What of the engine changes numbers: graphs and streams do not."""
    named = {"name": config.engine.name}
    # Left out where it says nothing: the keys of all that was trained before it existed stay what they are.
    return named | ({"tf32": True} if config.engine.tf32 and device == "gpu" and config.engine.name == "fast" else {})


def run_key(of: dict[str, Any]) -> str:
    """The key of a run, 64 hexadecimal digits."""
    return _sha256(of)


def cell_key(of: dict[str, Any]) -> str:
    """The key of a run's cell: the seed left out."""
    return _sha256({name: value for name, value in of.items() if name != "seed"})


def claims_sha256(claims: dict[str, Claim]) -> str:
    """The hash of a sweep's claims; it proves later what had been declared."""
    return _sha256({name: asdict(claim) for name, claim in claims.items()})


def sweep_key(run_keys: list[str], claims: dict[str, Claim], single: bool = False) -> str:
    """The key of a sweep: its runs in any order, and its claims; another one for a single run that is no sweep."""
    return _sha256([sorted(run_keys), claims_sha256(claims), *(["single"] if single else [])])


def _sha256(value: Any) -> str:
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
