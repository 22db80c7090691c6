"""CSV, TSV, Parquet and Feather files → frames, with whichever library is there, the one the user has loaded first.

Reads the beginning of a large file, never more than the profile looks at; without any such library a CSV is shown as text.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.dataframes import backends
from claude_jupyter.content.dataframes.summarize import EXACT_CELLS, attach_table
from claude_jupyter.content.files import text_files
from claude_jupyter.content.guard import type_name
from claude_jupyter.content.rules import Rules
from claude_jupyter.errors import AttachmentError, MissingExtraError

TEXT_TABLES: Final = frozenset({".csv", ".tsv"})
WHOLE: Final = 64 * (1 << 20)
"""A text table up to this size is read whole; of a larger one the first rows."""
HEAD_ROWS: Final = 100_000
LIBRARIES: Final = {
    "text": ("pandas", "polars", "pyarrow", "duckdb"),
    "parquet": ("pyarrow", "polars", "duckdb", "pandas"),
}


def attach(path: Path, rules: Rules, label: str) -> Attachment:
    """The table's profile under the rules for frames.

    Raises
    ------
    AttachmentError
        If the file is not what its name says.
    MissingExtraError
        If nothing is installed that reads it.
    """
    text = path.suffix.lower() in TEXT_TABLES
    if text and _large(path):
        _check_lines(path)
    reader = _reader(path, text)
    if reader is None:
        return _as_text(path, rules, label)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # mixed dtypes and the like: the profile says it better
            frame, note = reader(path)
    except OSError as error:
        raise AttachmentError(f"{label} cannot be read: {error.strerror or _first_line(error)}") from None
    except Exception as error:
        if not text:
            raise AttachmentError(
                f"{label} cannot be read as {path.suffix[1:]}: {_first_line(error)}"
            ) from None
        attachments = _as_text(path, rules, label)
        problem = f"does not read as a table ({type_name(type(error), short=True)}): shown as text"
        return replace(attachments, notes=(*attachments.notes, problem))
    return _profile(frame, note, label, rules)


def _profile(frame: Any, note: str, label: str, rules: Rules) -> Attachment:
    table = backends.table(frame)
    if table is None:
        raise AttachmentError(f"{label} cannot be read as a table")
    table = replace(
        table, title=f"file read as {table.title}", facts=[*table.facts, *([note] if note else [])]
    )
    attachment = attach_table(table, label, rules, [note] if note else [])
    # Of a file that was read in part, the rows counted are those read.
    part = "rows" in note
    return replace(attachment, sent=attachment.sent.replace(" of ", " of the first ")) if part else attachment


def _check_lines(path: Path) -> None:
    """Refuse a large file that is not a table before a reader takes its one endless line into memory."""
    with path.open("rb") as stream:
        if b"\n" not in stream.read(1 << 20):
            size = path.stat().st_size / (1 << 30)
            raise AttachmentError(
                f"{path.name} ({size:.1f} GB) is not a table: its first line is longer than 1 MB"
            )


def _reader(path: Path, text: bool) -> Callable[[Path], tuple[Any, str]] | None:
    libraries = LIBRARIES["text" if text else "parquet"]
    loaded = [name for name in libraries if name in sys.modules]
    there = [name for name in libraries if name not in loaded and find_spec(name) is not None]
    for name in (*loaded, *there):
        if name == "pandas" and not text and find_spec("pyarrow") is None:
            continue
        function = _TEXT[name] if text else _COLUMNAR[name]
        return lambda path: function(importlib.import_module(name), path)
    return None


def _separator(path: Path) -> str:
    """Tab for .tsv; of a .csv the most common of comma, semicolon, tab and bar in its first line."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    with path.open("rb") as stream:
        line = stream.readline(65536)
    counts = {mark: line.count(mark.encode()) for mark in (",", ";", "\t", "|")}
    return max(counts, key=lambda mark: counts[mark]) if any(counts.values()) else ","


def _large(path: Path) -> bool:
    return path.stat().st_size > WHOLE


def _note(rows: int) -> str:
    return f"large: its first {rows:,} rows were read"


def _pandas_text(pandas: Any, path: Path) -> tuple[Any, str]:
    large = _large(path)
    options: dict[str, Any] = {
        "sep": _separator(path),
        "nrows": HEAD_ROWS if large else None,
        "low_memory": False,
    }
    try:
        frame = pandas.read_csv(path, **options)
    except UnicodeDecodeError:
        with path.open("rb") as stream:
            mark = stream.read(2)
        encoding = "utf-16" if mark in (b"\xff\xfe", b"\xfe\xff") else "latin-1"
        frame = pandas.read_csv(path, **options, encoding=encoding)
        return frame, f"read as {encoding}"
    return frame, _note(len(frame)) if large else ""


def _polars_text(polars: Any, path: Path) -> tuple[Any, str]:
    large = _large(path)
    frame = polars.read_csv(
        path,
        separator=_separator(path),
        n_rows=HEAD_ROWS if large else None,
        infer_schema_length=10_000,
        encoding="utf8-lossy",
    )
    return frame, _note(len(frame)) if large else ""


def _pyarrow_text(arrow: Any, path: Path) -> tuple[Any, str]:
    csv = importlib.import_module("pyarrow.csv")
    options = csv.ParseOptions(delimiter=_separator(path))
    if not _large(path):
        return csv.read_csv(path, parse_options=options), ""
    with csv.open_csv(path, parse_options=options) as stream:
        table = arrow.Table.from_batches([stream.read_next_batch()])
    return table, _note(table.num_rows)


def _duckdb_text(duckdb: Any, path: Path) -> tuple[Any, str]:
    relation = duckdb.connect().read_csv(str(path), sep=_separator(path))
    large = _large(path)
    table = (relation.limit(HEAD_ROWS) if large else relation).to_arrow_table()
    return table, _note(table.num_rows) if large else ""


def _is_feather(path: Path) -> bool:
    return path.suffix.lower() in (".feather", ".arrow")


def _pyarrow_columnar(arrow: Any, path: Path) -> tuple[Any, str]:
    if _is_feather(path):
        reader = importlib.import_module("pyarrow.ipc").open_file(arrow.memory_map(str(path)))
        if not _large(path) or reader.num_record_batches < 2:
            return reader.read_all(), ""
        table = arrow.Table.from_batches([reader.get_batch(0)])
        return table, _note(table.num_rows)
    file = importlib.import_module("pyarrow.parquet").ParquetFile(path)
    rows, columns = file.metadata.num_rows, max(file.metadata.num_columns, 1)
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    size = sum(group.total_byte_size for group in groups)
    if rows * columns <= EXACT_CELLS and size <= WHOLE * 4:
        return file.read(), ""
    fitting = max(WHOLE * 4 * rows // max(size, 1), 10)
    batch = next(file.iter_batches(batch_size=min(max(EXACT_CELLS // columns, 1000), fitting)))
    table = arrow.Table.from_batches([batch])
    return table, f"{path.name} has {rows:,} rows; the first {table.num_rows:,} were read"


def _polars_columnar(polars: Any, path: Path) -> tuple[Any, str]:
    lazy = polars.scan_ipc(path) if _is_feather(path) else polars.scan_parquet(path)
    rows = lazy.select(polars.len()).collect().item()
    columns = max(len(lazy.collect_schema()), 1)
    limit = max(EXACT_CELLS // columns, 1000)
    frame = lazy.head(limit).collect()
    return frame, f"{path.name} has {rows:,} rows; the first {limit:,} were read" if rows > limit else ""


def _duckdb_columnar(duckdb: Any, path: Path) -> tuple[Any, str]:
    relation = duckdb.connect().read_parquet(str(path))
    limit = max(EXACT_CELLS // max(len(relation.columns), 1), 1000)
    table = relation.limit(limit).to_arrow_table()
    return table, f"its first {limit:,} rows were read" if table.num_rows == limit else ""


def _pandas_columnar(pandas: Any, path: Path) -> tuple[Any, str]:
    return (pandas.read_feather(path) if _is_feather(path) else pandas.read_parquet(path)), ""


_TEXT: Final = {
    "pandas": _pandas_text,
    "polars": _polars_text,
    "pyarrow": _pyarrow_text,
    "duckdb": _duckdb_text,
}
_COLUMNAR: Final = {
    "pandas": _pandas_columnar,
    "polars": _polars_columnar,
    "pyarrow": _pyarrow_columnar,
    "duckdb": _duckdb_columnar,
}


def _as_text(path: Path, rules: Rules, label: str) -> Attachment:
    """The beginning of a CSV as text; with `--rows none` its header alone, because its lines are rows."""
    if path.suffix.lower() not in TEXT_TABLES:
        raise MissingExtraError(
            f"reading {path.name} needs pyarrow, polars, duckdb or pandas: pip install pyarrow"
        )
    with path.open("rb") as stream:
        data = stream.read(200_000)
    text = text_files.decode_text(data)
    limit = rules.row_limit
    lines = text.splitlines()
    included = lines if limit is None else lines[: limit + 1]
    attachment = text_files.text_file("\n".join(included), label, rules, suffix=path.suffix)
    sent = (
        "header only, no rows"
        if limit == 0
        else f"header + first {max(len(included) - 1, 0):,} rows, as text"
    )
    return replace(attachment, kind="frame", sent=sent, rows=limit != 0)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
