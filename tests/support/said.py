"""What the sources say: the templates of their sentences, for the tests of other languages."""

import ast
import string
from pathlib import Path


def templates_of(path: Path) -> set[str]:
    """The literal first arguments of `say`, also where they were given a name before."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            named.setdefault(node.targets[0].id, set()).update(constants(node.value))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "say":
            first = node.args[0]
            found |= named.get(getattr(first, "id", ""), set()) | constants(first)
    return found


def constants(node: ast.expr) -> set[str]:
    if isinstance(node, ast.IfExp):
        return constants(node.body) | constants(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}
