"""Regular fractions: the alias structures of textbooks, and columns multiplied out."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from runner.plan.cells.fractions import MOST_KNOBS, Fraction, best, smallest


def columns(fraction):
    """The cells as a matrix of -1 and 1, shape (n_cells, n_knobs)."""
    return 2 * np.array(list(fraction.cells())) - 1


def words(fraction):
    """The defining relation by brute force: every product of columns that is constant."""
    x = columns(fraction)
    knobs = range(x.shape[1])
    return [
        of
        for order in range(1, x.shape[1] + 1)
        for of in combinations(knobs, order)
        if abs(x[:, of].prod(axis=1).sum()) == len(x)
    ]


def lengths(fraction):
    return dict(Counter(len(word) for word in words(fraction)))


def test_half_of_two_to_the_five_is_defined_by_abcde():
    half = smallest(5, resolution=4)
    assert words(half) == [(0, 1, 2, 3, 4)]
    assert (half.resolution, 1 << half.n_base, half.aliases()) == (5, 16, [])


def test_seven_knobs_in_eight_cells_alias_each_with_three_pairs():
    saturated = smallest(7, resolution=3)
    # Box, Hunter and Hunter: D=AB, E=AC, F=BC, G=ABC up to the names of the knobs.
    assert lengths(saturated) == {3: 7, 4: 7, 7: 1}
    aliases = saturated.aliases()
    assert [of[0] for of in aliases] == [(knob,) for knob in range(7)]
    assert all([len(effect) for effect in of] == [1, 2, 2, 2] for of in aliases)


def test_seven_knobs_in_sixteen_cells_have_their_main_effects_clear():
    fraction = smallest(7, resolution=4)
    assert (fraction.resolution, 1 << fraction.n_base) == (4, 16)
    assert lengths(fraction) == {4: 7}
    # All 21 interactions of two, in seven sets of three.
    assert [len(of) for of in fraction.aliases()] == [3] * 7
    assert len({effect for of in fraction.aliases() for effect in of}) == 21


def test_ten_knobs_fit_into_32_cells_of_1024():
    fraction = smallest(10, resolution=4)
    assert (len(list(fraction.cells())), fraction.resolution) == (32, 4)
    # The least aberration (Wu and Hamada): pydoe's has 16 words of four.
    assert lengths(fraction) == {4: 10, 5: 16, 8: 5}


@pytest.mark.parametrize(
    ("n_knobs", "n_base", "shortest"),
    [
        (6, 4, {4: 3}),
        (7, 5, {4: 1, 5: 2}),
        (8, 4, {4: 14, 8: 1}),
        (8, 5, {4: 3, 5: 4}),
        (8, 6, {5: 2, 6: 1}),
        (9, 5, {4: 6, 5: 8, 8: 1}),
        (11, 5, {4: 25, 6: 27, 8: 10, 10: 1}),
        (11, 6, {4: 4, 5: 14, 6: 8}),
    ],
)
def test_words_are_those_of_the_published_tables(n_knobs, n_base, shortest):
    found = Counter(best(n_knobs, n_base, 3).words)
    assert {length: found[length] for length in shortest} == shortest


@pytest.mark.parametrize(("n_knobs", "n_base"), [(5, 3), (6, 3), (6, 4), (7, 4), (7, 5)])
def test_no_other_choice_has_less_aberration(n_knobs, n_base):
    def counts(fraction):
        found = Counter(fraction.words)
        return [found[length] for length in range(n_knobs + 1)]

    masks = [mask for mask in range(1 << n_base) if mask.bit_count() > 1]
    every = [Fraction(n_base, of) for of in combinations(masks, n_knobs - n_base)]
    assert counts(best(n_knobs, n_base, 3)) == min(map(counts, every))


@pytest.mark.parametrize("resolution", [3, 4, 5])
@pytest.mark.parametrize("n_knobs", range(4, 10))
def test_each_fraction_is_balanced_and_aliases_what_it_says(n_knobs, resolution):
    fraction = smallest(n_knobs, resolution)
    if fraction is None:
        assert (n_knobs, resolution) == (4, 5)
        return
    x = columns(fraction)
    assert fraction.words == sorted(map(len, words(fraction)))
    assert fraction.resolution >= resolution
    assert np.array_equal(x.T @ x, len(x) * np.eye(n_knobs))
    assert not list(fraction.cells())[0].count(1)
    effects = [of for order in (1, 2) for of in combinations(range(n_knobs), order)]
    products = {of: x[:, of].prod(axis=1) for of in effects}
    told = {pair for of in fraction.aliases() for pair in combinations(sorted(of), 2)}
    for one, other in combinations(sorted(effects), 2):
        is_alias = abs(products[one] @ products[other]) == len(x)
        assert is_alias == ((one, other) in told)


def test_a_resolution_that_needs_the_whole_grid_has_no_fraction():
    assert smallest(3, resolution=4) is None
    assert best(9, 4, resolution=4) is None


def test_as_many_knobs_as_are_allowed_are_searched_to_an_end():
    assert len(smallest(MOST_KNOBS, resolution=4).columns) == MOST_KNOBS
