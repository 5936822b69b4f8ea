"""Which cells agree in every factor but one, found without looking at every pair of them."""

from collections import defaultdict
from collections.abc import Hashable, Sequence

from analysis.design.cells import NO_EFFECT, Cells, level_key

#: The factors that have an effect in a cell, and their levels there.
_Setting = dict[str, Hashable]


def partners(
    cells: Cells, knob: str, of: Sequence[str], among: Sequence[str]
) -> dict[str, list[str]]:
    """For each cell of some, those among others that agree with it in every factor but a knob.

    A factor that has no effect in a cell agrees with any level. Cells are in the order given.
    """
    others = [factor for factor in cells.moving if factor != knob]
    places = {cell: n for n, cell in enumerate(among)}
    # Cells in which the same factors have an effect are looked up by their levels.
    kinds: dict[tuple[str, ...], dict[str, _Setting]] = defaultdict(dict)
    for cell in among:
        setting = _setting(cells, cell, others)
        kinds[tuple(setting)][cell] = setting
    indices: dict[tuple[tuple[str, ...], tuple[str, ...]], dict[Hashable, list[str]]] = {}
    found: dict[str, list[str]] = {}
    for cell in of:
        setting, agreeing = _setting(cells, cell, others), []
        for kind, settings in kinds.items():
            shared = tuple(factor for factor in kind if factor in setting)
            if (kind, shared) not in indices:
                index: dict[Hashable, list[str]] = defaultdict(list)
                for other, levels in settings.items():
                    index[tuple(levels[factor] for factor in shared)].append(other)
                indices[kind, shared] = index
            agreeing += indices[kind, shared].get(tuple(setting[factor] for factor in shared), [])
        found[cell] = sorted(agreeing, key=places.__getitem__)
    return found


def _setting(cells: Cells, cell: str, factors: Sequence[str]) -> _Setting:
    row = cells.rows[cell]
    return {name: level_key(row[name]) for name in factors if row[name] is not NO_EFFECT}
