"""The fingerprint of the code: what bears on numbers changes it, nothing else does."""

import ast
import dataclasses
import shutil
import textwrap

import pytest
from configs import configured
from configurations import grid_of
from places import REPO

from runner.errors import ConfigError, StateError
from runner.plan import fingerprint, grid
from runner.plan.plan import check_code
from runner.plan.planned import planned_run
from runner.record import CODE_OF_VERSION_1
from runner.system import user_code
from runner.system.files import PACKAGE

pytest_plugins = ("composing", "own_folder")

DEVICES = ("cpu", "gpu")
ROOMS = ("data", "engine", "models", "train")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A copy of the package, for its rooms."""
    copy = tmp_path_factory.mktemp("original") / "runner"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture
def package(original, tmp_path):
    """A copy of the package that a test may edit."""
    return shutil.copytree(original, tmp_path / "runner")


def fingerprints(package):
    """Of the package as it is now, by device."""
    return {device: fingerprint.code_fingerprint.__wrapped__(device, package) for device in DEVICES}


def edit(file, change):
    file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")


def test_a_copy_elsewhere_has_the_fingerprint_of_the_original(package):
    assert fingerprints(package) == {
        device: fingerprint.code_fingerprint(device) for device in DEVICES
    }


# What changes nothing


def with_comment(text):
    return f"# Another word.\n{text}\n\n# And another."


def with_docstrings(text):
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            node.body.insert(0, ast.Expr(ast.Constant("What it is said to do.")))
    return ast.unparse(tree)


def reformatted(text):
    """Without comments, with other line breaks and other quotes."""
    return ast.unparse(ast.parse(text))


@pytest.mark.parametrize("change", [with_comment, with_docstrings, reformatted])
def test_comments_docstrings_and_formatting_do_not_count(change, package):
    before = fingerprints(package)
    for file in package.rglob("*.py"):
        edit(file, change)
    assert fingerprints(package) == before


@pytest.mark.parametrize(
    "place", ["display", "tracking", "plan", "work", "../analysis", "__main__.py"]
)
def test_what_bears_on_no_number_does_not_count(place, package):
    before = fingerprints(package)
    (package.parent / "analysis").mkdir()
    file = package / place if place.endswith(".py") else package / place / "another.py"
    file.write_text("x = 1\n")
    assert fingerprints(package) == before


def test_comments_and_blanks_of_the_kernels_for_a_card_do_not_count(package):
    before = fingerprints(package)
    (file,) = package.glob("engine/gpu/*.cu")
    edit(
        file,
        lambda text: (
            "// Another word.\n/* two\nlines */"
            + text.replace("    ", "  ").replace("\n", "  // !\n\n")
        ),
    )
    assert fingerprints(package) == before


def test_a_text_in_the_kernels_that_looks_like_a_comment_counts(tmp_path):
    file = tmp_path / "a.cu"
    file.write_text('f("// a", x); // b')
    assert fingerprint._canonical_cuda(file) == 'f("// a", x);'


# What changes it


def test_every_source_of_the_rooms_that_bear_on_numbers_counts():
    files = {
        file
        for room in ROOMS
        for file in (PACKAGE / room).rglob("*.*")
        if file.suffix in (".py", ".cu")
    }
    for device in DEVICES:
        counts = files | {PACKAGE / "seeding.py"}
        counts -= set((PACKAGE / "engine" / "gpu").rglob("*") if device == "cpu" else ())
        assert set(fingerprint.counted(device)) == counts


@pytest.mark.parametrize("room", [*ROOMS, "engine/cpu", "engine/gpu"])
def test_a_statement_more_in_a_room_that_bears_on_numbers_counts(room, package):
    before = fingerprints(package)
    edit(max((package / room).glob("*.py")), lambda text: text + "\nx = 1\n")
    changed = {device for device, value in fingerprints(package).items() if value != before[device]}
    assert changed == ({"gpu"} if room == "engine/gpu" else set(DEVICES))


@pytest.mark.parametrize(
    "statement",
    ["return 0.9 * v - 10 * lr * g", "return 0.9 * v - ls * g", "return 0.95 * v - lr * g"],
)
def test_an_edit_within_a_statement_counts(statement, package):
    file, step = package / "engine" / "another.py", "def step(v, g, lr, ls):\n    "
    file.write_text(step + "return 0.9 * v - lr * g\n")
    before = fingerprints(package)
    file.write_text(step + statement + "\n")
    assert all(fingerprints(package)[device] != before[device] for device in DEVICES)


def test_an_edit_of_the_random_numbers_counts(package):
    before = fingerprints(package)
    edit(package / "seeding.py", lambda text: text + "\nx = 1\n")
    assert all(fingerprints(package)[device] != before[device] for device in DEVICES)


def test_an_edit_of_the_kernels_for_a_card_counts_on_a_card_alone(package):
    before = fingerprints(package)
    (file,) = package.glob("engine/gpu/*.cu")
    edit(file, lambda text: text.replace("+", "-", 1))
    after = fingerprints(package)
    assert after["cpu"] == before["cpu"] and after["gpu"] != before["gpu"]


def test_a_moved_file_counts(package):
    before = fingerprints(package)
    (package / "train" / "epochs.py").rename(package / "train" / "rounds.py")
    assert fingerprints(package) != before


# One's own


def own_fingerprint(*targets):
    return fingerprint.own_fingerprint(targets)


MINE = """
    import numpy as np
    from runner import F, L, Model
    from layers import Block

    class LeNet(Model):
        def __init__(self, width=6):
            super().__init__()
            self.out = L.Linear(32)
"""


@pytest.fixture
def mine(own):
    own("mine.py", MINE)
    own("layers.py", "class Block: pass")
    own("other.py", "class Other: pass")
    return own


def test_a_layer_more_or_less_in_a_model_of_ones_own_counts(mine):
    before = own_fingerprint("mine.LeNet")
    mine("mine.py", MINE.replace("32", "64"))
    assert own_fingerprint("mine.LeNet") != before
    mine("mine.py", MINE)
    assert own_fingerprint("mine.LeNet") == before


def test_what_a_model_of_ones_own_imports_from_the_users_folder_counts(mine):
    before = own_fingerprint("mine.LeNet")
    mine("layers.py", "class Block: n = 3")
    assert own_fingerprint("mine.LeNet") != before
    mine("layers.py", "from deeper import Block")
    mine("deeper.py", "class Block: n = 3")
    through = own_fingerprint("mine.LeNet")
    mine("deeper.py", "class Block: n = 4")
    assert own_fingerprint("mine.LeNet") != through


def test_what_is_imported_within_a_function_counts_too(own):
    own("mine.py", "class Net:\n    def forward(self, x):\n        import late\n")
    own("late.py", "x = 1")
    before = own_fingerprint("mine.Net")
    own("late.py", "x = 2")
    assert own_fingerprint("mine.Net") != before


def test_comments_docstrings_and_other_models_of_ones_own_do_not_count(mine):
    before = own_fingerprint("mine.LeNet")
    mine("mine.py", with_comment(with_docstrings(textwrap.dedent(MINE))))
    mine("other.py", "class Other: n = 3")
    mine("another.py", "x = 1")
    assert own_fingerprint("mine.LeNet") == before


def test_the_order_of_import_paths_and_modules_that_import_each_other_do_not_matter(own):
    own("a.py", "import b\nclass A: pass")
    own("b.py", "import a\nclass B: pass")
    assert own_fingerprint("a.A") == own_fingerprint("b.B") == own_fingerprint("b.B", "a.A")


def test_relative_imports_of_a_package_of_ones_own_are_followed(own):
    files = {
        "nets/__init__.py": "",
        "nets/lenet.py": "from . import blocks\nfrom .tools.draw import normal\nclass Net: pass",
        "nets/blocks.py": "x = 1",
        "nets/tools/__init__.py": "from ..constants import y",
        "nets/tools/draw.py": "def normal(): pass",
        "nets/constants.py": "y = 1",
    }
    for name, text in (files | {"nets/unused.py": "z = 1"}).items():
        own(name, text)
    before = own_fingerprint("nets.lenet.Net")
    for name, text in files.items():
        own(name, text + "\nmore = 1")
        assert own_fingerprint("nets.lenet.Net") != before, name
        own(name, text)
    own("nets/unused.py", "z = 2")
    assert own_fingerprint("nets.lenet.Net") == before


def test_of_an_installed_package_that_is_named_its_modules_count_and_of_others_none(
    own, tmp_path, monkeypatch
):
    monkeypatch.setattr(user_code, "_LIBRARIES", (str(tmp_path / "site"),))
    monkeypatch.syspath_prepend(tmp_path / "site")
    own("../site/nets/__init__.py", "")
    own("../site/nets/res.py", "from nets.blocks import Block\nimport tools\nclass ResNet: pass")
    own("../site/nets/blocks.py", "class Block: pass")
    own("../site/tools.py", "x = 1")
    own("mine.py", "from nets.res import ResNet\nclass Net(ResNet): pass")
    named, subclass = own_fingerprint("nets.res.ResNet"), own_fingerprint("mine.Net")
    own("../site/tools.py", "x = 2")
    assert own_fingerprint("nets.res.ResNet") == named
    own("../site/nets/blocks.py", "class Block: n = 3")
    assert own_fingerprint("nets.res.ResNet") != named
    assert own_fingerprint("mine.Net") == subclass


def test_dezeros_own_classes_are_those_of_the_installed_version():
    assert own_fingerprint("dezero.optimizers.AdaGrad") == own_fingerprint(
        "dezero.optimizers.AdaDelta"
    )
    assert own_fingerprint("dezero.optimizers.AdaGrad") != own_fingerprint("numpy.random.rand")


def test_a_module_that_is_no_python_is_named_with_its_line(mine):
    mine("layers.py", "class Block: pass\n\ndef (:\n")
    with pytest.raises(ConfigError, match=r"^layers\.py, line 3: invalid syntax"):
        own_fingerprint("mine.LeNet")


def test_a_configuration_of_what_ships_has_no_code_of_ones_own_and_one_of_both_parts_has_both(mine):
    mine("rule.py", "class Lion: pass")
    assert fingerprint.own_code(configured()) == ""
    made = configured(model="mine.LeNet")
    assert fingerprint.own_code(made) == own_fingerprint("mine.LeNet")
    both = fingerprint.own_code(configured(model="mine.LeNet", optimizer="rule.Lion"))
    assert both == own_fingerprint("mine.LeNet", "rule.Lion") != fingerprint.own_code(made)
    assert fingerprint.own_code(configured(data="mine.load")) == "", "data count by their bytes"


# Names


def test_a_fingerprint_that_is_known_to_equal_another_has_its_name(monkeypatch):
    name = fingerprint.code_fingerprint("cpu")
    monkeypatch.setattr(fingerprint, "EQUAL", {})
    assert fingerprint.code_name("cpu") == name
    monkeypatch.setattr(fingerprint, "EQUAL", {name: (CODE_OF_VERSION_1, "a test")})
    assert fingerprint.code_name("cpu") == CODE_OF_VERSION_1


def test_every_equal_fingerprint_names_the_test_that_showed_it():
    for name, (first, test) in fingerprint.EQUAL.items():
        assert len(name) == 64 and (first == CODE_OF_VERSION_1 or first in fingerprint.EQUAL)
        assert (REPO / test).is_file()


@pytest.mark.parametrize("device", DEVICES)
def test_it_has_been_decided_whether_this_code_computes_what_earlier_code_did(device):
    assert fingerprint.code_fingerprint(device) in fingerprint.EQUAL, (
        "code that bears on numbers changed: where tests/plan/test_equal_code.py passes, enter what"
        " `python -m runner.plan.fingerprint` prints with the name of the code that it equals;"
        " where numbers changed on purpose, with its own name: every run is then trained anew"
    )


def test_the_command_prints_the_fingerprints(capsys):
    fingerprint.main()
    lines = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert [line[:2] for line in lines] == [
        [device, fingerprint.code_fingerprint(device)] for device in DEVICES
    ]


# The same in every version of Python

SNIPPET = '''
"""Docstring."""
from a.b import c as d
@wrap(key=1)
async def f(a, /, b: int = 1, *args, c=None, **kwargs) -> None:
    """Docstring."""
    pass
    with open(f"{a!r:>{b}}" "x" f"{c:.3f}") as file, other:
        x[1:, ::2] = -1.5e-7 if not a else ...
    match a:
        case [1, *_] | {"k": None, **rest} if rest: return u"\\u00e9\\U0001fae8"
        case Point(x=0): yield
class A(B, metaclass=C):
    x: float = 0.1
    def g(self): "only a docstring"
lambda *a, k=(1, 2j, b"\\xff", True): {**a} | {1, 2} @ [i async for i in a if i]
try: del a; raise
except (E, F) as e: global z
else: a += (y := 3) // 2
finally: assert a, "no"
'''


def test_the_words_for_a_syntax_tree_are_pinned():
    words = "".join(fingerprint._canonical(ast.parse(SNIPPET)))
    # The same in CPython 3.11, 3.12 and 3.13; other words would give every run a new key.
    assert fingerprint.hashlib.sha256(words.encode("ascii")).hexdigest() == PINNED


PINNED = "66ee88c8673138f594a9aa396784d5a56326f429564b42478dcc80cee7cc6b0f"


# A worker


@pytest.fixture
def run(hydra_is_started):
    made, _ = grid.plan(grid_of("seed=0"), lambda of: (of.data["name"], "ab" * 32), "cpu", [])
    return made.runs[0]


def test_a_run_is_trained_by_the_code_that_it_was_planned_with(run, monkeypatch):
    check_code(run)
    monkeypatch.setattr(fingerprint, "code_name", lambda device: "another")
    with pytest.raises(
        StateError, match="the code changed since this sweep was planned; type the command again$"
    ):
        check_code(run)


def test_a_run_of_a_model_of_ones_own_is_trained_by_the_model_that_it_was_planned_with(mine):
    run = planned_run(configured(model="mine.LeNet"), {}, "digits", "ab" * 32, "cpu")
    assert run.own_code == own_fingerprint("mine.LeNet")
    check_code(run)
    mine("layers.py", "class Block: n = 3")
    with pytest.raises(StateError, match="the code changed since this sweep was planned"):
        check_code(run)


def test_a_plan_that_was_edited_is_not_trained(run):
    edited = dataclasses.replace(run, config=dataclasses.replace(run.config, seed=1))
    with pytest.raises(
        StateError, match="another run key than its configuration; delete that sweep.json"
    ):
        check_code(edited)
