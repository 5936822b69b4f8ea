"""The records of a journal, typed, with defaults for what older versions did not write."""

import dataclasses
import json
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from runner.record import CODE_OF_VERSION_1

#: The version of the records that this program writes; version 1 did not say so.
VERSION = 2


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
    processor: str = ""
    #: Environment variables that say how many threads a library uses.
    threads: dict[str, str | None] = field(default_factory=dict)
    #: Environment variables that change how cuBLAS rounds.
    cublas: dict[str, str] = field(default_factory=dict)
    version: int = 1

    def __post_init__(self) -> None:
        if self.version > VERSION:
            raise ValueError(
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


_RECORDS: dict[Kind, type[Record]] = {
    record.kind: record for record in (Start, Compiling, Setup, Epoch, End)
}
_FIELDS = {kind: {f.name for f in dataclasses.fields(record)} for kind, record in _RECORDS.items()}


def parse(line: bytes) -> Record:
    """The record of one line.

    Raises
    ------
    ValueError, TypeError
        When it is none.
    """
    values = json.loads(line)
    kind = Kind(values["kind"])
    return _RECORDS[kind](
        **{name: value for name, value in values.items() if name in _FIELDS[kind]}
    )
