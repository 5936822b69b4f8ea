"""What a tracking store holds, as the analysis asks for it: the interface of a database and of a server."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class StoredRun:
    """A run as MLflow has it."""

    run_id: str
    name: str
    artifact_uri: str
    #: In ms since 1970; None where it has not begun, or ended.
    start_ms: int | None
    end_ms: int | None
    tags: dict[str, str] = field(default_factory=dict)


#: Run id, metric, epoch, when it was written (ms since 1970), value; nan for one that is not a number.
Row = tuple[str, str, int, int, float]


class Store(Protocol):
    """One experiment of a tracking store. Every method may raise StoreError."""

    def tagged(self, tag: str) -> list[StoredRun]:
        """The runs that have a tag and are not deleted, with all their tags."""

    def rows(self, run_ids: Collection[str], metrics: Collection[str]) -> Iterable[Row]:
        """The metrics of these runs, in no order; others may come with them."""

    def artifact(self, run: StoredRun, name: str) -> bytes:
        """A file that a run logged; OSError where it is not to be had."""
