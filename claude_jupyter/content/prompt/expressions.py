"""Expressions without calls, as NAMEs on a magic's line and as `{expr}` in a prompt: read and looked up.

Nothing is compiled or run but attribute and item lookups (and, in NAMEs, operators), each of which user code may
implement and thus make slow (`is_instant` tells which cannot be; `guard.py` limits the others). How a value is shown is not decided here.
"""

from __future__ import annotations

import ast
import keyword
import operator
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Final

LONGEST: Final = 400
"""Characters; a longer text is not an expression."""

_BINARY: Final[Mapping[type[ast.AST], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.BitAnd: operator.and_, ast.BitOr: operator.or_,
    ast.BitXor: operator.xor, ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not,
}  # fmt: skip
_UNARY: Final[Mapping[type[ast.AST], Callable[[Any], Any]]] = {
    ast.USub: operator.neg, ast.UAdd: operator.pos, ast.Invert: operator.invert, ast.Not: operator.not_,
}  # fmt: skip


def read(text: str) -> ast.expr | None:
    """The syntax tree of any Python expression, or None if the text is none (or too long)."""
    if len(text) > LONGEST:
        return None
    if text.isidentifier() and not keyword.iskeyword(text):
        return ast.Name(text, ast.Load())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a string: the user's business, not a crash of ours
            return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def calls(node: ast.expr) -> bool:
    """Whether anything in it is a call."""
    return any(isinstance(part, ast.Call) for part in ast.walk(node))


def is_path(node: ast.expr) -> bool:
    """Whether it is a name followed by attributes and items, as `{expr}` allows."""
    match node:
        case ast.Name():
            return True
        case ast.Attribute(value=value):
            return is_path(value)
        case ast.Subscript(value=value, slice=index):
            return is_path(value) and _is_index(index)
        case _:
            return False


def is_value(node: ast.expr) -> bool:
    """Whether it is what a NAME may be: a path, operators between such and constants, nothing that is run."""
    match node:
        case ast.Name() | ast.Constant():
            return True
        case ast.Attribute(value=value):
            return is_value(value)
        case ast.Subscript(value=value, slice=index):
            return is_value(value) and _is_index(index, is_value)
        case ast.BinOp(left=left, op=op, right=right):
            return type(op) in _BINARY and is_value(left) and is_value(right)
        case ast.UnaryOp(operand=operand):
            return is_value(operand)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return type(op) in _BINARY and is_value(left) and is_value(right)
        case _:
            return False


def _is_index(node: ast.expr, inner: Callable[[ast.expr], bool] = is_path) -> bool:
    match node:
        case ast.Constant():
            return True
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant()):
            return True
        case ast.Slice(lower=lower, upper=upper, step=step):
            return all(part is None or _is_index(part, inner) for part in (lower, upper, step))
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return all(_is_index(item, inner) for item in items)
        case _:
            return inner(node)


def root(node: ast.expr) -> str:
    """The name a path begins with."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def look_up(node: ast.expr, namespace: Mapping[str, Any]) -> Any:
    """The value in the namespace (builtins do not count); raises what the lookup raises, NameError first of all."""
    match node:
        case ast.Name(id=name):
            if name not in namespace:
                raise NameError(f"name {name!r} is not defined", name=name)
            return namespace[name]
        case ast.Constant(value=value):
            return value
        case ast.Attribute(value=value, attr=attr):
            return getattr(look_up(value, namespace), attr)
        case ast.Subscript(value=value, slice=index):
            return look_up(value, namespace)[look_up(index, namespace)]
        case ast.Slice(lower=lower, upper=upper, step=step):
            return slice(*(part and look_up(part, namespace) for part in (lower, upper, step)))
        case ast.Tuple(elts=items):
            return tuple(look_up(item, namespace) for item in items)
        case ast.List(elts=items):
            return [look_up(item, namespace) for item in items]
        case ast.BinOp(left=left, op=op, right=right) | ast.Compare(left=left, ops=[op], comparators=[right]):
            return _BINARY[type(op)](look_up(left, namespace), look_up(right, namespace))
        case ast.UnaryOp(op=op, operand=operand):
            return _UNARY[type(op)](look_up(operand, namespace))
        case _:
            raise SyntaxError(f"{type(node).__name__} is not looked up")


def is_instant(node: ast.expr, namespace: Mapping[str, Any]) -> bool:
    """Whether looking it up runs no code of the user's: a name, or constant items of plain containers."""
    match node:
        case ast.Name():
            return True
        case ast.Subscript(value=value, slice=ast.Constant()):
            if not is_instant(value, namespace):
                return False
            try:
                return type(look_up(value, namespace)) in (dict, list, tuple, str)
            except (LookupError, NameError, TypeError):
                return True
        case _:
            return False
