"""Turns Python functions into tools with the SDK's helper: schema from signature, type hints and docstring; validated arguments."""

from __future__ import annotations

import functools
import inspect
import re
import typing
from collections.abc import Callable, Mapping
from typing import Any

from claude_jupyter.client.schemas import known_type
from claude_jupyter.errors import UsageError


@functools.lru_cache(maxsize=256)
def _of_function(function: Callable[..., Any]) -> Any:
    from anthropic import beta_async_tool, beta_tool

    plain = _plain_function(function)
    return (beta_async_tool if inspect.iscoroutinefunction(plain) else beta_tool)(plain)


def _sdk_tool(function: Callable[..., Any]) -> Any:
    try:
        return _of_function(function)
    except TypeError as error:  # a callable object, or a partial of a list, that has no hash
        if "unhashable" not in str(error):
            raise
        return _of_function.__wrapped__(function)


def _plain_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function with a name whose parameters can all be given by name, which is how Claude gives them.

    Of a `functools.partial` the arguments that are set are not parameters; of an object it is `__call__`, under the object's name.
    """
    inner = function
    bound: set[str] = set()
    while isinstance(inner, functools.partial):
        bound |= set(inner.keywords)
        inner = inner.func
    plain = inner if inspect.isroutine(inner) or isinstance(inner, type) else type(inner).__call__
    signature = inspect.signature(function)
    hints = {
        name: known_type(kind) for name, kind in typing.get_type_hints(plain, include_extras=True).items()
    }
    parameters = [p for p in signature.parameters.values() if p.name not in bound]
    leading = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY]
    is_plain = inspect.isfunction(function) or inspect.ismethod(function)
    if is_plain and not leading and hints == function.__annotations__:
        return function

    def call(**arguments: Any) -> Any:
        first = [arguments.pop(name) for name in leading if name in arguments]
        return function(*first, **arguments)

    async def acall(**arguments: Any) -> Any:
        return await call(**arguments)

    wrapped: Any = acall if inspect.iscoroutinefunction(plain) else call
    names = (getattr(each, "__name__", None) for each in (function, inner))
    wrapped.__name__ = next(filter(None, names), None) or _snake(str(type(inner).__name__))
    wrapped.__qualname__ = wrapped.__name__
    wrapped.__module__ = getattr(plain, "__module__", None) or __name__
    own = None if isinstance(function, functools.partial) else function.__doc__
    wrapped.__doc__ = own or inner.__doc__ or plain.__doc__
    wrapped.__annotations__ = {p.name: hints[p.name] for p in parameters if p.name in hints}
    by_name = [_by_name(p, hints.get(p.name, p.annotation)) for p in parameters]
    wrapped.__signature__ = signature.replace(parameters=by_name)
    return wrapped


def _by_name(parameter: inspect.Parameter, annotation: Any) -> inspect.Parameter:
    """The parameter as one that can be given by name."""
    if parameter.kind is parameter.POSITIONAL_ONLY:
        return parameter.replace(kind=parameter.POSITIONAL_OR_KEYWORD, annotation=annotation)
    return parameter.replace(annotation=annotation)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def definition(function: Callable[..., Any]) -> dict[str, Any]:
    """The tool definition of a function: name, description, input_schema.

    Raises
    ------
    UsageError
        If no schema can be made of its parameters.
    """
    try:
        return dict(_sdk_tool(function).to_dict())
    except Exception as error:
        name = getattr(function, "__name__", None) or type(function).__name__
        raise UsageError(f"{name} cannot be a tool: {_plain(error)[:200]}") from None


def call(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call a function with the arguments Claude gave, validated and converted by its type hints (Pydantic models too).

    Of an async function it is the coroutine that comes back.

    Raises
    ------
    ValueError
        If they do not fit; whatever the function raises.
    """
    tool = _sdk_tool(function)
    try:
        return tool.call(dict(arguments))
    except ValueError as error:
        # The SDK's own words name no argument; those of Pydantic, which are behind them, do.
        if type(error) is ValueError and type(error.__cause__).__name__ == "ValidationError":
            raise ValueError(f"{error}: {_plain(error.__cause__)}") from None
        raise


def _plain(error: BaseException | None) -> str:
    """An error's text on one line, without Pydantic's addresses."""
    return " ".join(re.sub(r"For further information visit \S+", "", str(error)).split())
