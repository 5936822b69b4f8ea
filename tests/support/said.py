"""What the sources say: the templates of their sentences, for the tests of other languages."""

import ast
import functools
import re
import string
from pathlib import Path


@functools.cache
def tree_of(path: Path) -> ast.AST:
    return ast.parse(path.read_text(encoding="utf-8"))


def templates_of(path: Path) -> set[str]:
    """The literal first arguments of `say`, also where they were given a name before."""
    tree = tree_of(path)
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


#: What is spelled alike in every language: commands to be typed, knobs together, settings, paths,
#: addresses.
_SPELLED_ALIKE = re.compile(r"python -m .*|make \w+|\w+( x \w+)+|\S*[=/]\S*|\S+\.\S+")
_SENTENCE = re.compile(r"[A-Za-z][a-z]+(?: [A-Za-z]?[a-z]+){2,}")


def english_in(text: str) -> list[str]:
    """Three English words or more in a row, in what is told in another language."""
    return [found for line in text.splitlines() for found in _SENTENCE.findall(alike_out(line))]


def alike_out(line: str) -> str:
    return _SPELLED_ALIKE.sub("", line)


def wordings_of(path: Path) -> set[str]:
    """The texts of a source, what is filled into them at one place being `{}`."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.JoinedStr):
            parts = [of.value if isinstance(of, ast.Constant) else "{}" for of in node.values]
            found.add(re.sub(r"(\{\})+", "{}", "".join(map(str, parts))))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
    return found
