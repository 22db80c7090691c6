"""Python functions as tools, by the SDK's own helper: schema from signature, type hints and docstring; arguments validated."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from claude_jupyter.errors import UsageError


@functools.lru_cache(maxsize=256)
def _made(function: Callable[..., Any]) -> Any:
    from anthropic import beta_async_tool, beta_tool

    make = beta_async_tool if inspect.iscoroutinefunction(function) else beta_tool
    return make(function)


def definition(function: Callable[..., Any]) -> dict[str, Any]:
    """The tool definition of a function: name, description, input_schema.

    Raises
    ------
    UsageError
        Where no schema can be made of its parameters.
    """
    try:
        return dict(_made(function).to_dict())
    except Exception as error:
        name = getattr(function, "__name__", type(function).__name__)
        raise UsageError(f"{name} cannot be a tool: {' '.join(str(error).split())[:200]}") from None


def call(function: Callable[..., Any], given: Mapping[str, Any]) -> Any:
    """Call a function with the arguments Claude gave, validated and converted by its type hints (Pydantic models too).

    Of an async function it is the coroutine that comes back.

    Raises
    ------
    ValueError
        Where they do not fit; whatever the function raises.
    """
    return _made(function).call(dict(given))
