"""Python that takes warnings for errors, and Python without docstrings and asserts."""

import pytest
from commands import environment, run

pytest_plugins = "roots"
pytestmark = pytest.mark.long

TINY = ("data=digits", "model.channels=2", "model.hidden_size=16", "train.epochs=1")


@pytest.mark.parametrize("how", [("-m", "seed=0,1"), ("seed=0",)], ids=str)
def test_warnings_that_are_errors_change_nothing(how, root, tmp_path):
    # Without compiled copies: the compiler warns where it compiles.
    strict = {"PYTHONWARNINGS": "error", "PYTHONPYCACHEPREFIX": str(tmp_path / "compiled")}
    ended = run(root, *how, *TINY, env=environment(**strict))
    assert "runs trained and stored" in ended.out and not ended.err


@pytest.mark.parametrize("how", [("-m", "seed=0,1"), ("seed=0",)], ids=str)
def test_code_without_docstrings_and_asserts_trains_all_the_same(how, root, tmp_path):
    bare = {"PYTHONOPTIMIZE": "2", "PYTHONPYCACHEPREFIX": str(tmp_path / "compiled")}
    ended = run(root, *how, *TINY, env=environment(**bare))
    assert "runs trained and stored" in ended.out and not ended.err
