"""Structured answers (`-r`) while they arrive: the JSON so far, in readable form."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final, cast

from claude_jupyter.answer.model import Add, Answer, Part, Put, View
from claude_jupyter.display.inert import inert_parts
from claude_jupyter.display.structured.readable import readable_value

_EVERY: Final = 0.4
"""Seconds between two drawings of a text, each of which is drawn whole."""


class TypedView:
    """A view that shows the text of a structured answer as a table or a value instead of JSON."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._texts: dict[int, str] = {}
        self._drawn: dict[int, float] = {}

    def begin(self, answer: Answer) -> None:
        """As the view does."""
        self._view.begin(answer)

    def show(self, parts: Sequence[Part]) -> None:
        """Show what can be read so far; everything but text as it comes."""
        passed: list[Part] = []
        changed: set[int] = set()
        for part in parts:
            if isinstance(part, Add) and part.block in self._texts:
                self._texts[part.block] += part.text
                changed.add(part.block)
            elif isinstance(part, Put) and part.data["type"] == "text":
                self._texts[part.block] = part.data.get("text") or ""
                passed.append(part._replace(data={**part.data, "text": ""}))
                changed.add(part.block)
            else:
                passed.append(part)
        now = time.monotonic()
        for block in changed:
            if now - self._drawn.get(block, 0.0) >= _EVERY and (text := so_far(self._texts[block])):
                self._drawn[block] = now
                passed.append(Put(block, {"type": "text", "text": text}))
        if passed:
            self._view.show(passed)

    def end(self, answer: Answer) -> None:
        """As the view does."""
        self._view.end(answer)


def so_far(text: str) -> str:
    """Markdown for the beginning of a JSON text, made inert; '' if nothing of it can be read yet."""
    from pydantic_core import from_json

    try:
        value: Any = from_json(text, allow_partial="trailing-strings")
    except ValueError:
        return ""
    value = _without_beginnings(value)
    return inert_parts([readable_value(value)])[0] if value not in ({}, [], "", None) else ""


def _without_beginnings(value: Any) -> Any:
    """Without the row that has only just begun, which would keep it from being a table."""
    if isinstance(value, dict):
        data = cast("dict[str, Any]", value)
        if data.keys() == {"value"}:
            return _without_beginnings(data["value"])
        columns, rows = data.get("columns"), data.get("rows")
        if isinstance(columns, list) and data.keys() <= {"columns", "rows"}:
            wide = len(cast("list[Any]", columns))
            return (
                {**data, "rows": [row for row in rows if len(row) == wide]}
                if isinstance(rows, list)
                else None
            )
    if isinstance(value, list) and value and value[-1] == {}:
        return cast("list[Any]", value)[:-1]
    return value
