"""Cells composed by Hydra: once for each choice of files, with plain values set on the result.

Hydra reads and merges every file anew for each cell. Cells that differ in plain values alone are
made from one composition, on which those values are set as Hydra sets them. Any other override (an
option of a group, a list, a dictionary, an interpolation, `+`, `~`) has compositions of its own.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from runner.config import overrides
from runner.config.checks import check, check_knobs, checked, typed
from runner.config.schema import GROUPS, Config, leaves
from runner.errors import ConfigError
from runner.plan.cells.designs import Spelled

#: How many cells of a sweep are composed by Hydra as well, to compare them.
N_COMPARED = 4
#: An interpolation that the rest of the configuration has no part in.
_OF_ENVIRONMENT = re.compile(r"\$\{oc\.env:[^${}]*\}")
_PLAIN = (bool, int, float, str, type(None))

#: Goes through a list, and may tell how far it is.
Watched = Callable[[Sequence[Any]], Iterable[Any]]


@dataclass(frozen=True)
class Composed:
    """A cell as its overrides make it."""

    #: Value of each swept knob; of a group (`preset`) the option's name.
    knobs: dict[str, Any]
    #: Checked.
    config: Config
    #: The option of each group that Hydra chose.
    choices: Mapping[str, str | None]
    #: Whether plain values were set on the composition of another cell.
    is_shared: bool


@dataclass(frozen=True)
class _Base:
    """A composition on which plain values can be set."""

    by_hydra: DictConfig
    choices: Mapping[str, str | None]
    #: What it says, not checked.
    config: Config
    #: By spelling, each value as it comes out where Hydra sets it.
    values: dict[str, Any] = field(default_factory=dict)

    def with_values(self, plain: Mapping[str, Override]) -> Config | None:
        """The configuration with these values; None where Hydra refuses one of them."""
        config = self.config
        try:
            for key, override in plain.items():
                word = str(override.input_line)
                if word not in self.values:
                    OmegaConf.update(self.by_hydra, key, override.value(), merge=True)
                    self.values[word] = OmegaConf.select(self.by_hydra, key)
                config = _with(config, key, self.values[word])
        except OmegaConfBaseException:
            return None
        return config

    def takes(self, plain: Iterable[str]) -> bool:
        """Whether these keys are knobs, and nothing else in the composition depends on them."""
        knobs = dict(leaves(self.config))
        values: Any = OmegaConf.to_container(self.by_hydra)
        texts = _texts([of for section, of in values.items() if section != "hydra"])
        return all(key in knobs and key not in self.choices for key in plain) and all(
            _OF_ENVIRONMENT.fullmatch(text) for text in texts if "${" in text
        )

    def level(self, key: str, spelled: str | None, values: Mapping[str, Any]) -> Any:
        """The value of a swept knob in a cell; for a group (`preset`), the option's name."""
        if key in values:
            return values[key]
        if spelled is None:  # another cell of the sweep's file gives it
            return self.choices.get(key)
        value = OmegaConf.select(self.by_hydra, key) if "." in key else None
        if value is None:
            return spelled.partition("=")[2]
        return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value


class Composer:
    """Composes the cells of one sweep.

    Parameters
    ----------
    seed
        Of all cells.
    swept
        The keys whose values tell the cells apart.

    Attributes
    ----------
    n_by_hydra
        How many compositions Hydra made.
    """

    def __init__(
        self, loader: ConfigLoader, primary: DictConfig, seed: int, swept: Iterable[str]
    ) -> None:
        self.n_by_hydra = 0
        self._loader, self._primary, self._seed, self._swept = loader, primary, seed, [*swept]
        #: By choice; None where each of its cells goes through Hydra.
        self._bases: dict[tuple[str, ...], _Base | None] = {}
        self._shares = True
        self._parsed: dict[str, Override] = {}

    def cells(self, spelled: Sequence[Spelled], watched: Watched = iter) -> list[Composed]:
        """Each cell that is spelled, in their order.

        Where a sample of them differs from what Hydra composes, all are composed by Hydra.

        Raises
        ------
        ConfigError
            For the first cell that Hydra or the check refuses.
        """
        made = [self.cell(of) for of in watched(spelled)]
        shared = [place for place, of in enumerate(made) if of.is_shared]
        step = max(1, len(shared) // N_COMPARED)
        for place in shared[::-step][:N_COMPARED]:
            if repr(made[place].config) != repr(checked(self._by_hydra(spelled[place]))):
                self._shares = False
                return [self.cell(of) for of in watched(spelled)]
        return made

    def cell(self, spelled: Spelled) -> Composed:
        """One cell, from the composition of its choice where there is one.

        Raises
        ------
        ConfigError
        """
        plain = self._plain(spelled) if self._shares else {}
        # Cells that give values to other keys are of another choice.
        choice = tuple(key if key in plain else word for key, word in spelled.items())
        base = self._bases.get(choice)
        if base and (config := base.with_values(plain)):
            return self._composed(spelled, base, check_knobs(config), is_shared=True)
        by_hydra = self._by_hydra(spelled)
        choices: Any = OmegaConf.to_container(by_hydra.hydra.runtime.choices)
        base = _Base(by_hydra, choices, typed(by_hydra))
        if plain and choice not in self._bases:
            self._bases[choice] = base if base.takes(plain) else None
        return self._composed(spelled, base, check(base.config), is_shared=False)

    def _composed(self, spelled: Spelled, base: _Base, config: Config, is_shared: bool) -> Composed:
        values = dict(leaves(config))
        knobs = {key: base.level(key, spelled.get(key), values) for key in self._swept}
        return Composed(knobs, config, base.choices, is_shared)

    def _plain(self, spelled: Spelled) -> dict[str, Override]:
        """The overrides of a cell that give a plain value to a key, by key."""
        given = {key: self._parse(word) for key, word in spelled.items()}
        others = [override for override in given.values() if not _is_plain(override)]
        # Of two overrides that reach one key, the later counts.
        return {
            key: override
            for key, override in given.items()
            if _is_plain(override) and not any(_reaches(other, key) for other in others)
        }

    def _parse(self, word: str) -> Override:
        if word not in self._parsed:
            (self._parsed[word],) = overrides.parse([word])
        return self._parsed[word]

    def _by_hydra(self, spelled: Spelled) -> DictConfig:
        self.n_by_hydra += 1
        try:
            words = [*spelled.values(), f"seed={self._seed}"]
            return self._loader.load_sweep_config(self._primary, words)
        except HydraException as error:
            raise ConfigError(overrides.one_line(error)) from error


def _is_plain(override: Override) -> bool:
    value = override.value()
    is_change = override.type is OverrideType.CHANGE and override.package is None
    is_special = isinstance(value, str) and ("${" in value or value == "???")
    is_of_group = override.key_or_group in GROUPS
    return is_change and type(value) in _PLAIN and not is_special and not is_of_group


def _reaches(override: Override, key: str) -> bool:
    """Whether an override that is not plain may set a key, too; an option of a group does not."""
    of, value = override.key_or_group, override.value()
    is_option = of in GROUPS and not isinstance(value, dict)
    return not is_option and (f"{key}.".startswith(f"{of}.") or of.startswith(f"{key}."))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for of in value.values() if isinstance(value, dict) else value:
            yield from _texts(of)


def _with(whole: Any, key: str, value: Any) -> Any:
    """A section with another value at a dotted key."""
    first, _, rest = key.partition(".")
    is_dict = isinstance(whole, dict)
    if rest:
        value = _with(whole[first] if is_dict else getattr(whole, first), rest, value)
    return whole | {first: value} if is_dict else replace(whole, **{first: value})
