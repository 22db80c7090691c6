"""Tables in printed text, as libraries lay out their frames: found among other lines, and held to `--rows`. Pure text.

Told by layout alone: pandas' right-justified columns and series, the frames that Polars, DuckDB, Spark and Markdown draw with bars,
PyArrow's own words. What only lists things under each other is not a table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from claude_jupyter.content.text import printed_text


class Span(NamedTuple):
    """Lines of a table: its first, the first below its heading, the one behind it."""

    start: int
    body: int
    end: int


_BAR: Final = re.compile(r"\s*[┌│╞└╭╰├|+]")
_RULE: Final = re.compile(r"\s*[╞├|+][═╪─┼╡┤=:|+\s-]*[═─=-][═╪─┼╡┤=:|+\s-]*$")
_DRAWN: Final = re.compile(r"\s*[┌╭]")
_NAME: Final = re.compile(r"\S+(?: \S+)*")
_SERIES_ENDS: Final = re.compile(r"(?:(?:Freq|Name|Length): .*, )*dtype: \w")
_SERIES_ROW: Final = re.compile(r"\s*\S.*\s{2,}\S")
_FRAME_ENDS: Final = re.compile(r"^\[\d+ rows x \d+ columns\]$|^Name: .*dtype: ", re.MULTILINE)


def looks_like_table(text: str) -> bool:
    """Whether a printed text has a dataframe's or relation's own printing in it."""
    text = printed_text.plain(text)
    return bool(_tables(text.split("\n"))) or _FRAME_ENDS.search(text) is not None


def limited(text: str, rows: int | None, *, table: bool = False) -> str:
    """Printed text as a person would read it, each table in it with at most this many rows; what was cut is counted.

    Parameters
    ----------
    rows
        None for all.
    table
        Whether the text is known to be one table, whatever it looks like.

    >>> limited("before\\n   a  b\\n0  1  x\\n1  2  y\\n2  3  z\\nafter", 2)
    'before\\n   a  b\\n0  1  x\\n1  2  y\\n[… 1 more line left out: --rows 2 …]\\nafter'
    """
    text = printed_text.plain(text).rstrip("\n")
    lines = text.split("\n")
    spans = _tables(lines)
    if not spans and (table or _FRAME_ENDS.search(text)):
        spans = [Span(0, min(_below_rule(lines, 0, len(lines)), len(lines)), len(lines))]
    result: list[str] = []
    at = 0
    for start, body, end in spans:
        result += [*_folded(lines[at:start]), *lines[start:body], *_first(lines[body:end], rows)]
        at = end
    return "\n".join([*result, *_folded(lines[at:])])


def _folded(lines: list[str]) -> list[str]:
    return printed_text.fold("\n".join(lines)).split("\n") if lines else []


def _first(body: list[str], rows: int | None) -> list[str]:
    more = len(body) - rows if rows is not None else 0
    if more > 0 and _BAR.match(body[-1]) and not re.search(r"\w", body[-1]):
        more -= 1  # the line that closes a drawn table
    if more <= 0:
        return body
    return [*body[:rows], f"[… {more:,} more {'line' if more == 1 else 'lines'} left out: --rows {rows} …]"]


def _tables(lines: Sequence[str]) -> list[Span]:
    tables: list[Span] = []
    at = 0
    while at < len(lines):
        span = _drawn(lines, at) or _aligned(lines, at) or _arrow(lines, at)
        if span is None and _SERIES_ENDS.match(lines[at]):
            start = _series_begins(lines, at, tables[-1].end if tables else 0)
            span = Span(start, start, at) if start < at else None
        if span is None:
            at += 1
        else:
            tables.append(span)
            at = max(span.end, at + 1)
    return tables


def _drawn(lines: Sequence[str], at: int) -> Span | None:
    """A table with bars between its columns."""
    end = at
    while end < len(lines) and _BAR.match(lines[end]):
        end += 1
    if end - at < 2:
        return None
    if not any(_DRAWN.match(line) or _RULE.match(line) for line in lines[at : at + 3]):
        return None
    return Span(at, _below_rule(lines, at, end), end)


def _below_rule(lines: Sequence[str], start: int, end: int) -> int:
    """The line under the rule below a table's heading, or under its first line if there is none."""
    rules = (i for i in range(start + 1, min(start + 12, end)) if _RULE.match(lines[i]))
    return next(rules, start) + 1


def _aligned(lines: Sequence[str], at: int) -> Span | None:
    """A frame as pandas prints it: names and values right-justified in columns, index labels at the margin."""
    heading = lines[at]
    if at + 1 >= len(lines) or not heading.strip():
        return None
    margin = heading[0] != " "  # what is there is the name of the columns themselves
    names = list(_NAME.finditer(heading.removesuffix("\\")))[margin:]
    if not names:
        return None
    body = at + 1
    if lines[body][:1].strip() and len(lines[body]) == len(heading):
        body += len(lines[body].rstrip()) < names[0].start()  # the names of the index
    if margin and body == at + 1:
        return None
    gap = next((i for i, name in enumerate(names) if name[0] == "..."), -1)
    edges = [name.end() for name in names[gap + 1 :]]  # before the dots pandas may shift the names by one
    end = body
    while end < len(lines) and len(lines[end]) == len(heading) and _stands_below(lines[end], edges):
        end += 1
    label = _NAME.match(lines[body]) if end > body else None
    return Span(at, body, end) if label is not None and edges and label.end() <= edges[0] else None


def _stands_below(row: str, edges: Sequence[int]) -> bool:
    """Whether no value crosses the right edge of a column, and some end there."""
    if any(row[edge : edge + 1].strip() for edge in edges):
        return False
    return any(row[edge - 1] != " " for edge in edges)


def _series_begins(lines: Sequence[str], end: int, earliest: int) -> int:
    start = end
    while start > earliest and _SERIES_ROW.match(lines[start - 1]):
        start -= 1
    return start


def _arrow(lines: Sequence[str], at: int) -> Span | None:
    if not lines[at].startswith("pyarrow.Table"):
        return None
    end = next((i for i in range(at, len(lines)) if not lines[i].strip()), len(lines))
    rule = next((i for i in range(at, end) if lines[i] == "----"), at)
    return Span(at, rule + 1, end)
