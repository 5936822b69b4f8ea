"""Source files of modules and what they import, found without importing anything."""

import ast
import importlib.util
import os
import sys
from pathlib import Path

import pytest
from places import REPO

from runner.system import sources

pytest_plugins = "own_folder"


@pytest.mark.parametrize("name", ["dezero", "dezero.optimizers", "runner.models.cnn", "json"])
def test_a_module_is_where_python_finds_it(name):
    assert str(sources.find(name)) == os.path.realpath(importlib.util.find_spec(name).origin)


def test_modules_of_a_folder_are_found_and_none_is_imported(own):
    file = own("mine.py", "raise SystemExit")
    package, inner = own("nets/__init__.py", "raise SystemExit"), own("nets/a.py", "")
    deep = own("spaces/without/init.py", "")
    assert sources.find("mine") == file and "mine" not in sys.modules
    assert (sources.find("nets"), sources.find("nets.a")) == (package, inner)
    assert sources.find("spaces.without.init") == deep
    assert "nets" not in sys.modules


@pytest.mark.parametrize(
    "name", ["nowhere", "mine.deeper", "nets.b", "sys", "math", "", "a-b", "../mine"]
)
def test_a_module_without_a_source_is_none(name, own):
    own("mine.py", "")
    own("nets/__init__.py", "")
    assert sources.find(name) is None


@pytest.mark.parametrize("path", [["/elsewhere"], [""], None])
def test_the_working_directory_becomes_importable_once(path, own, monkeypatch):
    here = os.getcwd()
    path = [here] if path is None else path
    monkeypatch.setattr(sys, "path", [*path])
    sources.make_folder_importable()
    sources.make_folder_importable()
    expected = [here, *path] if path == ["/elsewhere"] else path
    assert sys.path == expected


@pytest.mark.parametrize("file", ["analysis.py", "analysis/__init__.py"])
def test_what_stands_in_for_a_package_of_the_program_is_found(file, own):
    own(file, "")
    assert sources.hidden_by_folder("analysis") == Path(file).resolve()
    assert sources.hidden_by_folder("runner") is None


def test_neither_a_folder_of_notebooks_nor_the_program_itself_stands_in_for_it(own, monkeypatch):
    own("analysis/notebook.ipynb", "")
    assert sources.hidden_by_folder("analysis") is None
    monkeypatch.chdir(REPO)
    assert sources.hidden_by_folder("analysis") is None
    assert sources.hidden_by_folder("runner") is None


def test_statements_come_in_their_order_with_those_within_if_and_try():
    text = "a\nif b:\n  c\nelif d:\n  e\nelse:\n  f\ntry:\n  g\nexcept E:\n  h\n"
    text += "else:\n  i\nfinally:\n  j\nk"
    found = [
        node.value.id for node in sources.statements(ast.parse(text)) if isinstance(node, ast.Expr)
    ]
    assert sorted(found) == list("acefghijk") and found[0] == "a" and found[-1] == "k"


@pytest.mark.parametrize(
    ("statement", "file", "expected"),
    [
        ("from x.y import z", "m.py", "x.y"),
        ("from . import z", "m.py", "p.q"),
        ("from .x import z", "m.py", "p.q.x"),
        ("from .. import z", "m.py", "p"),
        ("from ..x import z", "m.py", "p.x"),
        ("from . import z", "__init__.py", "p.q.m"),
        ("from .x import z", "__init__.py", "p.q.m.x"),
        ("from ..x import z", "__init__.py", "p.q.x"),
    ],
)
def test_the_module_of_an_import_is_the_one_that_python_resolves(
    statement, file, expected, tmp_path
):
    (node,) = ast.parse(statement).body
    found = sources.origin("p.q.m", tmp_path / file, node)
    assert found == expected
    package = "p.q.m" if file == "__init__.py" else "p.q"
    name = "." * node.level + (node.module or "")
    assert found == (importlib.util.resolve_name(name, package) if node.level else name)


def test_every_import_counts_wherever_it_stands(tmp_path):
    text = (
        "import a.b, c as d\nfrom e import f, g\nfrom h import *\n"
        "def i():\n  from . import j\n  if k:\n    import l\n"
    )
    found = set(sources.imported("p.m", tmp_path / "m.py", ast.parse(text)))
    assert found == {"a.b", "c", "e", "e.f", "e.g", "h", "p", "p.j", "l"}
