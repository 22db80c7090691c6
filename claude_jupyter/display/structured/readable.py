"""Structured answers (`-r`) in readable form: a table if the JSON is one, the value alone, or formatted JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from claude_jupyter.display.inert import literal

_MOST_ROWS: Final = 100
_MOST_COLUMNS: Final = 12
_LONGEST_CELL: Final = 200


def readable(text: str) -> str:
    """Markdown for the JSON of a structured answer; what is not JSON is left unchanged.

    A list of flat objects, and a dataframe's columns and rows, are a table of at most 100 rows that says what it leaves out.

    Examples
    --------
    >>> readable('{"value": "yes"}')
    'yes'
    """
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return readable_value(value)


def readable_value(value: Any) -> str:
    """Markdown for the value of a structured answer."""
    if isinstance(value, dict) and value.keys() == {"value"}:
        value = cast("dict[str, Any]", value)["value"]
    if _is_scalar(value):
        return _cell(value, len(str(value))) or '""'
    if isinstance(value, list) and (items := _items(cast("list[Any]", value))):
        return items
    return _table(value) or f"```json\n{json.dumps(value, ensure_ascii=False, indent=2)}\n```"


def _items(values: list[Any]) -> str:
    """A list of single values as a list of at most 100 lines."""
    if not values or not all(_is_scalar(v) for v in values):
        return ""
    lines = [f"- {_cell(v, len(str(v))) or 'null'}" for v in values[:_MOST_ROWS]]
    more = len(values) - _MOST_ROWS
    return "\n".join([*lines, *([f"- *… and {more:,} more*"] if more > 0 else [])])


def _table(value: Any) -> str:
    columns, rows = _columns_and_rows(value)
    if (
        not rows
        or not 0 < len(columns) <= _MOST_COLUMNS
        or not all(_is_scalar(v) for row in rows for v in row)
    ):
        return ""
    lines = [columns, ["---"] * len(columns)]
    lines += [[_cell(v, _LONGEST_CELL) for v in row] for row in rows[:_MOST_ROWS]]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    more = len(rows) - _MOST_ROWS
    return f"{table}\n\n*… and {more:,} more rows*" if more > 0 else table


def _columns_and_rows(value: Any) -> tuple[list[str], list[Sequence[Any]]]:
    """A frame as `schemas.py` asks for it, a list of objects, or an object's fields."""
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        columns, rows = fields.get("columns"), fields.get("rows")
        if fields.keys() == {"columns", "rows"} and isinstance(columns, list) and isinstance(rows, list):
            return _frame(cast("list[Any]", columns), cast("list[Any]", rows))
        return ["field", "value"], [list(item) for item in fields.items()]
    items = cast("list[Any]", value)
    if not all(isinstance(item, dict) for item in items):
        return [], []
    objects = cast("list[Mapping[str, Any]]", items)
    keys = list(dict.fromkeys(key for item in objects for key in item))
    return [_cell(key, _LONGEST_CELL) for key in keys], [[item.get(key) for key in keys] for item in objects]


def _frame(columns: list[Any], rows: list[Any]) -> tuple[list[str], list[Sequence[Any]]]:
    whole = [cast("list[Any]", row) for row in rows if isinstance(row, list) and len(row) == len(columns)]
    return ([_cell(c, _LONGEST_CELL) for c in columns], list(whole)) if len(whole) == len(rows) else ([], [])


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _cell(value: Any, longest: int) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return json.dumps(value)
    # A backslash as an entity would be shown as one: what makes Markdown inert does not let it become a backslash again.
    return literal(value if len(value) <= longest else value[: longest - 1] + "…").replace("&#92;", "\\\\")
