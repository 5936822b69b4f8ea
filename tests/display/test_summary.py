"""What a plan says of models of one's own that are not computed in the quickest way."""

from types import SimpleNamespace

import pytest

from runner.display import summary
from runner.train.check.own_code import Checked

PRINTS = Checked(9, 9, not_captured="a call of print (mine.py:14)")
CASES = {
    "nothing to tell": ([Checked(9, 9)], []),
    "a reason is told once": ([PRINTS, PRINTS], [f"steps are not captured: {PRINTS.not_captured}"]),
    "a function without a kernel is reason enough": (
        [Checked(9, 9, ["Sin"], "DeZero computes a part of it", fallback_shares={"Sin": 0.25})],
        ["computed without kernels of ours: Sin (25% of a step)"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_sweep_says_what_of_a_model_is_not_computed_in_the_quickest_way(case, capsys):
    checked, lines = CASES[case]
    summary._tell_fallbacks(SimpleNamespace(checked=dict(enumerate(checked))))
    assert capsys.readouterr().out.splitlines() == [f"  {line}" for line in lines]
