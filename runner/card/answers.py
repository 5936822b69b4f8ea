"""What is known of a card and of what it computed: plain records, kept and sent as JSON."""

from dataclasses import dataclass, field
from typing import Any

#: Among what differs: that not even the CPU could train, which is no fault of the card.
ON_CPU = "on the CPU"


@dataclass(frozen=True)
class Way:
    """One way to compute a network: an engine, a device, and there with CUDA graphs or without."""

    engine: str
    device: str
    graph: bool = True

    def __str__(self) -> str:
        graph = ", engine.graph=false" if self.device == "gpu" and not self.graph else ""
        return f"engine={self.engine}{graph if self.engine == 'fast' else ''}"


@dataclass(frozen=True)
class Card:
    """A card as CuPy describes it."""

    #: Among those that this process may see.
    number: int
    name: str
    #: Tells it from every other card; it is in no report.
    identity: str
    memory_bytes: int
    #: Of the driver, CuPy and CUDA's libraries, by name.
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Speeds:
    """Images a second, evaluations included."""

    #: Of one run on one core of the CPU, of the engine that is trusted; 0 where not measured.
    core: float = 0.0
    #: Of all runs side by side on what was tried, by their number as text; 0 where they do not fit.
    side_by_side: dict[str, float] = field(default_factory=dict)
    #: Memory that a run takes on the card; 0 where the card does not tell.
    run_bytes: int = 0

    def on_card(self, n_runs: int) -> float:
        """The most images a second that the card reaches with so many runs."""
        return max((rate for n, rate in self.side_by_side.items() if int(n) <= n_runs), default=0.0)


@dataclass(frozen=True)
class Answer:
    """What a device computed of one network."""

    network: str
    batch_size: int
    #: Engine and CUDA graphs of the first way that agrees; None where none does.
    engine: str | None = None
    graph: bool = True
    #: What differed first in each way that does not agree, by the way.
    refused: dict[str, str] = field(default_factory=dict)
    speeds: Speeds = field(default_factory=Speeds)
    #: Whether another check may come out otherwise: memory that others hold.
    passing: bool = False

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Answer":
        """From what `dataclasses.asdict` gave."""
        return cls(**values | {"speeds": Speeds(**values["speeds"])})
