"""What an expression's value is, as far as it can be known from the code."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

UNKNOWN = object()

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True, slots=True)
class Value:
    """An expression's value, as far as it can be known.

    Attributes
    ----------
    own
        Variables of the user's that this may be, or be part of: changing it changes them.
    inner
        Variables that something inside it may be.
    dotted
        Importable name of a module, function or class.
    obj
        The object itself, if it is one of the user's variables or a module.
    function, cls
        The definition, where this cell or a followed function defines it.
    cow
        Whether subscripts give copies on write (pandas 3).
    bound
        Name of the attribute that this is of something whose class is not known here: perhaps a method.
    is_path
        Whether it is a path, whose `rename` and `replace` move files.
    """

    own: frozenset[str] = frozenset()
    inner: frozenset[str] = frozenset()
    dotted: str | None = None
    obj: Any = UNKNOWN
    function: Function | None = None
    cls: ast.ClassDef | None = None
    cow: bool = False
    bound: str = ""
    is_path: bool = False

    @property
    def reach(self) -> frozenset[str]:
        """All variables that this, or something in it, may be."""
        return self.own | self.inner

    def __or__(self, other: Value) -> Value:
        return Value(
            self.own | other.own,
            self.inner | other.inner,
            function=self.function or other.function,
            cls=self.cls or other.cls,
        )


FRESH = Value()


def joined(values: Iterable[Value]) -> Value:
    result = FRESH
    for value in values:
        result |= value
    return result
