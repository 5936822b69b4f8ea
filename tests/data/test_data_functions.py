"""Functions of one's own: found by import path, and told with file and line when they fail."""

import pytest

from runner.data import functions
from runner.data.functions import call, find, name_of
from runner.errors import ConfigError, DataError


def test_a_function_is_named_with_its_file_and_line(own_module):
    own_module("\n\ndef load(path):\n    return path\n")
    function = find("data._target_", "mine.load")
    assert function("x") == "x" and name_of(function) == "mine.load (mine.py:3)"


@pytest.mark.parametrize(
    "target, text",
    [
        ("mine.lod", "data.augment=mine.lod: the module mine has no lod"),
        ("mine.N", "data.augment=mine.N: of type int; allowed is a function"),
        ("load", "data.augment=load: allowed is MODULE.NAME"),
        ("yours.load", "data.augment=yours.load: ModuleNotFoundError: No module named 'yours'"),
        (
            "lacks.load",
            "data.augment=lacks.load: ModuleNotFoundError: No module named 'no_such_package'"
            " (lacks.py:2)",
        ),
        ("broken.load", "data.augment=broken.load: SyntaxError: invalid syntax"),
        ("leaves.load", "data.augment=leaves.load: SystemExit: 3 (leaves.py:2)"),
    ],
)
def test_what_cannot_be_found_is_refused_in_a_line(own_module, target, text):
    own_module("N = 3\n")
    own_module("import sys\nimport no_such_package\n", "lacks")
    own_module("def load(:\n", "broken")
    own_module("import sys\nsys.exit(3)\n", "leaves")
    with pytest.raises(ConfigError) as caught:
        find("data.augment", target)
    assert str(caught.value).startswith(text)
    if target == "broken.load":
        assert str(caught.value).endswith("(broken.py:1)")
    else:
        assert str(caught.value) == text


def test_an_exception_is_one_line_with_the_line_of_the_users_code_that_led_to_it(own_module):
    own_module(
        """\
        import numpy as np
        import helper

        def load(n):
            return helper.half(n)
        """
    )
    own_module(
        "import numpy as np\n\ndef half(n):\n    return np.zeros(n).reshape(2, -1)\n", "helper"
    )
    with pytest.raises(DataError) as caught:
        call(find("data._target_", "mine.load"), {"n": 3})
    said = "ValueError: cannot reshape array of size 3 into shape (2,newaxis)"
    assert str(caught.value) == f"mine.load (mine.py:4) raised {said} (helper.py:4)"


@pytest.mark.parametrize(
    "arguments, text",
    [({}, "missing a required argument: 'n'"), ({"n": 1, "m": 2}, "got an unexpected keyword")],
)
def test_other_arguments_than_it_takes_are_told(own_module, arguments, text):
    own_module("def load(n):\n    return n\n")
    with pytest.raises(DataError, match=rf"^mine.load \(mine.py:1\): {text}"):
        call(find("data._target_", "mine.load"), arguments)


def test_warnings_for_users_come_back_and_those_of_libraries_do_not(own_module):
    own_module(
        """\
        import warnings

        def load():
            warnings.warn("half of the faces are missing")
            warnings.warn("old", DeprecationWarning)
            return 1
        """
    )
    assert call(find("data._target_", "mine.load"), {}) == (1, ["half of the faces are missing"])


def test_a_function_without_a_source_is_named_all_the_same():
    assert functions.name_of(len) == "builtins.len"
    with pytest.raises(DataError, match="^builtins.len raised ValueError: no "):
        with functions.in_one_line(len):
            raise ValueError("no")
