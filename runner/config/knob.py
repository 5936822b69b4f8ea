"""What is known of a knob beside its type and value: the metadata of its field in the schema."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.config import rules
from runner.config.effects import Effect
from runner.config.rules import Allowed

_VERSION_1 = object()


@dataclass(frozen=True)
class Knob:
    """What is known of a knob beside its type and its value."""

    #: Its meaning and its unit, on one line.
    comment: str
    allowed: Allowed
    #: Whether a run's numbers depend on it; then it is part of the run key.
    bears_on_numbers: bool
    #: Whether MLflow and the plan keep it as a parameter of the run.
    recorded: bool
    #: Whether it stands in a run's name when it was typed, and in the report's "Under:".
    shown: bool
    #: None: it always changes something.
    has_effect: Effect | None
    #: The value at which everything was trained before the knob existed.
    before: Any
    #: The environment variable that gives the default, where it is set.
    variable: str | None
    #: Whether it is an argument of a part that ships, and no option of every part of its section.
    is_argument: bool = False

    def is_from_variable(self, value: object) -> bool:
        """Whether a value is the one that the environment gives."""
        return self.variable is not None and value == (os.environ.get(self.variable) or None)

    @property
    def came_later(self) -> bool:
        """Whether there are plans and runs that were made before the knob existed."""
        return self.before is not _VERSION_1

    def is_effective(self, values: Mapping[str, Any]) -> bool:
        """Whether it changes anything under the values of all knobs, by dotted name."""
        return self.has_effect is None or self.has_effect(values)


def knob(
    comment: str,
    allowed: Allowed,
    *,
    bears_on_numbers: bool = False,
    recorded: bool | None = None,
    shown: bool | None = None,
    has_effect: Effect | None = None,
    before: Any = _VERSION_1,
    variable: str | None = None,
    is_argument: bool = False,
) -> Any:
    """A field of the schema; by default, what bears on numbers is recorded and shown."""
    recorded = bears_on_numbers if recorded is None else recorded
    shown = bears_on_numbers if shown is None else shown
    known = Knob(
        comment,
        allowed,
        bears_on_numbers,
        recorded,
        shown,
        has_effect,
        before,
        variable,
        is_argument,
    )
    return field(metadata={"knob": known})


def own_knob(comment: str, annotation: str) -> Knob:
    """A knob of a part of the user's own, with the type that its signature writes, if any."""
    allowed = rules.of_annotation(annotation)
    return Knob(comment, allowed, True, True, True, None, _VERSION_1, None, is_argument=True)
