"""What is the syntax of a function that runs? Its file may have been edited since it was read."""

import ast
import functools
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import CodeType


class Changing(Exception):
    """Why a forward pass might not do the same again, in words."""


@functools.cache
def definition(code: CodeType) -> ast.FunctionDef:
    """The syntax of a function, if its file is what is executed."""
    try:
        source = Path(code.co_filename).read_bytes()
        with warnings.catch_warnings(action="ignore"):  # of a user's text; they came at its import
            tree = ast.parse(source)
            compiled = compile(source, code.co_filename, "exec", dont_inherit=True)
    except (OSError, ValueError, SyntaxError):
        raise Changing(f"the source of {code.co_qualname} cannot be read") from None
    if any(_same(code, other) for other in _codes(compiled)):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
                if node.lineno == code.co_firstlineno:
                    return node
    raise Changing(f"the source of {code.co_qualname} is not what runs")


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _same(a: CodeType, b: CodeType) -> bool:
    names = "co_firstlineno", "co_code", "co_consts", "co_names", "co_varnames", "co_freevars"
    return all(getattr(a, name) == getattr(b, name) for name in names)
