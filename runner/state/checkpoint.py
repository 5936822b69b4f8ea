"""Checkpoints: weights, optimizer and position, in two generations, each under its own SHA-256."""

import hashlib
import io
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from runner.system.files import write_whole

_MAGIC = b"ablation-checkpoint-1\n"
_N_HASH = hashlib.sha256().digest_size


def newest(
    folders: Iterable[Path], run_key: str
) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """The whole checkpoint of a run that got furthest, of those in the folders of its attempts.

    Returns
    -------
    arrays, position
        Both empty where there is none.
    refused
        The names of the files that could not be used.
    """
    arrays: dict[str, Any] = {}
    position: dict[str, Any] = {}
    refused = []
    for folder in folders:
        checkpoints = Checkpoints(folder, run_key)
        found = checkpoints.load()
        refused += [f"{folder.name}/{name}" for name in checkpoints.refused]
        if found and _reached(found[1]) > _reached(position):
            arrays, position = found
    return arrays, position, refused


def _reached(position: dict[str, Any]) -> tuple[int, int]:
    return position.get("epoch", 0), position.get("step", 0)


class Checkpoints:
    """`checkpoint` and `checkpoint.previous` of an attempt; the newest whole one is used."""

    def __init__(self, folder: Path, run_key: str) -> None:
        self.run_key = run_key
        self.newest, self.previous = folder / "checkpoint", folder / "checkpoint.previous"
        self._newest_serves = True
        #: The files that `load` refused: damaged, another run's, or with a pickled object in them.
        self.refused: list[str] = []

    def save(self, arrays: dict[str, Any], position: dict[str, Any]) -> None:
        """Keep NumPy arrays by name and the position; the last checkpoint becomes the previous."""
        # A damaged checkpoint must not replace the previous one, which is then the only good one.
        if self._newest_serves and self.newest.exists():
            os.replace(self.newest, self.previous)
        write(self.newest, self.run_key, arrays, position)
        self._newest_serves = True

    def load(self) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Arrays and position of the newest whole checkpoint of this run, or None."""
        for path in (self.newest, self.previous):
            found = read(path, self.run_key)
            if found:
                self._newest_serves = path == self.newest
                return found
            if path.exists():
                self.refused.append(path.name)
        return None

    def delete(self) -> None:
        self.newest.unlink(missing_ok=True)
        self.previous.unlink(missing_ok=True)


def write(path: Path, run_key: str, arrays: dict[str, Any], position: dict[str, Any]) -> None:
    """Keep NumPy arrays by name and a position in a file that appears whole."""
    about = json.dumps({"run_key": run_key, "position": position}).encode("ascii")
    payload = io.BytesIO()
    np.savez(payload, about=np.frombuffer(about, dtype=np.uint8), **arrays)
    content = payload.getbuffer()
    write_whole(path, content, before=_MAGIC + hashlib.sha256(content).digest())


def read(path: Path, run_key: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Arrays and position of a whole checkpoint of the run, or None."""
    try:
        content = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return None
    start = len(_MAGIC) + _N_HASH
    payload = content[start:]
    # The hash is checked first: NumPy reads some damaged files without an error.
    if content[:start] != _MAGIC + hashlib.sha256(payload).digest():
        return None
    with np.load(io.BytesIO(payload), allow_pickle=False) as stored:
        try:
            arrays = {name: stored[name] for name in stored.files}
        except ValueError:  # a pickled object, which the runner never writes
            return None
    about = json.loads(arrays.pop("about").tobytes())
    return (arrays, about["position"]) if about["run_key"] == run_key else None
