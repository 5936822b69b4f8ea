"""What a configuration asks of its data: which function with which arguments, and what of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

#: Keys of conf/data/*.yaml that name the function.
_NAMES = ("_target_", "name")


@dataclass(frozen=True)
class Asked:
    """The keys of `data`: those of every data set by name, the others as the function's."""

    target: str
    arguments: Mapping[str, Any]
    normalize: bool = True
    #: How many of the training images are trained on; None: all that `validation` leaves.
    n_train: int | None = None
    #: The share of the training labels that another class takes the place of.
    label_noise: float = 0.0
    #: How many of the training images are held out.
    validation: int = 0
    #: The import path of a function of a batch, f(x, rng) -> x.
    augment: str | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Asked":
        """What the section `data` of a configuration asks for."""
        options = {
            name: value
            for name, value in values.items()
            if name in {field.name for field in fields(cls)} - {"target", "arguments"}
        }
        others = {name: v for name, v in values.items() if name not in (*_NAMES, *options)}
        return cls(str(values["_target_"]), others, **options)

    @property
    def source(self) -> str:
        """What the arrays come from, as one text: two that are equal have the same arrays."""
        return json.dumps([self.target, dict(self.arguments)], sort_keys=True, default=str)
