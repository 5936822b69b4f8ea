"""What the analysis asks of a tracking store: the interface of a database and of a server."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from runner.errors import StoreError, without_password


@dataclass(frozen=True)
class StoredRun:
    """A run as MLflow holds it."""

    run_id: str
    name: str
    artifact_uri: str
    #: In ms since 1970; None for a run that has not begun, or has not ended.
    start_ms: int | None
    end_ms: int | None
    tags: dict[str, str] = field(default_factory=dict)
    #: The names of its metrics, from a store that must be asked for each; else empty.
    metrics: frozenset[str] = frozenset()


#: Run id, metric, epoch, time of writing (ms since 1970), value (may be nan).
Row = tuple[str, str, int, int, float]


class Store(Protocol):
    """One experiment of a tracking store. Every method may raise StoreError."""

    def tagged(self, tag: str) -> list[StoredRun]:
        """The runs that have this tag and are not deleted, with all their tags."""

    def rows(self, runs: Collection[StoredRun]) -> Iterable[Row]:
        """The metrics of these runs in any order; rows of others may be among them."""

    def artifact(self, run: StoredRun, name: str) -> bytes:
        """The content of a file that a run logged; OSError where it is not at hand."""


def no_experiment(uri: str, experiment: str) -> StoreError:
    """The error for a store without this experiment."""
    return StoreError(
        f"{without_password(uri)}: there is no experiment {experiment}; train a sweep first, or"
        " give --experiment"
    )
