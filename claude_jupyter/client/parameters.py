"""Which parameters the installed SDK has names for: later ones travel in `extra_body`."""

from __future__ import annotations

import functools
import inspect
from typing import Any


def takes(create: Any, name: str) -> bool:
    """Whether a method of the SDK takes a parameter by this name."""
    accepted = _parameters(getattr(create, "__func__", create))
    return accepted is None or name in accepted


@functools.cache
def _parameters(function: Any) -> frozenset[str] | None:
    """The names a function takes; None where it takes any."""
    made = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in made):
        return None
    return frozenset(p.name for p in made)
