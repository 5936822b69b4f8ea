"""What a class or function takes, read from its source; Python's own `inspect` agrees."""

import importlib
import inspect

import pytest

from runner.config.knobs import signature
from runner.config.knobs.signature import NotFoundInSource, Parameter, signature_of

pytest_plugins = "own_folder"


def parameters(text, own, name="Net", **files):
    """Name -> whether it is required, of `mine.Net` in such a source; None where it is unknown."""
    own("mine.py", text)
    for module, source in files.items():
        own(f"{module}.py", source)
    found = signature_of(f"mine.{name}")
    return found and {name: known.required for name, known in found.parameters.items()}


# Classes and functions


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("class Net: pass", {}),
        ("class Net:\n    def __init__(self): pass", {}),
        (
            "class Net:\n    def __init__(self, width, tanh=True): pass",
            {"width": True, "tanh": False},
        ),
        ("class Net:\n    def __init__(self, *, width, n=1): pass", {"width": True, "n": False}),
        ("class Net:\n    def __init__(self, a, /, b, c=1): pass", {"b": True, "c": False}),
        ("class Net:\n    def __init__(this, width=1): pass", {"width": False}),
        ("def Net(width, n=1): pass", {"width": True, "n": False}),
        ("def Net(self, n=1): pass", {"self": True, "n": False}),
        ("class Net:\n    def forward(self, x): pass", {}),
        ("if True:\n    class Net:\n        def __init__(self, n): pass", {"n": True}),
        ("try:\n    import no_such\nexcept ImportError:\n    def Net(n): pass", {"n": True}),
        ("def Net(n): pass\ndef Net(width): pass", {"width": True}),
    ],
)
def test_a_definition_has_the_parameters_that_may_be_given_by_name(text, expected, own):
    assert parameters(text, own) == expected
    by_name = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    python = inspect.signature(importlib.import_module("mine").Net).parameters.values()
    python = {p.name: p.default is p.empty for p in python if p.kind in by_name}
    assert python == expected


@pytest.mark.parametrize(
    ("last", "is_open"), [("**kwargs", True), ("*args", False), ("*args, b=1, **more", True)]
)
def test_keywords_that_are_not_named_leave_the_signature_open(last, is_open, own):
    own("mine.py", f"def load(path, {last}): pass")
    found = signature_of("mine.load")
    assert found.open is is_open and "path" in found.parameters
    assert not {"args", "kwargs", "more"} & set(found.parameters)


@pytest.mark.parametrize(
    "text",
    [
        "import dataclasses\n@dataclasses.dataclass\nclass Net:\n    n: int = 1",
        "import functools\n@functools.cache\ndef Net(n): pass",
        "class Net:\n    @staticmethod\n    def __init__(self, n): pass",
        "class Net(metaclass=type):\n    pass",
        "import functools\nNet = functools.partial(print, 1)",
        "Net: type = print",
        "from math import *",
        "class Net([int][0]): pass",
    ],
)
def test_what_the_source_does_not_tell_is_unknown_and_not_refused(text, own):
    assert parameters(text, own) is None


# Bases

BASE = "class Base:\n    def __init__(self, width, n=1): pass\n"


@pytest.mark.parametrize(
    ("text", "files"),
    [
        (BASE + "class Net(Base): pass", {}),
        (BASE + "class Middle(Base): pass\nclass Net(Middle): pass", {}),
        ("from others import Base\nclass Net(Base): pass", {"others": BASE}),
        ("from others import Base as B\nclass Net(B): pass", {"others": BASE}),
        ("import others\nclass Net(others.Base): pass", {"others": BASE}),
        ("import others as o\nclass Net(o.Base): pass", {"others": BASE}),
        ("import nets.others\nclass Net(nets.others.Base): pass", {"nets/others": BASE}),
        ("from nets import others\nclass Net(others.Base): pass", {"nets/others": BASE}),
        (
            "from others import Base\nclass Net(Base): pass",
            {"others": "from deeper import Base", "deeper": BASE},
        ),
        (BASE + "class Mixin: pass\nclass Net(Base, Mixin): pass", {}),
        ("from others import Base as Net", {"others": BASE}),
    ],
)
def test_a_class_without_init_has_the_parameters_of_its_base(text, files, own):
    if any(name.startswith("nets/") for name in files):
        own("nets/__init__.py", "")
    assert parameters(text, own, **files) == {"width": True, "n": False}


def test_a_relative_import_of_a_package_is_followed(own):
    own("nets/__init__.py", "from .lenet import Net")
    own("nets/lenet.py", "from .others import Base\nclass Net(Base): pass")
    own("nets/others.py", BASE)
    for target in ("nets.Net", "nets.lenet.Net"):
        assert set(signature_of(target).parameters) == {"width", "n"}


def test_a_model_of_dezero_takes_nothing_whatever_it_is_imported_from(own):
    for line in (
        "from runner import Model",
        "from dezero import Model",
        "import dezero\nModel = None\nclass Model(dezero.Model): pass",
    ):
        assert parameters(f"{line}\nclass Net(Model): pass", own) == {}


def test_a_base_that_cannot_be_found_leaves_the_class_unknown(own):
    assert parameters("from no_such import Base\nclass Net(Base): pass", own) is None
    assert parameters("class Net(Undefined): pass", own) is None


def test_classes_that_are_each_others_base_end(own):
    assert parameters("from others import Net", own, others="from mine import Net") is None
    assert parameters("class Net(Net): pass", own) is None


def test_an_optimizer_of_dezero_has_the_signature_that_python_sees():
    from dezero import optimizers

    for name in ("SGD", "MomentumSGD", "AdaGrad", "AdaDelta", "Adam"):
        found = signature_of(f"dezero.optimizers.{name}")
        python = inspect.signature(getattr(optimizers, name)).parameters
        assert list(found.parameters) == list(python)
        assert all(known.required is False for known in found.parameters.values())


# What is not there


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nowhere.Net", "^there is no module nowhere$"),
        ("mine.deeper.Net", r"^there is no module mine\.deeper$"),
        ("Net", "^there is no module Net$"),
        ("mine.Other", r"^mine\.py has no Other$"),
        ("mine.net", r"^mine\.py has no net$"),
        ("broken.Net", r"^broken\.py, line 2: "),
        ("..Net", "^there is no module"),
        ("a b.Net", "^there is no module"),
    ],
)
def test_what_is_not_there_is_named(target, message, own):
    own("mine.py", "class Net: pass")
    own("broken.py", "class Net: pass\nclass (:\n")
    with pytest.raises(NotFoundInSource, match=message):
        signature_of(target)


def test_nothing_is_imported(own):
    own("mine.py", "raise SystemExit\nclass Net:\n    def __init__(self, n): pass")
    assert set(signature_of("mine.Net").parameters) == {"n"}


# What people read


def test_the_place_is_that_of_the_class_and_not_of_its_base(own):
    own("others.py", BASE)
    own("mine.py", "from others import Base\n\n\nclass Net(Base):\n    pass\n")
    assert signature_of("mine.Net").place == "mine.Net (mine.py, line 4)"


DOCUMENTED = '''
class Net:
    """A network.

    Parameters
    ----------
    width : int
        Channels of the first
        convolution.
    a, b
        Numbers.
    silent

    Attributes
    ----------
    c
        No parameter.
    """

    def __init__(self, width: int, a: float = 1.0, b: "float | None" = None, silent=1, c=2):
        pass
'''


def test_annotations_and_comments_of_a_numpydoc_docstring_come_with_the_parameters(own):
    own("mine.py", DOCUMENTED)
    assert signature_of("mine.Net").parameters == {
        "width": Parameter(True, "int", "Channels of the first convolution."),
        "a": Parameter(False, "float", "Numbers."),
        "b": Parameter(False, "'float | None'", "Numbers."),
        "silent": Parameter(False),
        "c": Parameter(False),
    }


SECTION = "Parameters\n    ----------\n    path\n        Of a file.\n"


def test_the_docstring_of_init_goes_before_that_of_the_class(own):
    init = f'''class Net:
    """{SECTION}"""

    def __init__(self, path, silent):
        """{SECTION.replace("    ", "        ").replace("a file", "init")}"""
'''
    own("mine.py", init)
    comments = {n: known.comment for n, known in signature_of("mine.Net").parameters.items()}
    assert comments == {"path": "Of init.", "silent": ""}


def test_a_function_that_is_told_by_its_own_docstring(own):
    own("mine.py", f'def load(path):\n    """Faces.\n\n    {SECTION}    """')
    assert signature_of("mine.load").parameters["path"].comment == "Of a file."


def test_a_signature_is_read_once(own, monkeypatch):
    own("mine.py", "class Net: pass")
    first = signature_of("mine.Net")
    monkeypatch.setattr(signature, "_found", None)
    assert signature_of("mine.Net") is first
