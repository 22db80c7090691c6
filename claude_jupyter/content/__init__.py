"""What a value becomes when it is shown to Claude: `attach()`, and `register()` and `file()` for users."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content import dispatch
from claude_jupyter.content.declared import FUNCTIONS, File
from claude_jupyter.content.rules import Rules
from claude_jupyter.errors import UsageError


def file(name: str | Path) -> File:
    """A file, a glob, or an image/PDF URL as a value to look at: `claude.ask("…", file("plot.png"))`.

    A plain `str` is always text; use this to send the file itself.
    """
    return File(str(name))


def register(kind: Any, function: Callable[[Any], Any]) -> None:
    """Define how values of a type (and its subclasses) are shown to Claude.

    Parameters
    ----------
    kind
        The type. The most specific class of a value wins; registering a type again replaces its function.
    function
        value → text, bytes of an image or PDF, a mimebundle, a content block of the Messages API, a list of those, or anything else
        that can be shown (a dataframe, a figure …). `_ai_repr_()` of the value itself takes precedence.

    Raises
    ------
    UsageError
        If `kind` is not a type or `function` cannot be called.
    """
    if not isinstance(kind, type) or not callable(function):
        raise UsageError("register(type, function) takes a type and a function of one value")
    FUNCTIONS[kind] = function


def attach(value: Any, label: str, rules: Rules) -> tuple[Attachment, ...]:
    """The value as it is shown to Claude: one attachment, or several for a list, tuple or dict.

    Raises
    ------
    AttachmentError
        If the value cannot be sent (a missing file, a decompression bomb); nothing is sent partially.
    """
    return dispatch.attach(value, label, rules)
