"""What a class or function takes that a file of conf/ names in `_target_`, read from its source.

Nothing is imported: a command is checked at once, and no code of a user's runs in the parent.
"""

import ast
import functools
import re
from dataclasses import dataclass, replace
from pathlib import Path

from runner.system import sources

#: Base classes and imports that are followed from a definition.
_DEEPEST = 16
_HEADINGS = re.compile(r"^(Parameters|Attributes|Returns|Raises|Yields|Notes|Examples)$")


@dataclass(frozen=True)
class Parameter:
    """A parameter that may be given by name."""

    required: bool
    #: As it is written, such as `int` or `float | None`; empty where there is none.
    annotation: str = ""
    #: From a numpydoc section "Parameters", on one line.
    comment: str = ""


@dataclass(frozen=True)
class Signature:
    """A class or function as its source defines it."""

    #: Its import path.
    target: str
    file: Path
    line: int
    parameters: dict[str, Parameter]
    #: Whether it takes any other name, too (`**kwargs`).
    open: bool = False

    @property
    def place(self) -> str:
        """`mine.LeNet (mine.py, line 8)`."""
        return f"{self.target} ({self.file.name}, line {self.line})"


class NotFoundInSource(Exception):
    """There is no such module, or no such name in it; its text says which."""


@functools.cache
def signature_of(target: str) -> Signature | None:
    """The signature of an import path; None where the source does not tell it.

    Raises
    ------
    NotFoundInSource
        When there is no such module, or no such name in it.
    """
    module, _, name = target.rpartition(".")
    file = sources.find(module) if module else None
    if file is None:
        raise NotFoundInSource(f"there is no module {module or target}")
    return _found(_Place(target, module, file), name, 0)


@dataclass(frozen=True)
class _Place:
    """Where a definition is looked for."""

    target: str
    module: str
    file: Path


def _found(place: _Place, name: str, depth: int) -> Signature | None:
    try:
        tree = ast.parse(place.file.read_bytes(), str(place.file))
    except SyntaxError as error:
        raise NotFoundInSource(f"{place.file.name}, line {error.lineno}: {error.msg}") from None
    for node in reversed(list(sources.statements(tree))):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _of_class(place, tree, node, depth)
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return _of_function(place, node, node, skip_self=False)
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    module = sources.origin(place.module, place.file, node)
                    return _in_module(place, module, alias.name, depth)
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(t, ast.Name) and t.id == name for t in targets):
                return None  # made when the module runs
    if any(
        isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
        for node in sources.statements(tree)
    ):
        return None
    raise NotFoundInSource(f"{place.file.name} has no {name}")


def _in_module(place: _Place, module: str, name: str, depth: int) -> Signature | None:
    # `from runner import Model` is DeZero's.
    module = "dezero" if module == "runner" else module
    file = sources.find(module)
    if file is None or depth >= _DEEPEST:
        return None
    try:
        return _found(replace(place, module=module, file=file), name, depth + 1)
    except NotFoundInSource:
        return None


def _of_class(place: _Place, tree: ast.Module, node: ast.ClassDef, depth: int) -> Signature | None:
    if node.decorator_list or node.keywords:
        return None
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef) and inner.name == "__init__":
            return _of_function(place, inner, node, skip_self=True)
    if not node.bases:
        return Signature(place.target, place.file, node.lineno, {})
    if depth >= _DEEPEST:
        return None
    try:
        found = _of_base(place, tree, node.bases[0], depth + 1)
    except NotFoundInSource:
        return None
    return replace(found, file=place.file, line=node.lineno) if found else None


def _of_base(place: _Place, tree: ast.Module, base: ast.expr, depth: int) -> Signature | None:
    """The signature of a class that is named `Base` or `module.Base`."""
    if isinstance(base, ast.Name):
        return _found(place, base.id, depth)
    module, _, name = ast.unparse(base).rpartition(".")
    first, _, rest = module.partition(".")
    for node in sources.statements(tree):
        for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
            if (alias.asname or alias.name.partition(".")[0]) == first:
                full = alias.name if alias.asname else first
                if isinstance(node, ast.ImportFrom):
                    full = f"{sources.origin(place.module, place.file, node)}.{alias.name}"
                return _in_module(place, f"{full}.{rest}" if rest else full, name, depth)
    return None


def _of_function(
    place: _Place, node: ast.FunctionDef, shown: ast.ClassDef | ast.FunctionDef, skip_self: bool
) -> Signature | None:
    if node.decorator_list:
        return None
    arguments = node.args
    by_place = [*arguments.posonlyargs, *arguments.args]
    n_defaults = len(arguments.defaults)
    given = [(arg, i >= len(by_place) - n_defaults) for i, arg in enumerate(by_place)]
    given = given[skip_self:]
    given = [(arg, has) for arg, has in given if arg not in arguments.posonlyargs]
    given += [
        (arg, default is not None)
        for arg, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    comments = _comments(shown) | _comments(node)
    parameters = {
        arg.arg: Parameter(
            required=not has_default,
            annotation=ast.unparse(arg.annotation) if arg.annotation else "",
            comment=comments.get(arg.arg, ""),
        )
        for arg, has_default in given
    }
    return Signature(
        place.target, place.file, shown.lineno, parameters, open=arguments.kwarg is not None
    )


def _comments(node: ast.ClassDef | ast.FunctionDef) -> dict[str, str]:
    """What the section "Parameters" of a numpydoc docstring says of each name."""
    lines = (ast.get_docstring(node) or "").splitlines()
    found: dict[str, list[str]] = {}
    names: list[str] = []
    is_inside = False
    for line in lines:
        if _HEADINGS.match(line):
            is_inside = line == "Parameters"
        elif is_inside and line and not line[0].isspace() and not line.startswith("---"):
            names = [name.strip() for name in line.partition(":")[0].split(",")]
        elif is_inside and line.strip() and not line.startswith("---"):
            for name in names:
                found.setdefault(name, []).append(line.strip())
    return {name: " ".join(words) for name, words in found.items()}
