"""What a pandas frame contains besides its cells: names of its axes, `attrs`, order of categories, grouping, a Styler's caption.

Names and counts may always be sent; facts with cell values are requested separately (`Table.cell_facts`).
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Final

from claude_jupyter.content.guard import guarded, mro, type_name
from claude_jupyter.content.values.short import line

GROUPS: Final = 20
CATEGORIES: Final = 20
CATEGORICAL_COLUMNS: Final = 10
ATTRIBUTES: Final = 20
STYLED_CELLS: Final = 20_000
"""A Styler formats all of its cells at once; of a larger frame the plain values are shown."""
_MARK: Final = "\x1f"


def names_and_counts(value: Any, frame: Any) -> list[str]:
    """Facts without cell values."""
    return [*_axis_names(frame.columns), *_attribute_names(frame), *_grouping(value), *hidden_parts(value)]


def with_values(value: Any, frame: Any, names: Sequence[str]) -> list[str]:
    """Facts that contain, or may contain, cell values."""
    dtypes = ((name, d) for name, d in zip(names, frame.dtypes, strict=True) if _is(d, "CategoricalDtype"))
    kinds = [(n, d.categories.tolist(), d.ordered) for n, d in dtypes if d.categories is not None]
    return [*_attributes(frame), *category_orders(kinds), *_group_sizes(value), *_caption(value)]


def _is(value: Any, name: str) -> bool:
    return any(type_name(kind, short=True) == name for kind in mro(value))


def _axis_names(columns: Any) -> Iterator[str]:
    names = [
        line(name, 60) if not isinstance(name, str) else name for name in columns.names if name is not None
    ]
    if names:
        yield f"column axis named: {', '.join(names)}"


def _attribute_names(frame: Any) -> Iterator[str]:
    if frame.attrs:
        yield f"attrs: {', '.join(line(key, 40) if not isinstance(key, str) else key for key in _some(frame.attrs))}"


def _attributes(frame: Any) -> Iterator[str]:
    for key, value in list(frame.attrs.items())[:ATTRIBUTES]:
        yield f"attrs[{line(key, 40)}] = {line(value, 2000)}"


def _some(names: Any) -> list[Any]:
    return list(itertools.islice(names, ATTRIBUTES))


def category_orders(columns: Sequence[tuple[str, Sequence[Any], bool]]) -> Iterator[str]:
    """Ordered categories with `<` between them; of others the order too, because plots and tables follow it.

    Parameters
    ----------
    columns
        Names of columns, their categories, and whether these are ordered.
    """
    for name, categories, ordered in [c for c in columns if len(c[1])][:CATEGORICAL_COLUMNS]:
        between = " < " if ordered else ", "
        order = between.join(line(c, 40) if not isinstance(c, str) else c for c in categories[:CATEGORIES])
        more = f"{between}… {len(categories) - CATEGORIES:,} more" if len(categories) > CATEGORIES else ""
        yield f"categories of {name} in order: {order}{more}"


def _is_grouped(value: Any) -> bool:
    return _is(value, "BaseGroupBy")


def _grouping(value: Any) -> Iterator[str]:
    """What a group-by groups by, and into how many groups."""
    if not _is_grouped(value):
        return
    keys = guarded(lambda: [_key_name(name) for name in _grouper(value).names]).value or []
    count = guarded(lambda: int(value.ngroups)).value
    groups = "" if count is None else f"{count:,} {'group' if count == 1 else 'groups'}"
    yield f"grouped by {', '.join(keys) or 'an unnamed key'}{': ' if groups else ''}{groups}"


def _grouper(value: Any) -> Any:
    return getattr(value, "_grouper", None) or value.grouper


def _key_name(name: Any) -> str:
    return name if isinstance(name, str) else "an unnamed key" if name is None else line(name, 60)


def _group_sizes(value: Any) -> Iterator[str]:
    sizes = guarded(lambda: _grouper(value).size()).value if _is_grouped(value) else None
    if sizes is None:
        return
    yield group_sizes([(key if isinstance(key, tuple) else (key,), int(n)) for key, n in sizes.items()])


def group_sizes(groups: Sequence[tuple[Sequence[Any], int]]) -> str:
    """The keys of groups with how many rows each has."""
    sizes = ", ".join(f"{' / '.join(map(_text, key))} ({count:,})" for key, count in groups[:GROUPS])
    more = f", … {len(groups) - GROUPS:,} more" if len(groups) > GROUPS else ""
    return f"groups with their rows: {sizes}{more}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else line(value, 60)


def _caption(value: Any) -> Iterator[str]:
    caption = getattr(value, "caption", None) if _is(value, "Styler") else None
    if isinstance(caption, tuple):
        caption = caption[0] if caption else None
    if caption:
        yield f"caption: {caption}"


def hidden_parts(value: Any) -> list[str]:
    """How much a Styler hides."""
    if not _is(value, "Styler"):
        return []
    hidden = ((len(_hidden(value, f"hidden_{axis}")), axis) for axis in ("rows", "columns"))
    return [
        f"{count:,} {axis[: -1 if count == 1 else None]} hidden by the Styler"
        for count, axis in hidden
        if count
    ]


def visible(styler: Any) -> Any:
    """The part of a Styler's frame that it shows: rows and columns may be hidden."""
    frame = styler.data
    rows, columns = _hidden(styler, "hidden_rows"), _hidden(styler, "hidden_columns")
    if not rows and not columns:
        return frame
    return frame.iloc[
        [p for p in range(len(frame)) if p not in rows],
        [p for p in range(frame.shape[1]) if p not in columns],
    ]


def _hidden(styler: Any, which: str) -> frozenset[int]:
    return frozenset(int(position) for position in getattr(styler, which, ()))


def styled_rows(styler: Any) -> list[list[str]] | None:
    """The visible cells as a Styler formats them; None if it cannot, or there are too many."""
    if not 0 < styler.data.size <= STYLED_CELLS:
        return None
    return guarded(lambda: _formatted(styler)).value


def _formatted(styler: Any) -> list[list[str]]:
    """By the public `to_string`, which writes one row to a line; rows that a cell's line break would split are refused."""
    bare = copy.copy(styler).hide(axis="index").hide(axis="columns")
    text: str = bare.to_string(delimiter=_MARK)
    rows = [row.split(_MARK) for row in text.split("\n") if row]
    texts = visible(styler)
    width = texts.shape[1]  # an empty text may stand for hidden columns behind the last one
    if len(rows) != len(texts) or any(len(row) < width or any(row[width:]) for row in rows):
        raise ValueError("a cell holds a line break")
    return [row[:width] for row in rows]
