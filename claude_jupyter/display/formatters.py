"""Formatters that the user registered with IPython (`for_type`, `for_type_by_name`) → the mimebundle they show a value by."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any, Final

from claude_jupyter.content.guard import guarded

_NOT_THE_USERS: Final = frozenset(
    {"IPython", "matplotlib_inline", "matplotlib", "ipykernel", "ipywidgets", "claude_jupyter"}
)
_PLAIN: Final = "text/plain"


def formatted(display_formatter: Any, value: Any) -> Mapping[str, Any] | None:
    """What the registered functions make of the value, by media type; None if none is registered for its class."""
    formatters: Mapping[str, Any] = getattr(display_formatter, "formatters", None) or {}
    by_type: dict[str, Any] = {}
    for media_type, formatter in formatters.items():
        function = _registered(formatter, value)
        if function is None or not getattr(formatter, "enabled", True):
            continue
        bundle = guarded(lambda f=function, kind=media_type: _call(f, value, kind)).value
        if isinstance(bundle, tuple) and len(bundle) == 2:
            bundle = bundle[0]  # (data, metadata)
        if bundle:
            by_type[media_type] = bundle
    return by_type or None


def _registered(formatter: Any, value: Any) -> Callable[..., Any] | None:
    try:
        function = formatter.lookup(value)
    except Exception:  # KeyError if there is none; lookups by name may import
        return None
    module = getattr(getattr(function, "func", function), "__module__", None) or ""
    return None if module.partition(".")[0] in _NOT_THE_USERS else function


def _call(function: Callable[..., Any], value: Any, media_type: str) -> Any:
    if media_type != _PLAIN:
        return function(value)
    from IPython.lib.pretty import RepresentationPrinter

    stream = io.StringIO()
    printer: Any = RepresentationPrinter(stream)
    function(value, printer, False)
    printer.flush()
    return stream.getvalue()
