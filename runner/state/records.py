"""The records of a journal, typed, with defaults for what older versions did not write.

A line ends with a checksum of itself and of the line before, so that a changed, lost, doubled or
moved line is seen. Lines of versions 1 and 2 have none.
"""

import dataclasses
import hashlib
import json
import math
import re
import sys
import types
import typing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from runner.record import CODE_OF_VERSION_1

#: The version of the records that this program writes; version 1 did not say so.
VERSION = 3
_CHECKED = re.compile(rb'(\{.*), "check": "([0-9a-f]{16})"\}')


class LaterVersion(ValueError):
    """A record that a later version of this program wrote."""


class Kind(StrEnum):
    """What a line of a journal is about."""

    START = "start"
    COMPILING = "compiling"
    SETUP = "setup"
    EPOCH = "epoch"
    END = "end"


@dataclass(frozen=True)
class Record:
    """A line of a journal; a field that a version did not write has its default."""

    kind: ClassVar[Kind]
    #: When it was written, in ms since 1970; set by the writer.
    time_ms: int = field(default=0, kw_only=True)


@dataclass(frozen=True)
class Start(Record):
    """A process begins a run, or goes on with it."""

    kind = Kind.START
    run_key: str
    cell_key: str
    knobs: dict[str, Any]
    config: dict[str, Any]
    #: `name` and `sha256` of the data set.
    data: dict[str, str]
    device: str
    #: Of the process that trains it.
    pid: int
    #: Names the launch of workers that the process belongs to.
    launch: str
    name: str = ""
    engine: str = ""
    #: What the driver calls the GPU.
    card: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    git: dict[str, Any] = field(default_factory=lambda: {"commit": None, "dirty": None})
    #: The name of the code that trains it (`fingerprint.code_name`).
    code: str = CODE_OF_VERSION_1
    #: The fingerprint of the user's own code that it names (`fingerprint.own_code`), or empty.
    own_code: str = ""
    processor: str = ""
    #: Environment variables that say how many threads a library uses.
    threads: dict[str, str | None] = field(default_factory=dict)
    #: How many threads compute the run.
    n_threads: int = 1
    #: Environment variables that change how cuBLAS rounds.
    cublas: dict[str, str] = field(default_factory=dict)
    #: The attempt whose record this one goes on with, whether or not it left a checkpoint.
    after: str | None = None
    version: int = 1

    @property
    def hardware(self) -> str:
        """What rounds: the processor or the card."""
        return self.card or self.processor

    def __post_init__(self) -> None:
        if self.version > VERSION:
            raise LaterVersion(
                f"written by version {self.version} of this format; this program knows {VERSION}"
            )


@dataclass(frozen=True)
class Compiling(Record):
    """The engine compiles its kernels before the first epoch."""

    kind = Kind.COMPILING


@dataclass(frozen=True)
class Setup(Record):
    """What the model and the engine turned out to be."""

    kind = Kind.SETUP
    #: DeZero functions that the engine has no form of its own for.
    fallbacks: list[str] = field(default_factory=list)
    n_parameters: int | None = None
    first_batch_order_sha256: str = ""
    goes_on_from_epoch: int = 1
    #: Names of checkpoints that were damaged, or another run's.
    refused_checkpoints: list[str] = field(default_factory=list)
    #: The key of the run with fewer epochs whose epochs follow, with their own times.
    taken_from: str | None = None
    #: Shape of one image, number of classes, and what uint8 pixels were divided by; absent from
    #: earlier versions.
    image_shape: list[int] | None = None
    n_classes: int | None = None
    scale: float | None = None


@dataclass(frozen=True)
class Epoch(Record):
    """One epoch's metrics by name: those that the version which trained it measured."""

    kind = Kind.EPOCH
    epoch: int
    metrics: dict[str, float]

    def __post_init__(self) -> None:
        # A hundred thousand epochs share a dozen names.
        object.__setattr__(
            self, "metrics", {sys.intern(name): value for name, value in self.metrics.items()}
        )


@dataclass(frozen=True)
class End(Record):
    """How the run ended: done, diverged, failed or killed."""

    kind = Kind.END
    status: str
    cause: str | None = None
    #: The hash of each file of results, by file name.
    sha256: dict[str, str] = field(default_factory=dict)
    n_test_images: int | None = None
    #: Matrix products that one thread computed, though the run had several: `100x1000 by 1000x10`.
    undivided: list[str] = field(default_factory=list)


_RECORDS: dict[Kind, type[Record]] = {
    record.kind: record for record in (Start, Compiling, Setup, Epoch, End)
}
_TYPES = {kind: typing.get_type_hints(record) for kind, record in _RECORDS.items()}


def encode(record: Record, before: str) -> tuple[bytes, str]:
    """The line of a record, and its checksum.

    Parameters
    ----------
    before
        The checksum of the line before; for the first one the name of the journal.
    """
    values = dataclasses.asdict(record)
    line = {"kind": record.kind, "time_ms": values.pop("time_ms"), **values}
    body = json.dumps(line, allow_nan=False).encode("ascii")[:-1]
    check = _check(body, before)
    return body + f', "check": "{check}"}}\n'.encode("ascii"), check


def decode(line: bytes, before: str) -> tuple[Record, str]:
    """The inverse of `encode`, without the line's end.

    Raises
    ------
    ValueError, TypeError, KeyError
        When the line is not as it was written, or not the one after `before`.
    """
    parts = _CHECKED.fullmatch(line)
    if parts is None:
        raise ValueError("it has no checksum")
    check = _check(parts[1], before)
    if check != parts[2].decode("ascii"):
        raise ValueError("its checksum does not fit: it was changed, or a line before it was")
    return parse(parts[1] + b"}"), check


def parse(line: bytes) -> Record:
    """The record of one line without its checksum.

    Raises
    ------
    ValueError, TypeError, KeyError
        When it is none.
    """
    values = json.loads(line)
    kind = Kind(values["kind"])
    known = {name: value for name, value in values.items() if name in _TYPES[kind]}
    for name, value in known.items():
        if name != "kind" and not _is_of(_TYPES[kind][name], value):
            raise TypeError(f"{name} is {json.dumps(value)[:40]}")
    return _RECORDS[kind](**{name: value for name, value in known.items() if name != "kind"})


def _check(body: bytes, before: str) -> str:
    return hashlib.sha256(before.encode("utf-8") + body).hexdigest()[:16]


def _is_of(of: typing.Any, value: object) -> bool:
    """Whether a value that JSON gave is of a type of these records."""
    if of is typing.Any:
        return True
    arguments = typing.get_args(of)
    if isinstance(of, types.UnionType):
        return any(_is_of(part, value) for part in arguments)
    if arguments:
        parts = value.values() if isinstance(value, dict) else value
        return isinstance(value, typing.get_origin(of)) and all(
            _is_of(arguments[-1], part) for part in typing.cast(list[object], parts)
        )
    if of is float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and math.isfinite(value)  # type: ignore[arg-type]
    return isinstance(value, of) and not (of is int and isinstance(value, bool))
