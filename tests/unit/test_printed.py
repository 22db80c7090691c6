"""Frames in printed text are known by their layout, whoever printed them, and nothing else is."""

from __future__ import annotations

import io

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

from claude_jupyter.content.text import printed_tables

FRAME = pd.DataFrame({"who": [f"Ann {i}" for i in range(8)], "n": range(8), "f": np.arange(8) / 3})
DRAWN = "\n".join(f"|  {i}|  {i}|" for i in range(8))
TABLES = {
    "frame": str(FRAME),
    "one column": str(FRAME[["n"]]),
    "named index": str(FRAME.set_index("who")),
    "index of two": str(FRAME.set_index(["who", "n"])),
    "crosstab": str(pd.crosstab(FRAME.who, FRAME.n)),
    "columns of two levels": str(pd.concat({"A": FRAME, "B": FRAME}, axis=1)),
    "wide": str(pd.DataFrame(np.arange(240).reshape(8, 30))),
    "long": str(pd.DataFrame(np.arange(900).reshape(300, 3))),
    "wrapped": pd.DataFrame(np.arange(80).reshape(8, 10) * 10**9).to_string(line_width=60),
    "empty cells": str(pd.DataFrame({"a": [True, False] * 4, "b": [None, "x"] * 4, "c": [""] * 8})),
    "dates": str(FRAME.set_index(pd.date_range("2024", periods=8))),
    "series": str(FRAME.n),
    "series without a name": str(pd.Series(range(8))),
    "counts": str(FRAME.who.value_counts()),
    "dates and numbers": str(FRAME.set_index(pd.date_range("2024", periods=8)).n),
    "polars": str(pl.from_pandas(FRAME)),
    "duckdb": str(duckdb.sql("select range as n, 'x' as s from range(8)")),
    "markdown": "|    |   v |\n|---:|----:|\n" + DRAWN,
    "spark": "+---+---+\n|  a|  b|\n+---+---+\n" + DRAWN + "\n+---+---+\nonly showing top 8 rows",
}


def _info() -> str:
    text = io.StringIO()
    FRAME.info(buf=text)
    return text.getvalue()


OTHERS = {
    "info": _info(),
    "log": "\n".join(f"epoch {i}  loss {i / 3:.3f}  acc {i / 9:.3f}" for i in range(8)),
    "indented log": "\n".join(f"  epoch {i}  loss {i / 3:.3f}" for i in range(8)),
    "array": str(np.arange(60).reshape(20, 3)),
    "prose": "hello world\nthis is text\n  indented  a lot\n",
    "diff": "--- a\n+++ b\n+ x\n- y\n+ z",
    "bullets": "+ one\n+ two\n+ three",
    "tree": "root\n├── a\n│   └── b\n└── c",
    "traceback": 'Traceback (most recent call last):\n  File "x", line 1, in <module>\n    1/0\nZeroDivisionError: division',
    "pip list": "Package    Version\n---------- -------\nanyio      4.0\nzope       1.0",
    "dict": "{'a': 1,\n 'b': 2,\n 'c': 3}",
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_is_found_among_other_lines_and_keeps_so_many_rows(kind: str) -> None:
    text = f"before\n\n{TABLES[kind]}\nafter"
    assert printed_tables.looks_like_table(text)
    two = printed_tables.limited(text, 2)
    assert two.startswith("before\n\n") and two.endswith("\nafter")
    assert "more lines left out: --rows 2 …]" in two
    assert len(two.split("\n")) < len(text.split("\n"))
    assert printed_tables.limited(text, None) == text


@pytest.mark.parametrize("kind", OTHERS)
def test_what_only_stands_in_lines_is_no_table(kind: str) -> None:
    assert not printed_tables.looks_like_table(OTHERS[kind])


def test_two_tables_are_held_each() -> None:
    text = printed_tables.limited(f"{FRAME}\n\n{FRAME.n}", 1)
    assert text.count("[… 7 more lines left out: --rows 1 …]") == 2
    assert text.endswith("Name: n, dtype: int64")
