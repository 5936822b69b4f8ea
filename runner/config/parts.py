"""The sections of a configuration that name what makes them: data, model and optimizer.

A file of conf/model, conf/data or conf/optimizer gives the import path of a class or function in
`_target_`. Its other keys are knobs: arguments of that class, or options that every part of its
section has. What ships and what is the user's own comes through this one door.
"""

import difflib
import inspect
from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from runner.config.knobs.signature import NotFoundInSource, Parameter, Signature, signature_of
from runner.errors import ConfigError, short_text
from runner.system import user_code

TARGET = "_target_"
_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Section:
    #: The key under which the part's name is recorded: `model.kind`.
    label: str
    #: The names of the parts that ship, by import path.
    shipped: Mapping[str, str]
    #: Arguments that the program gives where the signature has them.
    given: tuple[str, ...] = ()
    #: Other names under which arguments are known in configurations.
    other_names: Mapping[str, str] | None = None


_DATA_SETS = ("mnist", "mnist5k", "fashion_mnist", "digits", "spiral")

SECTIONS: dict[str, _Section] = {
    "data": _Section(
        "name", {f"runner.data.sets.{name}": name for name in _DATA_SETS}, given=("download",)
    ),
    "model": _Section(
        "kind",
        {"runner.models.cnn.CNN": "cnn", "runner.models.mlp.MLP": "mlp"},
        given=("engine", "n_classes"),
    ),
    "optimizer": _Section(
        "name",
        {
            "dezero.optimizers.Adam": "adam",
            "dezero.optimizers.MomentumSGD": "momentum",
            "dezero.optimizers.SGD": "sgd",
        },
        # DeZero's Adam calls its learning rate `alpha`.
        other_names={"lr": "alpha"},
    ),
}


def ships(section: str, values: Mapping[str, Any]) -> bool:
    """Whether a section's part is one of this program's."""
    return values.get(TARGET) in SECTIONS[section].shipped


def all_ship(config: Any) -> bool:
    """Whether what a configuration computes with, model and optimizer, is none of the user's."""
    return all(ships(section, getattr(config, section)) for section in ("model", "optimizer"))


def label(section: str, values: Mapping[str, Any]) -> str:
    """The name of a part: that of its file for one that ships, else that of its class."""
    target = str(values[TARGET])
    return SECTIONS[section].shipped.get(target, target.rpartition(".")[2])


def target_of(section: str, name: str) -> str | None:
    """The import path of a part that ships, by its name."""
    return {name: target for target, name in SECTIONS[section].shipped.items()}.get(name)


def having(
    section: str, target: str, values: Mapping[str, Any], options: Set[str]
) -> dict[str, Any]:
    """Of the values, those that a part has: its arguments, options, and its name."""
    found = signature_of(target)
    names = {_in_signature(section, key, found) for key in found.parameters} if found else set()
    kept = options | {SECTIONS[section].label}
    return {TARGET: target} | {
        key: value
        for key, value in values.items()
        if key in kept or _in_signature(section, key, found) in names
    }


def arguments(section: str, values: Mapping[str, Any], options: Set[str]) -> dict[str, Any]:
    """The arguments of a part's class, by the names of its signature.

    Parameters
    ----------
    values
        The section, checked.
    options
        The keys that are no arguments, but options of every part of the section.
    """
    known, found = SECTIONS[section], _signature(section, values)
    return {
        _in_signature(section, key, found): value
        for key, value in values.items()
        if key not in (TARGET, known.label) and key not in options
    }


def imported(section: str, target: str) -> Any:
    """The class or function of an import path.

    Raises
    ------
    ConfigError
        When its module cannot be imported, or does not have it.
    """
    try:
        return user_code.find(target)
    except user_code.NotFound as error:
        raise ConfigError(f"{section}.{TARGET}={target}: {error}") from error


def make(
    section: str, values: Mapping[str, Any], offered: Mapping[str, Any], options: Set[str] = _NONE
) -> Any:
    """What a section names, called with its arguments.

    Parameters
    ----------
    offered
        What the program gives to a signature that has it, such as `engine`.
    options
        The keys that are no arguments, but options of every part of the section.
    """
    target = imported(section, str(values[TARGET]))
    try:
        names = frozenset(inspect.signature(target).parameters)
    except (TypeError, ValueError):  # such as a class in C; Python does not know them
        names = _NONE
    given = {name: value for name, value in offered.items() if name in names}
    return target(**arguments(section, values, options), **given)


def check(section: str, values: Mapping[str, Any], options: Set[str]) -> dict[str, Any]:
    """The section with its name, its arguments checked against the signature of its part.

    Raises
    ------
    ConfigError
        For a section without `_target_`, a part that cannot be found, an argument that its
        signature does not have, and one that is missing.
    """
    known, target = SECTIONS[section], values.get(TARGET)
    if not isinstance(target, str) or not target.rpartition(".")[0]:
        raise ConfigError(
            f"{section}: its file of conf/{section}/ needs a line {TARGET}: MODULE.NAME, the import"
            f" path of what makes it; there is {short_text(target)}"
        )
    found = _signature(section, values)
    if found and known.label in found.parameters:
        raise ConfigError(
            f"{section}.{known.label}: under this key the name of {found.place} is recorded; give"
            f" its parameter {known.label} another name"
        )
    if known.label in values:
        raise ConfigError(
            f"{section}.{known.label}={short_text(values[known.label])}: it is not given; choose a"
            f" file of conf/{section}/: {section}=NAME"
        )
    if found is not None:
        _check_names(section, values, options, found)
    return {known.label: label(section, values)} | dict(values)


def parameter(section: str, values: Mapping[str, Any], key: str) -> Parameter:
    """What the source says of an argument; without its module what is known without it."""
    try:
        found = signature_of(str(values[TARGET]))
    except NotFoundInSource:
        found = None
    known = found.parameters.get(_in_signature(section, key, found)) if found else None
    place = found.place if found else values[TARGET]
    comment = (known.comment if known else "") or f"Of {place}."
    return Parameter(False, known.annotation if known else "", comment)


def _signature(section: str, values: Mapping[str, Any]) -> Signature | None:
    target = str(values[TARGET])
    try:
        return signature_of(target)
    except NotFoundInSource as error:
        raise ConfigError(
            f"{section}.{TARGET}={short_text(target)}: {error}; allowed is the import path of a"
            " class or function in this folder or an installed package"
        ) from None


def _in_signature(section: str, key: str, found: Signature | None) -> str:
    other = (SECTIONS[section].other_names or {}).get(key)
    is_other = other and found and key not in found.parameters and other in found.parameters
    return other if is_other and other else key


def _check_names(
    section: str, values: Mapping[str, Any], options: Set[str], found: Signature
) -> None:
    known = SECTIONS[section]
    allowed = [name for name in found.parameters if name not in known.given]
    allowed += [key for key in known.other_names or {} if _in_signature(section, key, found) != key]
    given: dict[str, str] = {}
    for key in values:
        if key == TARGET or key in options:
            continue
        if key in known.given:
            raise ConfigError(f"{section}.{key}: it is given by the program, not by hand")
        if key in allowed or found.open:
            first = given.setdefault(_in_signature(section, key, found), key)
            if first != key:
                raise ConfigError(f"{section}.{key}: it is {section}.{first}; give it once")
        else:
            raise ConfigError(unknown(section, key, found.place, [*allowed, *sorted(options)]))
    for name, parameter in found.parameters.items():
        if parameter.required and name not in given and name not in known.given:
            raise ConfigError(
                f"{section}.{name}: {found.place} needs it; give it in the file of conf/{section}/"
            )


def not_listed(section: str, values: Mapping[str, Any], key: str, options: Set[str]) -> str:
    """The message for a typed knob that the chosen file does not list."""
    found = _signature(section, values)
    place = found.place if found else str(values[TARGET])
    if key == SECTIONS[section].label:
        return f"{section}.{key}: it is not given; choose a file of conf/{section}/: {section}=NAME"
    if found and (key in found.parameters or found.open):
        return (
            f"{section}.{key}: the file of conf/{section}/ for {place} does not list it; add"
            f" {key}: VALUE there, and it is a knob"
        )
    allowed = [name for name in values if name != TARGET]
    return unknown(section, key, place, [*allowed, *sorted(options - set(allowed))])


def unknown(section: str, key: str, place: str, allowed: list[str]) -> str:
    """The message for a key that a part does not have, with the nearest one that it has."""
    near = difflib.get_close_matches(key, allowed, n=1, cutoff=0.6)
    hint = f"; did you mean {section}.{near[0]}?" if near else f"; it has {', '.join(allowed)}"
    return f"{section}.{short_text(key)}: {place} has no {short_text(key)}{hint}"
