"""An expression that Claude wrote → its value, by the rules for NAMEs on a magic's line: nothing is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from claude_jupyter.content.guard import guarded
from claude_jupyter.content.prompt.expressions import calls, is_instant, is_value, look_up, read, root
from claude_jupyter.errors import UsageError
from claude_jupyter.kernel.namespace import names
from claude_jupyter.options.option_values import did_you_mean


def looked_up(expression: str, namespace: Mapping[str, Any], *, values: bool) -> Any:
    """The value of an expression without calls; lookups that run the user's code are limited to 2 s.

    Parameters
    ----------
    values
        Whether an error's message may be told: it can quote a cell's value.

    Raises
    ------
    UsageError
        For a name that does not exist (the nearest is named), a call, or a lookup that fails.
    """
    text = expression.strip()
    node = read(text)
    if node is None or not is_value(node):
        if node is not None and calls(node):
            raise UsageError("Calls are not allowed here: only names, attributes, items and operators.")
        raise UsageError("This is not an expression of names, attributes, items and operators.")
    name = root(node)
    if name and name not in namespace:
        raise UsageError(unknown(name, namespace))
    if is_instant(node, namespace):
        return _now(lambda: look_up(node, namespace), values=values)
    outcome = guarded(lambda: _now(lambda: look_up(node, namespace), values=values))
    if outcome.failure:
        raise UsageError(f"Looking up the expression {outcome.failure}.")
    return outcome.value


def unknown(name: str, namespace: Mapping[str, Any]) -> str:
    """What is said of a name that does not exist."""
    return f"There is no variable {name!r}{did_you_mean(name, names(namespace)) or '.'}"


def _now(work: Callable[[], Any], *, values: bool) -> Any:
    try:
        return work()
    except Exception as error:
        kind = type(error).__name__
        reason = guarded(partial(str, error)).value if values else None
        raise UsageError(f"The lookup raised {kind}" + (f": {reason[:500]}" if reason else ".")) from None
