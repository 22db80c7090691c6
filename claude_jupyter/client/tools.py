"""Python functions as tools, by the SDK's own helper: schema from signature, type hints and docstring; arguments validated."""

from __future__ import annotations

import functools
import inspect
import re
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
        raise UsageError(f"{name} cannot be a tool: {_plain(error)[:200]}") from None


def call(function: Callable[..., Any], given: Mapping[str, Any]) -> Any:
    """Call a function with the arguments Claude gave, validated and converted by its type hints (Pydantic models too).

    Of an async function it is the coroutine that comes back.

    Raises
    ------
    ValueError
        Where they do not fit; whatever the function raises.
    """
    made = _made(function)
    try:
        return made.call(dict(given))
    except ValueError as error:
        # The SDK's own words name no argument; those of Pydantic, which stand behind them, do.
        if type(error) is ValueError and type(error.__cause__).__name__ == "ValidationError":
            raise ValueError(f"{error}: {_plain(error.__cause__)}") from None
        raise


def _plain(error: BaseException | None) -> str:
    """An error's text on one line, without Pydantic's addresses."""
    return " ".join(re.sub(r"For further information visit \S+", "", str(error)).split())
