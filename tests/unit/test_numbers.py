"""Numbers arrive as they are: a value, an extreme, a cell is the shortest text that gives the number back."""

from __future__ import annotations

import datetime as dt
import decimal
import struct
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import shapely
import xarray
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_jupyter.content import attach
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.values.short import cell, line, narrowed, number, rounded, unredacted

D = decimal.Decimal


def text(value: Any, **rules: Any) -> str:
    return "\n".join(block["text"] for a in attach(value, "x", Rules(**rules)) for block in a.blocks)


def kind(value: Any) -> str:
    return f"{type(value).__module__.partition('.')[0]} {type(value).__name__}"


REVENUE, COST = 12345678.90, 12345678.10


@pytest.mark.parametrize(
    "value",
    [
        pd.Series({"revenue": REVENUE, "cost": COST}),
        pd.DataFrame({"x": [REVENUE, COST]}),
        pd.DataFrame({"x": [REVENUE, COST]}).convert_dtypes(dtype_backend="pyarrow"),
        pl.DataFrame({"x": [REVENUE, COST]}),
        pl.Series([REVENUE, COST]),
        pl.LazyFrame({"x": [REVENUE, COST]}),
        pa.table({"x": [REVENUE, COST]}),
        pa.array([REVENUE, COST]),
        np.array([REVENUE, COST]),
        np.array([[REVENUE, COST]]),
        {"revenue": REVENUE, "cost": COST},
        [REVENUE, COST],
        (REVENUE, COST),
        {REVENUE, COST},
        {"a": {"b": [REVENUE, COST]}},
        [np.float64(REVENUE), np.float64(COST)],
        [D("12345678.9"), D("12345678.1")],
        pd.DataFrame({"x": [D("12345678.9"), D("12345678.1")]}),
        pd.DataFrame({"x": [[REVENUE, COST]]}),
        pl.DataFrame({"x": [{"a": REVENUE, "b": COST}]}),
        pd.Index([REVENUE, COST]),
        pd.DataFrame({"n": [1, 2]}, index=[REVENUE, COST]),
        pd.DataFrame({"n": [1, 2]}, index=pd.MultiIndex.from_tuples([("a", REVENUE), ("b", COST)])),
        xarray.DataArray([REVENUE, COST], dims="x"),
        geopandas.GeoSeries([shapely.Point(REVENUE, COST)]),
        pd.DataFrame({f"c{i}": [REVENUE, COST] for i in range(40)}),
    ],
    ids=kind,
)
def test_numbers_of_nine_digits_are_told_apart_wherever_they_are(value: Any) -> None:
    words = text(value)
    assert "12345678.9" in words and "12345678.1" in words


@pytest.mark.parametrize("width", [8, 12, 24, 40])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1234567890123457.0, "1234567890123457"),
        (1700000001.0, "1700000001"),
        (0.1 + 0.2, "0.30000000000000004"),
        (-1.7976931348623157e308, "-1.7976931348623157e+308"),
        (5e-324, "5e-324"),
        (float("nan"), "NaN"),
        (float("-inf"), "-inf"),
        (2**100, "1267650600228229401496703205376"),
        (np.float64(12345678.9), "12345678.9"),
        (np.float32(0.1), "0.1"),
        (np.float32(16777216), "16777216"),
        (np.float16(0.1), "0.1"),
        (np.int64(2**62), "4611686018427387904"),
        (np.uint64(2**64 - 1), "18446744073709551615"),
        (np.longdouble("1.0000000000000000001"), "1.0000000000000000001"),
        (D("1234567890123456789.000000001"), "1234567890123456789.000000001"),
        (
            pd.Timestamp("2024-01-01 10:00:00.123456789", tz="America/New_York"),
            "2024-01-01 10:00:00.123456789-05:00",
        ),
        (np.datetime64("2024-01-01T10:00:00.123456789"), "2024-01-01T10:00:00.123456789"),
        (pd.Period("2024-01", "M"), "2024-01"),
        (pd.Interval(REVENUE, 1e9), "(12345678.9, 1000000000.0]"),
        (pd.Timedelta("1 days 00:00:00.123456789"), "1 days 00:00:00.123456789"),
        (dt.datetime(2024, 1, 1, 10, 0, 0, 123456), "2024-01-01 10:00:00.123456"),
        (dt.timedelta(days=400, microseconds=1), "400 days, 0:00:00.000001"),
        (complex(REVENUE, COST), "(12345678.9+12345678.1j)"),
    ],
    ids=kind,
)
def test_a_cell_is_never_cut_into_another_number(value: Any, words: str, width: int) -> None:
    assert cell(value, width, unredacted) == words


@given(st.floats())
@settings(max_examples=300, deadline=None)
def test_a_number_gives_the_float_back(value: float) -> None:
    for words in (number(value), cell(value, 12, unredacted), line(value, 12), line([value], 12)[1:-1]):
        back = float(words)
        assert back == value or (back != back and value != value)


@given(st.floats(width=32) | st.floats(width=16))
@settings(max_examples=300, deadline=None)
def test_a_float_of_fewer_bits_is_short_and_gives_its_bits_back(value: float) -> None:
    short = narrowed(value, "f")
    assert short != short if value != value else struct.pack("f", short) == struct.pack("f", value)
    if value == value:
        assert len(f"{short:e}") <= 13 and float(np.float32(short)) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(max_examples=300, deadline=None)
def test_a_derived_number_has_six_digits_at_least_and_all_of_its_whole_part(value: float) -> None:
    back = float(rounded(value))
    assert back == pytest.approx(value, rel=5e-7, abs=0)
    assert abs(back - value) <= 0.0051 or abs(value) >= 1e15


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"x": np.array([0.1, 0.7], "float32")}),
        pd.DataFrame({"x": np.array([0.1, 0.7], "float16")}),
        pd.DataFrame({"x": pd.array([0.1, 0.7], dtype="Float32")}),
        pd.DataFrame({"x": pd.array([0.1, 0.7], dtype="float[pyarrow]")}),
        pd.Series(np.array([0.1, 0.7], "float32")),
        pl.DataFrame({"x": pl.Series([0.1, 0.7], dtype=pl.Float32)}),
        pl.LazyFrame({"x": pl.Series([0.1, 0.7], dtype=pl.Float32)}),
        pa.table({"x": pa.array([0.1, 0.7], pa.float32())}),
        np.array([0.1, 0.7], "float32"),
        [np.float32(0.1), np.float32(0.7)],
        {"a": np.float32(0.1), "b": np.float16(0.7)},
    ],
    ids=kind,
)
def test_floats_of_32_bits_are_as_short_as_they_were(frame: Any) -> None:
    words = text(frame)
    assert "0.1" in words and "0.7" in words
    assert "0.10000" not in words and "0.69" not in words and "0.70" not in words and "0.0999" not in words, (
        words
    )


def test_ids_that_one_missing_value_made_floats_stay_different() -> None:
    frame = pd.DataFrame({"id": [1234567890123451, 1234567890123452, None]})
    words = text(frame)
    assert "1234567890123451" in words and "1234567890123452" in words and "e+15" not in words


def test_bounds_of_a_geometry_are_exact() -> None:
    points = geopandas.points_from_xy([2600000.125, 2700000.25], [1200000.5, 1300000.75])
    words = text(geopandas.GeoDataFrame({"n": [1, 2]}, geometry=points))
    assert "bounds: 2600000.125, 1200000.5, 2700000.25, 1300000.75" in words
