"""Looks up what a call does in the tables of `patterns.py`, and whether an object's own code can run when it is only looked at."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from claude_jupyter.kernel.effects.patterns import (
    DRAWING,
    FUNCTIONS,
    LIBRARIES,
    METHODS,
    SAFE_TYPES,
    Kind,
    words,
)

_WILD = tuple(sorted((name for name in FUNCTIONS if "*" in name), key=len, reverse=True))
_GENERATED = frozenset(
    words(
        """
    __init__ __new__ __repr__ __str__ __eq__ __hash__ __post_init__ __module__ __qualname__ __doc__ __dict__ __weakref__
    __annotations__ __annotate__ __annotate_func__ __annotations_cache__ __match_args__ __slots__ __init_subclass__
    __class_getitem__ __orig_bases__ __parameters__ __firstlineno__ __static_attributes__ __replace__ __abstractmethods__
    __dataclass_fields__ __dataclass_params__ __getstate__ __setstate__ __lt__ __le__ __gt__ __ge__ __type_params__
        """
    )
)
"""Class attributes that run nothing when an object is read, or that dataclasses generate."""


@cache
def function_kind(dotted: str) -> Kind | None:
    """What a call of this function does; None if no table lists it. The longest pattern counts."""
    if (exact := FUNCTIONS.get(dotted)) is not None:
        return exact
    pattern = next((name for name in _WILD if fnmatchcase(dotted, name)), None)
    kind = FUNCTIONS[pattern] if pattern is not None else None
    owner, _, name = dotted.rpartition(".")
    if kind in ("pure", "view") and owner.rpartition(".")[2][:1].isupper():
        return METHODS.get(name, kind)  # a class's method, called on something else
    return kind


@cache
def draws(dotted: str) -> bool:
    """Whether a call of this function begins a plot."""
    return any(fnmatchcase(dotted, pattern) for pattern in DRAWING)


def method_kind(name: str) -> Kind | None:
    """What a call of a method of this name does, on whatever object; None if no table lists it."""
    return METHODS.get(name)


def is_a(value: Any, *kinds: Any) -> bool:
    """As `isinstance`, but without asking the object for its `__class__`, which may run code of its own."""
    return issubclass(type(value), kinds)


def is_library(module: str) -> bool:
    """Whether importing this module is known to do nothing else, or was done already."""
    return module.partition(".")[0] in LIBRARIES or module in sys.modules


def dotted_name(value: Any) -> str | None:
    """The importable name of a module, function or class, checked to lead back to this very object."""
    if is_a(value, types.ModuleType):
        return value.__name__ if sys.modules.get(value.__name__) is value else None
    if is_a(value, types.MethodType):
        return None
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    if (
        name == "open"
        and getattr(value, "__globals__", {}).get("__name__") == "IPython.core.interactiveshell"
    ):
        return "builtins.open"  # of a kernel's variables: it refuses the descriptors 0 to 2, and else does the same
    for home in (module, module.partition(".")[0]):
        current: Any = sys.modules.get(home)
        for part in name.split("."):
            current = getattr(current, "__dict__", {}).get(part) if current is not None else None
        if current is value:
            return f"{home}.{name}"
    return None


def is_plain(value: Any) -> bool:
    """Whether an object belongs to a library whose objects run no code of the user's when they are read."""
    return type(value).__module__.partition(".")[0] in SAFE_TYPES


def own_classes(value: Any) -> Iterator[type]:
    """The classes of an object that no known library defines."""
    for klass in type(value).__mro__:
        if klass.__module__.partition(".")[0] not in SAFE_TYPES:
            yield klass


def runs_code_when_read(value: Any, attribute: str | None = None) -> bool:
    """Whether an operator, or reading `attribute`, may run code of the object's own class."""
    for klass in own_classes(value):
        names = vars(klass)
        if any(name.startswith("__") and name not in _GENERATED for name in names):
            return True
        member = names.get(attribute) if attribute is not None else None
        if (
            member is not None
            and hasattr(type(member), "__get__")
            and not isinstance(member, types.FunctionType)
        ):
            return True
    return False


def is_iterator(value: Any) -> bool:
    """Whether reading the object uses it up: generators, files, iterators."""
    return hasattr(type(value), "__next__")


def is_immutable(value: Any) -> bool:
    """Whether nothing can change this object in place."""
    return is_a(value, int, float, complex, str, bytes, frozenset, range, type(None), type(Ellipsis)) or type(
        value
    ).__name__ in (
        "datetime",
        "date",
        "timedelta",
        "Timestamp",
        "Timedelta",
        "Decimal",
        "Fraction",
        "UUID",
    )
