"""Does a forward pass do the same in every step? Only then may its kernel calls stand for it.

The code of `forward` is read, statement by statement, with the model's own layers and numbers for
its names, without a batch. It may call layers and DeZero's functions, in loops over layers and
branches on what the model keeps. What could store, count, draw, print or look at the numbers of a
batch is refused, and so is all that is not known here.
"""

import ast
import builtins
import operator
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from runner.engine.captured.shipped import FUNCTIONS, KNOWN, check_class, in_class, is_always_true
from runner.engine.captured.source import Changing, definition
from runner.engine.dezero import L, Parameter, Variable, all_parameters
from runner.engine.model_state import NotMade, named_layers

_NUMBERS = (bool, int, float)
_PLAIN = (*_NUMBERS, str, type(None))
_COMPARED: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}


@dataclass(frozen=True)
class _Known:
    """A value that is the same in every step."""

    value: Any


class _OfBatch:
    """What a step computes."""


class _Size:
    """A number, or a tuple, that follows from shapes: the same for all batches of a size."""


def why_it_may_change(model: Any) -> str:
    """Why the forward pass of a model may differ from step to step; empty when it cannot."""
    try:
        for name, parameter in all_parameters(model).items():
            if type(parameter) not in (Parameter, NotMade):
                raise Changing(f"{name} is a {type(parameter).__name__}")
        for _, layer in named_layers(model):
            check_class(layer)
        _call_layer(model, [_OfBatch()])
    except Changing as changing:
        return str(changing)
    except Exception as error:  # of unusual code: nothing that a training should end for
        return f"forward cannot be read ({type(error).__name__})"
    return ""


def _call_layer(layer: Any, arguments: list[Any]) -> Any:
    check_class(layer)
    if type(layer) in KNOWN and len(arguments) == 1 and isinstance(arguments[0], _OfBatch):
        return _OfBatch()
    if "forward" in vars(layer):
        raise Changing(f"forward of {type(layer).__name__} is an attribute")
    return _call_function(in_class(layer, "forward"), [_Known(layer), *arguments])


def _call_function(function: Any, arguments: list[Any]) -> Any:
    if not isinstance(function, FunctionType):
        raise Changing(f"it calls {_name(function)}")
    read = definition(function.__code__)
    of = read.args
    if of.defaults or of.vararg or of.kwarg or of.kwonlyargs or len(of.args) != len(arguments):
        raise Changing(f"the arguments of {function.__qualname__}")
    names = {arg.arg: value for arg, value in zip(of.args, arguments, strict=True)}
    returned = _Reading(function, names).block(read.body)
    return _Known(None) if returned is None else returned


class _Reading:
    """A function, read with these values of its arguments."""

    def __init__(self, function: FunctionType, names: dict[str, Any]) -> None:
        self.function, self.names = function, names

    def refused(self, node: ast.AST, what: str) -> Changing:
        file, line = Path(self.function.__code__.co_filename).name, getattr(node, "lineno", 0)
        return Changing(f"{what} ({file}:{line})")

    # =========================================================================
    # Statements
    # =========================================================================
    def block(self, statements: list[ast.stmt]) -> Any:
        """What the statements return; None where they go on."""
        for node in statements:
            if (returned := self.statement(node)) is not None:
                return returned
        return None

    def statement(self, node: ast.stmt) -> Any:
        match node:
            case ast.Return(value=ast.expr() as value):
                return self.value(value)
            case ast.Expr(value=value):
                self.value(value)
            case ast.Assign(targets=[target], value=value):
                self.assign(target, self.value(value))
            case ast.For(orelse=[]):
                for item in self.items(node):
                    self.assign(node.target, item)
                    if (returned := self.block(node.body)) is not None:
                        return returned
            case ast.If():
                return self.block(node.body if self.is_true(node.test) else node.orelse)
            case ast.Pass():
                pass
            case _:
                raise self.refused(node, f"a statement of {type(node).__name__}")
        return None

    def assign(self, target: ast.expr, value: Any) -> None:
        match target:
            case ast.Name(id=name):
                self.names[name] = value
            case ast.Tuple(elts=targets) if isinstance(value, _Size):
                for inner in targets:
                    self.assign(inner, value)
            case _:
                raise self.refused(target, "an assignment to more than a name")

    def items(self, node: ast.For) -> list[_Known]:
        value = self.value(node.iter)
        if isinstance(value, _Known) and type(value.value) in (list, tuple, range):
            return [_Known(item) for item in value.value]
        raise self.refused(node, "a loop over what is no list of the model's")

    def is_true(self, node: ast.expr) -> bool:
        value = self.value(node)
        if isinstance(value, _Known):
            if type(value.value) in (*_PLAIN, list, tuple) or is_always_true(value.value):
                return bool(value.value)
        raise self.refused(node, "a branch on what is computed")

    # =========================================================================
    # Expressions
    # =========================================================================
    def value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant(value=value):
                return _Known(value)
            case ast.Name(id=name):
                return self.name(node, name)
            case ast.Attribute(value=inner, attr=name):
                return self.attribute(node, self.value(inner), name)
            case ast.Subscript(value=inner, slice=index):
                return self.item(node, self.value(inner), index)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                return self.together(node, [self.value(element) for element in elements])
            case ast.Call():
                return self.call(node)
            case ast.BinOp(left=left, right=right):
                return self.together(node, [self.value(left), self.value(right), _Size()])
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                value = self.value(operand)
                if isinstance(value, _Known) and type(value.value) in _NUMBERS:
                    return _Known(-value.value)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return _Known(not self.is_true(operand))
            case ast.Compare(left=left, ops=[by], comparators=[right]):
                return self.compared(node, self.value(left), by, self.value(right))
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.value(body if self.is_true(test) else orelse)
        raise self.refused(node, f"an expression of {type(node).__name__}")

    def name(self, node: ast.expr, name: str) -> Any:
        if name in self.names:
            return self.names[name]
        around = self.function.__code__.co_freevars
        if name in around:
            return _Known(self.function.__closure__[around.index(name)].cell_contents)  # type: ignore[index]
        for scope in (self.function.__globals__, vars(builtins)):
            if name in scope:
                return _Known(scope[name])
        raise self.refused(node, f"the name {name}")

    def attribute(self, node: ast.expr, of: Any, name: str) -> Any:
        if isinstance(of, _OfBatch) and name in ("shape", "ndim", "size"):
            return _Size()
        if isinstance(of, _Known) and isinstance(of.value, ModuleType) and name in vars(of.value):
            return _Known(vars(of.value)[name])
        if isinstance(of, _Known) and isinstance(of.value, L.Layer):
            kept, of_class = vars(of.value), in_class(of.value, name)
            if name in kept and not hasattr(type(of_class), "__get__"):
                return _Known(kept[name])
            if name not in kept and isinstance(of_class, FunctionType):
                return _Known(MethodType(of_class, of.value))
            if name not in kept and type(of_class) in (bool, int, float, str):
                return _Known(of_class)
        raise self.refused(node, f"the attribute {name}")

    def item(self, node: ast.expr, of: Any, index: ast.expr) -> Any:
        key = ast.unparse(index) if not isinstance(index, ast.Slice) else ""
        if isinstance(of, _Size):
            return of
        if isinstance(of, _Known) and type(of.value) in (list, tuple, dict):
            try:
                where = ast.literal_eval(key) if key else self.slice(index)
                return _Known(of.value[where])
            except (ValueError, TypeError, LookupError):
                pass
        raise self.refused(node, "an item of what is computed")

    def slice(self, node: Any) -> slice:
        ends = (node.lower, node.upper, node.step)
        return slice(*(None if end is None else ast.literal_eval(end) for end in ends))

    def together(self, node: ast.expr, values: list[Any]) -> Any:
        """A tuple of these values, or what is computed from these numbers."""
        if any(isinstance(value, _OfBatch) for value in values):
            raise self.refused(node, "arithmetic that no kernel is for")
        if all(isinstance(value, _Known) for value in values):
            return _Known(tuple(value.value for value in values))
        if all(isinstance(v, _Size) or type(v.value) in _NUMBERS for v in values):
            return _Size()
        raise self.refused(node, "arithmetic")

    def compared(self, node: ast.expr, left: Any, by: ast.cmpop, right: Any) -> _Known:
        is_known = isinstance(left, _Known) and isinstance(right, _Known)
        is_identity = isinstance(by, ast.Is | ast.IsNot)
        if is_known and type(by) in _COMPARED:
            if is_identity or type(left.value) in _PLAIN and type(right.value) in _PLAIN:
                return _Known(bool(_COMPARED[type(by)](left.value, right.value)))
        raise self.refused(node, "a comparison of what is computed")

    def call(self, node: ast.Call) -> Any:
        arguments = [self.value(argument) for argument in node.args]
        keywords = [self.value(keyword.value) for keyword in node.keywords]
        match node.func:
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super"), args=[]), attr=name):
                if "super" in self.names or keywords:
                    raise self.refused(node, "super")
                return _call_function(self.of_base(node, name), [self.first(), *arguments])
            case ast.Attribute(value=inner, attr="reshape"):
                if isinstance(self.value(inner), _OfBatch):
                    if any(isinstance(value, _OfBatch) for value in arguments + keywords):
                        raise self.refused(node, "a shape that is computed")
                    return _OfBatch()
        called = self.value(node.func)
        of = called.value if isinstance(called, _Known) else None
        if of is len and len(arguments) == 1:
            return _Size()
        if isinstance(of, FunctionType) and of in FUNCTIONS:
            if not all(map(_is_plain, arguments + keywords)):
                raise self.refused(node, "an argument of another kind")
            return _OfBatch()
        if isinstance(of, L.Layer) and not keywords:
            return _call_layer(of, arguments)
        if isinstance(of, MethodType) and not keywords:
            return _call_function(of.__func__, [_Known(of.__self__), *arguments])
        if isinstance(of, FunctionType) and not keywords:
            return _call_function(of, arguments)
        raise self.refused(node, f"a call of {ast.unparse(node.func)}")

    def first(self) -> Any:
        return self.names[self.function.__code__.co_varnames[0]]

    def of_base(self, node: ast.expr, name: str) -> Any:
        """The method of this name that `super()` finds in this function."""
        layer, within = self.first(), self.name(node, "__class__")
        if isinstance(layer, _Known) and within.value in type(layer.value).__mro__:
            bases = type(layer.value).__mro__
            for base in bases[bases.index(within.value) + 1 :]:
                if name in vars(base):
                    return vars(base)[name]
        raise self.refused(node, "super")


def _is_plain(value: Any) -> bool:
    """Whether an argument of one of DeZero's functions is an array, a number or a shape."""
    if not isinstance(value, _Known):
        return True
    of = value.value
    if type(of) is tuple:
        return all(type(number) in _PLAIN for number in of)
    return type(of) in (*_PLAIN, Parameter, Variable, np.ndarray)


def _name(value: Any) -> str:
    return getattr(value, "__qualname__", type(value).__name__)
