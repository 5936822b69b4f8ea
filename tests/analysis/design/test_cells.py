"""The cells of a sweep as a design."""

from analysis.design.cells import same


def test_true_is_not_one_and_one_is_one_point_zero():
    assert same(1, 1.0) and same([1], [1]) and not same(1, True) and not same(False, 0)
