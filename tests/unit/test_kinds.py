"""One table says which classes of which library are frames; a library that narwhals knows is one line in it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from claude_jupyter.content import attach, kinds
from claude_jupyter.content.kinds import LIBRARIES, Library
from claude_jupyter.content.recognize import holds_rows, is_textlike, sort_of
from claude_jupyter.content.rules import Rules


class NewFrame:
    """A frame of a library that the table does not know, which narwhals can read through its protocol."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame

    def __narwhals_lazyframe__(self) -> Any:
        raise NotImplementedError

    shape = (3, 1)


NewFrame.__module__ = "newlib.frames"


def test_a_line_in_the_table_is_all_that_recognizing_a_library_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(NewFrame, "__narwhals_lazyframe__")
    frame = NewFrame(pl.DataFrame({"a": [1]}))
    assert not kinds.is_frame(frame) and not holds_rows(frame) and sort_of(frame) is None
    monkeypatch.setitem(
        LIBRARIES, "newlib", Library(tables=frozenset({"NewFrame"}), values=frozenset({"Cell"}))
    )  # type: ignore[index]
    assert kinds.is_frame(frame) and holds_rows(frame) and sort_of(frame) == "dataframe"
    assert kinds.shape_of(frame) == "<newlib NewFrame 3 × 1>"
    cell = type("Cell", (), {"__module__": "newlib"})()
    assert is_textlike(cell) and kinds.is_library_value(cell) and not kinds.is_frame(cell)


@pytest.mark.parametrize(
    ("value", "role", "sort"),
    [
        (pd.DataFrame({"a": [1]}), "table", "dataframe"),
        (pd.Series([1]), "series", None),
        (pd.DataFrame({"a": [1]}).groupby("a"), "view", None),
        (pl.LazyFrame({"a": [1]}), "lazy", "dataframe"),
        (pl.DataFrame({"a": [1]}), "table", "dataframe"),
        (pa.table({"a": [1]}), "table", "dataframe"),
        (pa.array([1]), "series", None),
        (pd.Timestamp("2024-01-01"), None, None),
        (1, None, None),
    ],
    ids=lambda v: type(v).__name__,
)
def test_what_a_value_is_in_its_library(value: Any, role: str | None, sort: str | None) -> None:
    assert kinds.role_of(value) == role and sort_of(value) == sort
    assert kinds.is_frame(value) == (role is not None)


def test_values_of_a_library_are_not_withheld_as_rows_are() -> None:
    for value in (pd.Timestamp("2024-01-01"), pd.Period("2024-01"), pd.Interval(0, 1), pl.Int64, pa.int64()):
        (attachment,) = attach(value, "x", Rules(rows="none"))
        assert "withheld" not in attachment.blocks[0]["text"]
