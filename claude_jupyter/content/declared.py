"""What users declare about their values: functions that show a type, and names that mean a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from claude_jupyter.content.guard import mro


@dataclass(frozen=True, slots=True)
class File:
    """A file, glob or image/PDF URL to be shown, as `file("plot.png")` gives it."""

    name: str


FUNCTIONS: Final[dict[type, Callable[[Any], Any]]] = {}
"""Registered functions by the type whose values they show; of the process, because libraries register before `%load_ext`."""


def function_for(value: Any) -> Callable[[Any], Any] | None:
    """The function registered for the most specific class of a value."""
    if not FUNCTIONS:
        return None
    return next((FUNCTIONS[kind] for kind in mro(value) if kind in FUNCTIONS), None)
