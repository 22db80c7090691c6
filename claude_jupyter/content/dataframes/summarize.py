"""A table of any library → its summary → an attachment within `frame_tokens`, under the rules for rows.

How a library's frame becomes a `Table` is `backends.py`'s and `lazy.py`'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import Any, Final

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.dataframes import row_statistics
from claude_jupyter.content.dataframes.column_statistics import column_summary
from claude_jupyter.content.dataframes.layout import COLUMNS_IN_ROWS, LEVELS, inside, lay_out
from claude_jupyter.content.dataframes.profile import (
    Column,
    Others,
    Summary,
    choose,
    text_weight,
)
from claude_jupyter.content.guard import attempted, type_name
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text.fence import Redactor, text_attachment
from claude_jupyter.content.text.token_estimate import characters_of
from claude_jupyter.content.values.short import cell

EXACT_CELLS: Final = 2_000_000
"""Statistics are exact for frames of at most this many cells (of the columns told in detail); beyond, for their first rows."""
PROBED_CELLS: Final = 50_000
PROBE_ROWS: Final = 50
"""Of a frame with more than `PROBED_CELLS` cells, this many rows are sampled first for the length of their texts."""
COLUMNS_IN_DETAIL: Final = 100
ALL_FACTOR: Final = 10
"""With `--rows all`, a profile may be up to this many times `frame_tokens`."""
FENCE: Final = 160

SERIES: Final = frozenset(
    {"Series", "GeoSeries", "Index", "ChunkedArray", "Array", "Categorical", "ExtensionArray"}
)
WITHHELD_NAME: Final = "(values)"
"""Under `--rows none` for the name of a series: that of a row is an index label."""


@dataclass(frozen=True, slots=True)
class Table:
    """An eager frame as this file needs it: names, dtypes, and functions that take only the part asked for."""

    title: str
    rows: int
    names: Sequence[str]
    dtypes: Sequence[str]
    narrow: Callable[[int, Sequence[int]], Any]
    """(first rows, columns) → a narwhals DataFrame of them, its columns named by position."""
    values: Callable[[int, int, Sequence[int]], list[list[Any]]]
    """(start, stop, columns) → rows of cell values, index labels first."""
    index_names: Sequence[str] = ()
    facts: Sequence[str] = ()
    cell_facts: Callable[[], Sequence[str]] = field(default=lambda: ())
    """Facts that hold cell values."""
    zones: Mapping[int, tzinfo] = field(default_factory=dict[int, tzinfo])
    """Columns that `narrow` gives in UTC, and the zones they are in."""
    index: Callable[[int], Any] | None = None
    """The labels of the first N rows as a narwhals Series."""


def attach_table(table: Table, label: str, rules: Rules, notes: Sequence[str] = ()) -> Attachment:
    """An eager table as an attachment."""
    redactor = Redactor(rules)
    summary, sampled = summarize(table, rules, redactor)
    return finish(summary, label, rules, redactor, notes=(*notes, *sampled))


def summarize(table: Table, rules: Rules, redactor: Redactor) -> tuple[Summary, tuple[str, ...]]:
    """The table's summary, and a note if its statistics cover only its first rows."""
    values = rules.row_limit != 0
    if not values and table.title.endswith(tuple(SERIES)) and len(table.names) == 1:
        table = replace(table, names=[WITHHELD_NAME])
    chosen, others = choose(table.names, table.dtypes, COLUMNS_IN_DETAIL)
    looked_at = _rows_looked_at(table, chosen)
    part = table.narrow(looked_at, chosen)
    columns = [_summary(part, table, p, values=values) for p in chosen]
    facts = [*table.facts, *(table.cell_facts() if values else ())]
    if values and table.index is not None and table.rows:
        facts += _index(table.index(looked_at), redactor)
    if len(chosen) == len(table.names):
        facts += row_statistics.counts(part, columns)
    if values:
        facts += row_statistics.correlations(part, columns)
    sampled = looked_at < table.rows
    if sampled:
        facts.append(f"statistics from the first {looked_at:,} rows")
    head, tail = _head_and_tail(table, rules, chosen[:COLUMNS_IN_ROWS])
    return Summary(
        title=table.title,
        rows=table.rows,
        width=len(table.names),
        facts=facts,
        columns=columns,
        others=others,
        row_names=[*table.index_names, *(table.names[p] for p in chosen)],
        head=head,
        tail=tail,
    ), ((f"statistics from the first {looked_at:,} of {table.rows:,} rows",) if sampled else ())


def _rows_looked_at(table: Table, columns: Sequence[int]) -> int:
    """All rows, or as many of the first rows as keep time and memory bounded, however long the frame and its texts are."""
    if table.rows * len(columns) <= PROBED_CELLS:
        return table.rows
    probe = table.narrow(PROBE_ROWS, columns)
    weight = sum(text_weight(probe[str(column)]) for column in columns)
    return min(table.rows, max(int(EXACT_CELLS / max(weight, 1)), 100))


def _summary(part: Any, table: Table, position: int, *, values: bool) -> Column:
    name, dtype = table.names[position], table.dtypes[position]
    try:
        column = column_summary(part[str(position)], name, dtype, values=values)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
            raise
        return Column(name=name, dtype=dtype, nulls=0, failed=type_name(type(error), short=True))
    zone = table.zones.get(position)
    if zone is not None and "least" in column and "most" in column:
        column["least"], column["most"] = (column[end].astimezone(zone) for end in ("least", "most"))
    return column


def _index(labels: Any, redactor: Redactor) -> list[str]:
    """What the labels of the rows span, as one fact."""
    column = attempted(lambda: column_summary(labels, "index", "", values=True))
    return (
        [] if column is None else [f"index: {inside(column, LEVELS[2], lambda v, w: cell(v, w, redactor))}"]
    )


def _head_and_tail(
    table: Table, rules: Rules, columns: Sequence[int]
) -> tuple[list[list[Any]], list[list[Any]]]:
    """The first two thirds and the last third of the rows that may leave."""
    limit = rules.row_limit
    if limit is None:
        limit = most_rows(rules, len(columns))
    if limit == 0 or table.rows == 0:
        return [], []
    if table.rows <= limit:
        return table.values(0, table.rows, columns), []
    back = limit // 3
    tail = table.values(table.rows - back, table.rows, columns) if back else []
    return table.values(0, limit - back, columns), tail


def most_rows(rules: Rules, columns: int) -> int:
    """More rows than this cannot fit, however short their cells."""
    return max(characters(rules) // max(columns * 4, 8), 1)


def characters(rules: Rules) -> int:
    """How long the text of a profile may be."""
    factor = ALL_FACTOR if rules.rows == "all" else 1
    return max(characters_of(rules.frame_tokens * factor) - FENCE, 100)


def finish(
    summary: Summary, label: str, rules: Rules, redactor: Redactor, notes: Sequence[str] = ()
) -> Attachment:
    """Summary → attachment: laid out within the limit, with what was cut said in the block and in the notes."""
    withheld = rules.row_limit == 0
    if withheld:
        summary["facts"] = [*summary["facts"], "rows and values withheld (--rows none)"]
    _redact_names(summary, redactor)
    summary["facts"] = [redactor(fact) for fact in summary["facts"]]
    laid = lay_out(summary, characters(rules) - len(label), lambda value, width: cell(value, width, redactor))
    cut = list(laid.cut)
    total = summary["rows"]
    if (
        rules.rows == "all"
        and total is not None
        and laid.rows < total
        and not any("rows fit" in c for c in cut)
    ):
        cut.append(f"{laid.rows:,} of {total:,} rows fit (frame_tokens)")
    text = laid.text + (f"\n[{'; '.join(cut)}]" if cut else "")
    return text_attachment(
        text,
        label,
        "series" if summary["title"].endswith(tuple(SERIES)) else "dataframe",
        rules,
        sent=_sent(summary["rows"], laid.rows, withheld),
        as_kind="frame",
        notes=(*notes, *cut),
        rows=not withheld and summary["rows"] != 0,
        redactor=redactor,
    )


def _redact_names(summary: Summary, redactor: Redactor) -> None:
    """Redact the names of columns before they are cut, all at once (there may be thousands)."""
    parts: list[Column | Others] = [*summary["columns"], *summary["others"]]
    dtypes = _redacted([part["dtype"] for part in parts], redactor)
    for part, dtype in zip(parts, dtypes, strict=True):
        part["dtype"] = dtype
    index = summary["row_names"][: len(summary["row_names"]) - len(summary["columns"])]
    names = _redacted([*index, *(column["name"] for column in summary["columns"])], redactor)
    summary["row_names"] = names
    for column, name in zip(summary["columns"], names[len(index) :], strict=True):
        column["name"] = name
    for other in summary["others"]:
        other["names"] = _redacted(other["names"], redactor)


def _redacted(texts: Sequence[str], redactor: Redactor) -> list[str]:
    together = redactor("\x1e".join(texts)).split("\x1e")
    return together if len(together) == len(texts) else [redactor(text) for text in texts]


def _sent(total: int | None, sent: int, withheld: bool) -> str:
    if withheld:
        return "schema only, no rows"
    if total is None:
        return f"schema + first {sent:,} rows" if sent else "schema, no rows"
    if sent == total:
        return (
            f"schema + all {total:,} rows" if total > 1 else "schema + 1 row" if total else "schema, 0 rows"
        )
    return f"schema + {sent:,} of {total:,} rows"
