"""The source files of modules, and what those import, read without importing anything."""

import ast
import importlib.util
import os
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from runner.system.files import PACKAGE


def make_folder_importable() -> None:
    """Have modules of the working directory found, however this program was started."""
    here = os.getcwd()
    if not {"", here} & set(sys.path):
        sys.path.insert(0, here)


def hidden_by_folder(package: str) -> Path | None:
    """What Python would take for a package of this program in the working directory.

    None where it would take the program's own.
    """
    spec = PathFinder.find_spec(package, [os.getcwd()])
    # A folder without __init__.py has no origin, and the program's package goes before it.
    found = Path(spec.origin).resolve() if spec and spec.origin else None
    return found if found and found.parent != PACKAGE.parent / package else None


def find(module: str) -> Path | None:
    """The source file of a module by its full name; None where it has none."""
    first, *rest = module.split(".")
    spec = _top_level(first)
    for part in rest:
        places = spec.submodule_search_locations if spec else None
        spec = PathFinder.find_spec(part, list(places)) if places else None
    origin = spec.origin if spec else None
    return Path(origin).resolve() if origin and origin.endswith(".py") else None


def _top_level(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name) if name.isidentifier() else None
    except (ImportError, ValueError):  # a module without a spec, such as __main__
        return None


def statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements of a module in their order, those within `if` and `try` included."""
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop(0)
        yield node
        blocks: list[list[ast.stmt]] = []
        if isinstance(node, ast.If | ast.Try):
            blocks = [node.body, node.orelse]
        if isinstance(node, ast.Try):
            blocks += [*(handler.body for handler in node.handlers), node.finalbody]
        waiting = [inner for block in blocks for inner in block] + waiting


def origin(module: str, file: Path, node: ast.ImportFrom) -> str:
    """The full name of the module that a statement `from ... import` of another one names."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    is_package = file.name == "__init__.py"
    kept = parts[: len(parts) - node.level + is_package]
    return ".".join([*kept, *([node.module] if node.module else [])])


def imported(module: str, file: Path, tree: ast.Module) -> Iterator[str]:
    """The full names of all modules that a module may import, anywhere in it.

    `from a import b` gives `a.b`, too, which need not be a module.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            place = origin(module, file, node)
            yield place
            yield from (f"{place}.{alias.name}" for alias in node.names if alias.name != "*")
