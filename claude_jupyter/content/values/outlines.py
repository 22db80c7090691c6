"""Under `--rows none`: collections and records → their outline, names of fields, types and counts, and no value of theirs.

A list of dicts, a list of rows, a dict of columns and a list of Pydantic models are the same rows as a dataframe's. Told by what is in
them, not by their container. Keys leave only where they are names of fields: those of other dicts may be cell values.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import ItemsView, Iterable, KeysView, Mapping, Sequence, ValuesView
from dataclasses import fields, is_dataclass
from itertools import islice
from types import SimpleNamespace
from typing import Any, Final

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.guard import mro, type_name
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text import rows_in_text
from claude_jupyter.content.text.fence import clip, text_attachment

LOOKED_AT: Final = 10_000
FIELDS: Final = 100
DEPTH: Final = 3
NAME: Final = 60
WITHHELD: Final = "[values withheld: --rows none]"
_COLLECTIONS: Final = (list, tuple, set, frozenset, deque, Mapping, KeysView, ValuesView, ItemsView)
_ROW_CLASSES: Final = frozenset({("sqlite3", "Row"), ("sqlalchemy", "Row"), ("asyncpg", "Record")})


def is_collection(value: Any) -> bool:
    """Whether the value is a collection that holds something, or a record of named fields."""
    if isinstance(value, str | bytes | bytearray | range):
        return False
    return (isinstance(value, _COLLECTIONS) and len(value) > 0) or field_names(value) is not None


def field_names(value: Any) -> list[str] | None:
    """The names of a record's fields (dataclass, named tuple, Pydantic, attrs, msgspec, a database's row); None for what is none."""
    if isinstance(value, type | Mapping):
        return None
    if is_dataclass(value):
        return [field.name for field in fields(value)]
    if isinstance(value, SimpleNamespace):
        return list(vars(value))
    for kind in mro(value):
        inside = kind.__dict__
        named = inside.get("_fields") if isinstance(value, tuple) else inside.get("__struct_fields__")
        if isinstance(named, tuple):
            return list(map(str, named))
        own = inside.get("__pydantic_fields__") or inside.get("__fields__")
        if isinstance(own, Mapping) and own:
            return list(map(str, own))
        if "__attrs_attrs__" in inside:
            return [str(attribute.name) for attribute in inside["__attrs_attrs__"]]
        if (kind.__module__.partition(".")[0], type_name(kind, short=True)) in _ROW_CLASSES:
            row: Any = value
            return list(map(str, row.keys() if hasattr(row, "keys") else getattr(row, "_fields", ())))
    return None


def attach(value: Any, label: str, rules: Rules) -> Attachment:
    """The collection's or record's outline as text."""
    text = outline(value)
    return withheld(text, label, type_name(type(value)), rules)


def withheld(text: str, label: str, kind: str, rules: Rules) -> Attachment:
    """An outline as an attachment, whose chip says that no value left."""
    sent = f"{clip(text.partition(chr(10))[0], 80)}, no values"
    return text_attachment(f"{text}\n{WITHHELD}", label, kind, rules, sent=sent)


def outline(value: Any, depth: int = 0) -> str:
    """What a collection or record is made of, on a few lines."""
    names = field_names(value)
    if names is not None:
        return f"a record of {type_name(type(value))}\n{_fields([_record(value, names)])}"
    if isinstance(value, Mapping):
        return _of_mapping(value, depth)
    kind, count = type_name(type(value), short=True), len(value)
    some = list(islice(iter(value), LOOKED_AT))
    records = [_as_record(element) for element in some]
    if all(record is not None for record in records):
        rows = [record for record in records if record is not None]
        names_of = Counter(type_name(type(e)) for e in some if not isinstance(e, Mapping))
        of = f" of {', '.join(names_of)}" if names_of else ""
        return f"{kind} of {_count(count, 'record')}{of}\n{_fields(rows)}"
    if all(_is_row(element) for element in some):
        widths = {len(row) for row in some}
        wide = f"{min(widths)} to {max(widths)}" if len(widths) > 1 else f"{widths.pop()}"
        return f"{kind} of {_count(count, 'row')} of {wide} values\nvalues: {_kinds(v for row in some for v in row)}"
    return f"{kind} of {_count(count, 'value')}\nvalues: {_kinds(some)}{_inside(some, depth)}"


def of_text(text: str) -> str:
    """What a text holds that writes down rows or records; empty for any other text."""
    data = rows_in_text.parsed(text)
    if data is not None and is_collection(data):
        return f"text of a {outline(data)}"
    if not rows_in_text.holds_rows(text):
        return ""
    return f"text with a table, {_count(len(text.splitlines()), 'line')}"


def _of_mapping(value: Mapping[Any, Any], depth: int) -> str:
    kind = type_name(type(value), short=True)
    items = list(islice(value.items(), LOOKED_AT))
    elements = [element for _, element in items]
    columns, data = value.get("columns"), value.get("data")
    if isinstance(columns, list | tuple) and isinstance(data, list | tuple) and {"index"} >= set(value) - {
        "columns", "data", "index_names", "column_names",
    }:  # fmt: skip
        named = ", ".join(clip(str(name), NAME) for name in columns[:FIELDS])
        return f"{kind} of a table split in columns and rows: {_count(len(data), 'row')}\ncolumns: {named}"
    if all(_is_row(element) for element in elements) and len({len(element) for element in elements}) == 1:
        return _of_columns(kind, items, len(value))
    if all(isinstance(element, Mapping) for element in elements):
        return _of_mappings(kind, items, len(value))
    return f"{kind} of {_count(len(value), 'value')}, keys withheld\nvalues: {_kinds(elements)}{_inside(elements, depth)}"


def _of_columns(kind: str, columns: Sequence[tuple[Any, Sequence[Any]]], count: int) -> str:
    """Columns by name. Groups of one column look the same, all of one kind, and their names are its values: those stay."""
    rows = max((len(column) for _, column in columns), default=0)
    title = f"{kind} of {_count(count, 'column')} of {_count(rows, 'value')}"
    sorts = {frozenset(type(value) for value in column if value is not None) for _, column in columns}
    if len(sorts) < 2:
        return f"{title}, keys withheld\nvalues: {_kinds(value for _, column in columns for value in column)}"
    return title + "\n" + "\n".join(f"{_name(key)}: {_kinds(column)}" for key, column in columns[:FIELDS])


def _of_mappings(kind: str, items: Sequence[tuple[Any, Mapping[Any, Any]]], count: int) -> str:
    """A dict of dicts: of columns by row, or of rows by column. Only numbers tell which, and so which keys are names."""
    if all(isinstance(key, int) for _, inner in items for key in inner):
        return _of_columns(kind, [(key, list(inner.values())) for key, inner in items], count)
    if all(isinstance(key, int) for key, _ in items):
        return f"{kind} of {_count(count, 'record')}\n{_fields([inner for _, inner in items])}"
    sizes = sorted({len(inner) for _, inner in items})
    wide = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    values = _kinds(v for _, inner in items for v in inner.values())
    return f"{kind} of {_count(count, 'dict')} of {wide} values, keys withheld\nvalues: {values}"


def _as_record(element: Any) -> Mapping[Any, Any] | None:
    if isinstance(element, Mapping):
        return element
    names = field_names(element)
    return None if names is None else _record(element, names)


def _record(value: Any, names: Sequence[str]) -> dict[str, Any]:
    """Field → value, read without running a property."""
    if isinstance(value, tuple):
        return dict(zip(names, value, strict=False))
    inside = getattr(value, "__dict__", {})
    return {name: inside.get(name, _Unknown) for name in names}


class _Unknown:
    """Stands for a value that was not looked at."""


def _is_row(element: Any) -> bool:
    return isinstance(element, list | tuple | deque) and field_names(element) is None


def _fields(records: Sequence[Mapping[Any, Any]]) -> str:
    """One line a field, with the kinds of its values."""
    names: dict[Any, None] = {}
    for record in records:
        names.update(dict.fromkeys(record))
        if len(names) > FIELDS:
            break
    lines = [
        f"{_name(name)}: {_kinds(record[name] for record in records if name in record)}"
        for name in islice(names, FIELDS)
    ]
    more = f"\n… {len(names) - FIELDS:,} more fields" if len(names) > FIELDS else ""
    return "fields:\n" + "\n".join(lines) + more


def _name(key: Any) -> str:
    return (
        clip(" ".join(key.split()), NAME) if isinstance(key, str) else f"<{type_name(type(key), short=True)}>"
    )


def _kinds(values: Iterable[Any]) -> str:
    counts = Counter("?" if value is _Unknown else type_name(type(value), short=True) for value in values)
    return ", ".join(f"{kind} ({count:,})" for kind, count in counts.most_common(8)) or "none"


def _inside(values: Sequence[Any], depth: int) -> str:
    """The outlines of collections within, each kind of outline once."""
    if depth >= DEPTH:
        return ""
    outlines = dict.fromkeys(outline(value, depth + 1) for value in values[:20] if is_collection(value))
    return "".join(f"\nwithin: {text}" for text in islice(outlines, 5))


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
