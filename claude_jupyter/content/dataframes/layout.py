"""A frame's summary (`profile.py`) → text of at most this many characters. Never touches the dataframe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from claude_jupyter.content.dataframes.profile import Column, Others, Summary, choose, merged
from claude_jupyter.content.text.fence import clip
from claude_jupyter.content.values.short import rounded

NAME_WIDTH: Final = 60
DTYPE_WIDTH: Final = 80
NAMED_OTHERS: Final = 3

CellText = Callable[[Any, int], str]
"""(cell value, width) → one line of text."""


class Level(NamedTuple):
    """How much of each column is shown: most common values, width of a value, columns one by one, statistics of numbers."""

    top: int
    width: int
    columns: int
    statistics: int = 0
    """2 for all, 1 for mean, median and sum, 0 for the mean."""


LEVELS: Final = (
    Level(12, 40, 1000, 2),
    Level(5, 40, 1000, 2),
    Level(5, 24, 1000, 1),
    Level(3, 24, 1000),
    Level(2, 16, 60),
    Level(0, 12, 60),
    Level(0, 12, 30),
    Level(0, 0, 20),
    Level(0, 0, 10),
    Level(0, 0, 4),
)
ROW_WIDTHS: Final = (80, 40, 24, 12)
COLUMNS_IN_ROWS: Final = 40


class Laid(NamedTuple):
    """The text, and how many rows are in it."""

    text: str
    rows: int
    cut: tuple[str, ...]


def lay_out(summary: Summary, limit: int, cell: CellText) -> Laid:
    """The summary as text: title, facts, one line a column, then the first and last rows, as much as fits into `limit`."""
    available = len(summary["head"]) + len(summary["tail"])
    table, level = "", LEVELS[-1]
    for level in LEVELS:
        table = _columns(summary, level, cell)
        if len(table) <= limit * (0.6 if available else 1):
            break
    table = table[:limit]
    text, rows = _rows(summary, level, limit - len(table), cell) if available else ("", 0)
    cut: list[str] = []
    columns = min(level.columns, len(summary["columns"]))
    if columns < summary["width"]:
        cut.append(f"{columns:,} of {summary['width']:,} columns in detail")
    if rows < available:
        cut.append(f"{rows:,} of {available:,} rows fit (frame_tokens)")
    return Laid(table + text, rows, tuple(cut))


def _columns(summary: Summary, level: Level, cell: CellText) -> str:
    rows = (
        "rows unknown"
        if summary["rows"] is None
        else f"{summary['rows']:,} {'row' if summary['rows'] == 1 else 'rows'}"
    )
    width = summary["width"]
    lines = [f"{summary['title']}: {rows} × {width:,} {'column' if width == 1 else 'columns'}"]
    lines += [clip(fact, 300) for fact in summary["facts"]]
    every = summary["columns"]
    positions, rest = choose([c["name"] for c in every], [c["dtype"] for c in every], level.columns)
    columns = [every[p] for p in positions]
    if columns:
        lines += ["", "column | dtype | " + "what is in it"]
        lines += [_column(column, level, cell) for column in columns]
    lines += _others(merged([*rest, *summary["others"]]))
    return "\n".join(lines) + "\n"


def _column(column: Column, level: Level, cell: CellText) -> str:
    return f"{_name(column['name'])} | {clip(column['dtype'], DTYPE_WIDTH)} | {inside(column, level, cell)}".rstrip(
        " |"
    )


def inside(column: Column, level: Level, cell: CellText) -> str:
    """What is in a column, in a line: counts, extremes, statistics, most common values."""
    parts: list[str] = []
    for key, word in (("nulls", "null"), ("nans", "NaN"), ("infinite", "infinite"), ("distinct", "distinct")):
        count = column.get(key)
        if count or (count is not None and key == "distinct"):
            parts.append(f"{count:,} {word}")
    if "failed" in column:
        parts.append(f"its statistics failed: {column['failed']}")
    if "kinds" in column:
        parts.append("holds " + ", ".join(f"{kind} ({n:,})" for kind, n in column["kinds"].items()))
    if level.width and "least" in column and "most" in column:
        parts.append(f"{cell(column['least'], level.width)} … {cell(column['most'], level.width)}")
    if level.width and "step" in column:
        parts.append(column["step"])
    if level.width:
        parts += _statistics(column, level.statistics, cell)
    if level.width and "lengths" in column:
        parts.append(f"lengths {column['lengths'][0]:,} … {column['lengths'][1]:,}")
    top = column.get("top", [])[: level.top]
    if top:
        parts.append("e.g. " + _tops(top, level, cell, plain=top[0][1] == 1))
    return ", ".join(parts)


def _statistics(column: Column, most: int, cell: CellText) -> list[str]:
    """Mean, median and quartiles, spread, sum, zeros and negative numbers of a column of numbers."""
    parts: list[str] = []
    mean, deviation = column.get("mean"), column.get("std")
    if mean is not None:
        parts.append(f"mean {rounded(mean)}")
    if most and "quartiles" in column:
        first, median, third = (cell(value, 40) for value in column["quartiles"])
        parts.append(f"median {median}" + (f", quartiles {first} … {third}" if most > 1 else ""))
    if most > 1 and deviation is not None:
        parts.append(f"std {rounded(deviation)}")
    if most and "sum" in column:
        parts.append(f"sum {cell(column['sum'], 40)}")
    if most:
        zeros, negative = column.get("zeros", 0), column.get("negative", 0)
        parts += [f"{zeros:,} {'zero' if zeros == 1 else 'zeros'}"] if zeros else []
        parts += [f"{negative:,} negative"] if negative else []
    return parts


def _tops(top: Sequence[tuple[Any, int]], level: Level, cell: CellText, *, plain: bool) -> str:
    values = top[:2] if plain else top
    return ", ".join(cell(value, level.width) + ("" if plain else f" ({count:,})") for value, count in values)


def _others(others: Sequence[Others]) -> list[str]:
    if not others:
        return []
    lines = [f"and {sum(len(o['names']) for o in others):,} more columns:"]
    for other in others[:12]:
        names = other["names"]
        some = ", ".join(_name(name) for name in names[:NAMED_OTHERS])
        if len(names) > NAMED_OTHERS:
            some += f" … {_name(names[-1])}"
        lines.append(f"  {len(names):,} × {clip(other['dtype'], DTYPE_WIDTH)}: {some}")
    if len(others) > 12:
        kinds = Counter[str]()
        for other in others[12:]:
            kinds[other["dtype"]] += len(other["names"])
        lines.append("  " + ", ".join(f"{n:,} × {clip(dtype, 40)}" for dtype, n in kinds.most_common(8)))
    return lines


def _name(name: str) -> str:
    """A column's name on one line, its separators escaped."""
    plain = name.replace("\\", "\\\\") if "|" in name or "\n" in name else name
    return clip(plain.replace("|", "\\|").replace("\n", "\\n").replace("\r", "\\r"), NAME_WIDTH)


def _rows(summary: Summary, level: Level, limit: int, cell: CellText) -> tuple[str, int]:
    """The first and last rows, in cells as wide as lets all rows fit, else as many rows as fit."""
    columns = min(len(summary["row_names"]), COLUMNS_IN_ROWS, max(level.columns, 4))
    while True:
        lines, room = Lines("", [], []), 0
        for width in ROW_WIDTHS:
            lines = _lines(summary, columns, width, cell)
            room = limit - len(lines.names) - 160
            if sum(map(len, lines.head + lines.tail)) + len(lines.head + lines.tail) <= room:
                return _put(summary, columns, lines)
        fitting = _fit(lines, room)
        count = len(fitting.head) + len(fitting.tail)
        if columns <= 8 or count >= min(4, len(lines.head) + len(lines.tail)):
            return _put(summary, columns, fitting) if count else ("", 0)
        columns //= 2


class Lines(NamedTuple):
    """Rows as text: their header, the first and the last."""

    names: str
    head: list[str]
    tail: list[str]


def _lines(summary: Summary, columns: int, width: int, cell: CellText) -> Lines:
    return Lines(
        " | ".join(clip(_name(name), max(width, 20)) for name in summary["row_names"][:columns]),
        [_row(row[:columns], width, cell) for row in summary["head"]],
        [_row(row[:columns], width, cell) for row in summary["tail"]],
    )


def _fit(lines: Lines, room: int) -> Lines:
    """As many rows as fit, about two from the front for one from the end."""
    head, tail = lines.head, lines.tail
    front, back, used = 0, 0, 0
    while front < len(head) or back < len(tail):
        from_tail = back < len(tail) and (front >= len(head) or back * 2 < front - 1)
        line = tail[len(tail) - 1 - back] if from_tail else head[front]
        used += len(line) + 1
        if used > room:
            break
        front, back = (front, back + 1) if from_tail else (front + 1, back)
    return Lines(lines.names, head[:front], tail[len(tail) - back :])


def _row(row: Sequence[Any], width: int, cell: CellText) -> str:
    return " | ".join(cell(value, width) for value in row)


def _put(summary: Summary, columns: int, rows: Lines) -> tuple[str, int]:
    count = len(rows.head) + len(rows.tail)
    hidden = len(summary["row_names"]) - columns
    some = f", first {columns} of {len(summary['row_names']):,} columns" if hidden > 0 else ""
    if summary["rows"] is not None and count == summary["rows"]:
        lines = [
            f"all {count:,} rows{some}:" if count > 1 else f"the only row{some}:",
            rows.names,
            *rows.head,
            *rows.tail,
        ]
    else:
        lines = [f"{_many('first', len(rows.head))}{some}:", rows.names, *rows.head]
        if rows.tail:
            lines += [f"{_many('last', len(rows.tail))}:", *rows.tail]
    return "\n" + "\n".join(lines) + "\n", count


def _many(which: str, count: int) -> str:
    return f"{which} row" if count == 1 else f"{which} {count:,} rows"
