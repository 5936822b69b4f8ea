"""Cells that agree in all factors but one, against a look at every pair."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from analysis.design import matching
from analysis.design.cells import NO_EFFECT, Cells, distinct, same
from analysis.design.matching import partners

LEVELS = [1, 1.0, True, None, "a", [1], [1.0], [[1], [2]], {"b": 1}, NO_EFFECT]


def cells_of(rows):
    names = [str(n) for n in range(len(rows))]
    values = pd.DataFrame(rows, index=names, dtype=object)
    return Cells(values, dict(zip(names, names, strict=True)), {}, {})


def agree(cells, knob, a, b):
    pairs = [(cells.rows[a][name], cells.rows[b][name]) for name in cells.moving if name != knob]
    return all(NO_EFFECT in (x, y) or same(x, y) for x, y in pairs)


@pytest.mark.parametrize("seed", range(5))
def test_partners_are_those_that_a_look_at_every_pair_finds(seed):
    random = np.random.default_rng(seed)
    rows = [
        {name: LEVELS[random.integers(len(LEVELS))] for name in ("knob", "x", "y")}
        for _ in range(60)
    ]
    cells, among = cells_of(rows), [str(n) for n in random.permutation(60)[:40]]
    found = partners(cells, "knob", list(cells.rows)[:30], among)
    for cell, others in found.items():
        assert others == [other for other in among if agree(cells, "knob", cell, other)]
    assert 30 < sum(map(len, found.values())) < 600


def test_the_work_grows_with_the_cells_and_not_with_their_pairs(monkeypatch):
    looked_at = []
    monkeypatch.setattr(matching, "level_key", lambda value: looked_at.append(value) or value)
    rows = [{"knob": knob, "x": x, "y": y} for knob, x, y in product((1, 2), range(20), range(20))]
    cells = cells_of(rows)
    names = list(cells.rows)
    found = partners(cells, "knob", names[:400], names[400:])
    assert found == {name: [str(int(name) + 400)] for name in names[:400]}
    assert len(looked_at) == 2 * len(rows)


def test_a_level_is_itself_however_it_is_written_and_true_is_not_1():
    # [1] and [1.0] are one level, and so are 1 and 1.0.
    assert distinct([1, True, 1.0, [1], [True], "1", None]) == [1, True, [1], "1", None]
