"""What a profile says of each column and of the rows as a whole is right, for every library and dtype."""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import sys
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_jupyter.content import attach
from claude_jupyter.content.dataframes.time_steps import DAY, name_of
from claude_jupyter.content.rules import Rules

D = decimal.Decimal
NUMBERS = [3, 0, 0, 7, -1, 12, 7, None]


def text(value: Any, **rules: Any) -> str:
    (attachment,) = attach(value, "df", Rules(**rules))
    return attachment.blocks[0]["text"]


def column(value: Any, name: str = "x", **rules: Any) -> str:
    """What the profile says of one column."""
    return next(line for line in text(value, **rules).splitlines() if line.startswith(f"{name} | "))


EVERY_LIBRARY = {
    "pandas": lambda values: pd.DataFrame({"x": values}),
    "nullable": lambda values: pd.DataFrame({"x": values}).convert_dtypes(),
    "pandas-arrow": lambda values: pd.DataFrame({"x": values}).convert_dtypes(dtype_backend="pyarrow"),
    "objects": lambda values: pd.DataFrame({"x": pd.Series(values, dtype=object)}),
    "decimals": lambda values: pd.DataFrame({"x": [None if v is None else D(v) for v in values]}),
    "sparse": lambda values: pd.DataFrame({"x": pd.Series(values, dtype="Sparse[float64]")}),
    "longdouble": lambda values: pd.DataFrame({"x": np.array(values, dtype="longdouble")}),
    "float32": lambda values: pd.DataFrame({"x": np.array(values, dtype="float32")}),
    "polars": lambda values: pl.DataFrame({"x": values}),
    "polars-decimal": lambda values: pl.DataFrame({"x": pl.Series(values, dtype=pl.Decimal(10, 0))}),
    "polars-128": lambda values: pl.DataFrame({"x": pl.Series(values, dtype=pl.Int128)}),
    "arrow": lambda values: pa.table({"x": values}),
    "arrow-256": lambda values: pa.table({"x": pa.array(values, pa.decimal256(50, 0))}),
    "arrow-half": lambda values: pa.table(
        {"x": pa.array([None if v is None else np.float16(v) for v in values])}
    ),
    "batch": lambda values: pa.record_batch({"x": values}),
}


@pytest.mark.parametrize("library", EVERY_LIBRARY)
def test_numbers_of_every_library_and_dtype_get_the_same_statistics(library: str) -> None:
    words = column(EVERY_LIBRARY[library](NUMBERS))
    expected = "1 null, 5 distinct, -1 … 12, mean 4, median 3, quartiles 0 … 7"
    assert expected in words
    assert "sum 28, 2 zeros, 1 negative, e.g. 0 (2), 7 (2), -1 (1), 12 (1), 3 (1)" in words


def test_without_numpy_polars_says_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pl.DataFrame({"x": [3.5, 0.0, 0.0, float("nan"), float("inf"), -1.0, None]})
    before = column(frame)
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert column(frame) == before


@pytest.mark.parametrize(
    ("values", "piece"),
    [
        (np.array([3e38] * 3, "float32"), "mean 3.0000000054977558e+38"),
        (np.array([6e4] * 3, "float16"), "mean 60000, "),
        (np.array([1.7e308] * 3), "mean 1.7e+308"),
        (np.array([2**63 - 1] * 3), "sum 27670116110564327421"),
        (np.array([2**64 - 1] * 2, "uint64"), "sum 36893488147419103230"),
        (np.array([120, 120], "int8"), "sum 240"),
        ([0.1, 0.2], "sum 0.3"),
        ([12345678.9, 12345678.1], "sum 24691357"),
        ([1.5, 2.5, 2.25], "median 2.25, quartiles 1.875 … 2.375"),
        ([2**70, 2**71], "1180591620717411303424 … 2361183241434822606848"),
        ([D("1.10"), D("2.30")], "1.10 … 2.30, mean 1.7, median 1.70"),
        ([fractions.Fraction(1, 3), fractions.Fraction(2, 3)], "1/3 … 2/3, mean 0.5, median 1/2"),
        ([1, 2.5, D("7.5")], "1 … 7.5, mean 3.666667, median 2.5"),
        ([1.0, float("nan"), float("inf"), -float("inf")], "1 null, 2 infinite, 3 distinct, 1 … 1"),
        ([float("inf")], "1 infinite, 1 distinct"),
        ([True, False, True], "2 distinct, e.g. True (2), False (1)"),
        ([1700000000.5, 1700000001.5], "mean 1700000001, median 1700000001"),
        ([1j, 2j], "2 distinct, holds complex (2)"),
        ([dt.date(2024, 1, 2), dt.date(2023, 5, 6)], "2023-05-06 … 2024-01-02"),
        ([dt.time(10), dt.time(9)], "09:00:00 … 10:00:00"),
        ([dt.timedelta(1), dt.timedelta(3)], "1 days … 3 days"),
        ([1, "a"], "2 distinct, holds int (1), str (1)"),
        ([D("NaN"), D(1)], "1 … 1"),
    ],
    ids=str,
)
def test_statistics_of_a_pandas_column_are_right(values: Any, piece: str) -> None:
    assert piece in column(pd.DataFrame({"x": values}))


@pytest.mark.parametrize(
    ("series", "piece"),
    [
        (pd.Series(pd.date_range("2024-01-01", periods=40, tz="America/New_York")),
         "40 distinct, 2024-01-01 00:00:00-05:00 … 2024-02-09 00:00:00-05:00, daily"),
        (pd.Series(pd.date_range("2024-03-01", periods=40, tz="America/New_York")),
         "40 distinct, 2024-03-01 00:00:00-05:00 … 2024-04-09 00:00:00-04:00, daily"),
        (pd.Series(pd.date_range("2024-01-01", periods=3, tz="Etc/GMT-3")), "2024-01-01 00:00:00+03:00 … 2024-01-03"),
        (pd.Series(pd.date_range("2024-01-01", periods=3, tz="UTC+02:00")), "2024-01-01 00:00:00+02:00 … 2024-01-03"),
        (pd.Series(pd.date_range("2024-01-01", periods=3, tz="America/Argentina/Buenos_Aires")), "2024-01-01 00:00:00-03:00"),
        (pd.Series([pd.Timestamp("2024-01-01", tz="Asia/Kolkata"), pd.NaT]), "1 null, 1 distinct, 2024-01-01 00:00:00+05:30"),
        (pd.Series(pd.date_range("2024-01-01", periods=3, tz="Europe/Paris")).astype(object), "2024-01-01 00:00:00+01:00 … 2024-01-03"),
        (pd.Series(pd.period_range("2024-01", periods=4, freq="M")), "4 distinct, 2024-01 … 2024-04"),
        (pd.Series([pd.Period("2024Q2"), None]), "1 null, 1 distinct, 2024Q2 … 2024Q2"),
        (pd.Series(pd.interval_range(0, 4)), "4 distinct, (0, 1] … (3, 4]"),
        (pd.cut(pd.Series([1, 5, 9]), 2), "2 distinct, e.g. (0.992, 5.0] (2), (5.0, 9.0] (1)"),
        (pd.Series([], dtype="datetime64[ns]"), "x | datetime64[ns]"),
        (pd.Series([], dtype="datetime64[ns, America/New_York]"), "x | datetime64[ns, America/New_York]"),
        (pd.Series([pd.NaT, pd.NaT]), "2 null"),
        (pd.Series([], dtype="period[D]"), "x | period[D]"),
        (pd.Series([None, None]), "2 null"),
        (pd.Series([pd.Timestamp("2024-01-01"), dt.datetime(2024, 1, 3)], dtype=object), "2 distinct"),
        (pl.Series("x", [None, None]), "x | null | 2 null"),
        (pl.Series("x", [], dtype=pl.Datetime), "x | datetime[us]"),
        (pl.Series("x", [dt.datetime(2024, 1, 1)], dtype=pl.Datetime("us", "America/New_York")), "2023-12-31 19:00:00-05:00"),
        (pl.Series("x", [D(2), D(1)], dtype=pl.Object), "1 … 2, mean 1.5"),
        (pl.Series("x", [3e38] * 3, dtype=pl.Float32), "mean 3.0000000054977558e+38"),
        (pl.Series("x", [2**100, 2**101], dtype=pl.Int128), "1267650600228229401496703205376 … 2535301200456458802993406410752"),
        (pl.Series("x", [2**64 - 1], dtype=pl.UInt64), "18446744073709551615 … 18446744073709551615"),
        (pl.Series("x", ["b", "a"], dtype=pl.Enum(["b", "a"])), "2 distinct, e.g. a, b"),
        (pl.Series("x", [dt.time(9), dt.time(8)]), "08:00:00 … 09:00:00"),
    ],
    ids=lambda v: v if isinstance(v, str) else str(v.dtype),
)  # fmt: skip
def test_values_that_have_an_order_have_a_first_and_a_last(series: Any, piece: str) -> None:
    if isinstance(series, pd.Series):
        series.name = "x"
    words = column(series)
    assert piece in words and "failed" not in words


@pytest.mark.parametrize(
    ("array", "piece"),
    [
        (pa.nulls(2), "x | null | 2 null"),
        (pa.array([D(2**200)], pa.decimal256(76, 0)), str(2**200)),
        (pa.array([dt.date(2024, 1, 2)], pa.date64()), "2024-01-02 … 2024-01-02"),
        (pa.array([1, 2], pa.time32("s")), "00:00:01 … 00:00:02"),
        (
            pa.array([dt.datetime(2024, 1, 1)], pa.timestamp("us", "America/New_York")),
            "2023-12-31 19:00:00-05:00",
        ),
        (pa.array([], pa.timestamp("us")), "x | datetime[us]"),
        (pa.array([5, 6, 5]).dictionary_encode(), "2 distinct, e.g. 5 (2), 6 (1)"),
        (pa.array([pa.MonthDayNano([1, 2, 3])]), "1 distinct"),
        (pa.array([dt.timedelta(1), dt.timedelta(2)]), "2 distinct, 1 day, 0:00:00 … 2 days, 0:00:00"),
        (pa.array([2**64 - 1], pa.uint64()), "18446744073709551615"),
    ],
    ids=lambda v: str(getattr(v, "type", v)),
)
def test_arrow_types_that_have_an_order_have_a_first_and_a_last(array: Any, piece: str) -> None:
    words = column(pa.table({"x": array}))
    assert piece in words and "failed" not in words


@pytest.mark.parametrize(
    "index",
    [
        pd.MultiIndex.from_tuples([("n", 1), ("s", 2)]),
        pd.MultiIndex.from_tuples([("n", 1), ("s", 2)], names=["a", "a"]),
        pd.MultiIndex.from_tuples([("n", 1), ("s", 2)], names=["a", None]),
        pd.MultiIndex.from_tuples([("n", 1), ("s", 2)], names=[0, 0]),
        pd.MultiIndex.from_tuples([("n", 1), ("s", 2)], names=[("a", 1), "b"]),
    ],
    ids=lambda i: str(list(i.names)),
)
def test_a_multiindex_is_profiled_whatever_its_levels_are_called(index: pd.MultiIndex) -> None:
    words = text(index)
    assert "2 rows × 2 columns" in words and "n | 1\ns | 2" in words
    assert "sum 3" in words
    framed = text(pd.DataFrame({"v": [10, 20]}, index=index))
    assert "n / 1 | 10" in framed and "None" not in framed
    assert "n | 1 | 10" in text(pd.Series([10, 20], index=index, name="v").reset_index(allow_duplicates=True))


@pytest.mark.parametrize(
    ("times", "step"),
    [
        (pd.date_range("2024-01-01", periods=30), "daily"),
        (pd.date_range("2024-01-01", periods=30).delete([5, 10, 11]), "daily, 2 gaps"),
        (pd.date_range("2024-01-01", periods=30, freq="B"), "weekdays"),
        (pd.date_range("2024-01-01", periods=30, freq="B").delete([9]), "weekdays, 1 gap"),
        (pd.date_range("2024-01-01", periods=30, freq="W"), "weekly"),
        (pd.date_range("2024-01-01", periods=30, freq="MS"), "monthly"),
        (pd.date_range("2024-01-01", periods=30, freq="ME").delete(3), "monthly, 1 gap"),
        (pd.date_range("2020-01-01", periods=12, freq="QS"), "quarterly"),
        (pd.date_range("2000-01-01", periods=12, freq="YS"), "yearly"),
        (pd.date_range("2024-01-01", periods=48, freq="h"), "hourly"),
        (pd.date_range("2024-01-01", periods=48, freq="15min").delete([3]), "every 15 min, 1 gap"),
        (pd.date_range("2024-01-01", periods=48, freq="250ms"), "every 250 ms"),
        (pd.date_range("2024-03-25", periods=14, tz="Europe/Paris"), "daily"),
        (pd.date_range("2024-01-01", periods=9, freq="28D"), "every 28 days"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)  # fmt: skip
def test_times_at_a_step_say_which_and_how_often_it_is_longer(times: Any, step: str) -> None:
    shuffled = pd.Series(times).sample(frac=1, random_state=0)
    frames = [
        pd.DataFrame({"x": shuffled}),
        pl.DataFrame(
            {"x": list(shuffled.dt.to_pydatetime() if hasattr(shuffled.dt, "to_pydatetime") else shuffled)}
        ),
    ]
    for frame in frames:
        words = column(frame)
        assert words.endswith(f", {step}"), words
    if "ms" not in step and "min" not in step and "hour" not in step and times.tz is None:
        assert column(pl.DataFrame({"x": [t.date() for t in times]})).endswith(f", {step}")
        assert column(pa.table({"x": [t.date() for t in times]})).endswith(f", {step}")
        assert f"index: {len(times)} distinct" in text(pd.DataFrame({"v": range(len(times))}, index=times))


@pytest.mark.parametrize("steps", [[1, 5, 2, 90, 3], [DAY, DAY + 1, DAY + 2, 3 * DAY]])
def test_times_without_a_step_say_none(steps: list[int]) -> None:
    assert name_of([(step, 1) for step in steps]) == ""


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab"), st.booleans()), max_size=40), st.booleans()
)
@settings(max_examples=60, deadline=None)
def test_duplicate_rows_are_counted_as_pandas_counts_them(rows: list[Any], four: bool) -> None:
    frame = pd.DataFrame(rows, columns=["a", "b", "c"])
    if four:
        frame["d"], frame["e"] = frame["a"] % 2, 1
    for value in (
        frame,
        pl.DataFrame(frame.to_dict("list")),
        pa.Table.from_pandas(frame, preserve_index=False),
    ):
        assert f"duplicate rows: {frame.duplicated().sum():,}\n" in text(value)


def test_rows_with_a_missing_value_are_counted() -> None:
    data = {"a": [1, None, 3, None], "b": ["x", None, None, "y"], "c": [1, 2, 3, 4]}
    for frame in (pd.DataFrame(data), pl.DataFrame(data), pa.table(data)):
        assert "rows with a missing value: 3\n" in text(frame)


def test_the_strongest_correlations_are_those_of_pandas() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(1e6, 1, 25_000)
    frame = pd.DataFrame(
        {"a": a, "b": a * -2 + rng.normal(size=25_000), "c": rng.normal(size=25_000), "d": np.arange(25_000)}
    )
    for holes in (False, True):
        if holes:
            frame.loc[::7, "a"] = np.nan
            frame.loc[5, "b"] = np.inf
        finite = frame.replace([np.inf], np.nan)
        expected = finite["a"].corr(finite["b"])
        for value in (frame, pl.from_pandas(frame), pa.Table.from_pandas(frame, preserve_index=False)):
            line = next(x for x in text(value).splitlines() if x.startswith("strongest correlations: "))
            pair, _, number = line.removeprefix("strongest correlations: ").rpartition(" ")
            assert pair == "a ~ b" and float(number) == pytest.approx(expected, abs=1e-6)
    assert "correlations" not in text(pd.DataFrame({"a": [1, 1, 1, 1], "b": [1, 2, 3, 4]}))


def test_commonest_values_are_exact_and_all_of_a_few_are_there() -> None:
    values = [n for n in range(1, 13) for _ in range(n)]
    for make in (str, int):
        words = column(pd.DataFrame({"x": [make(n) for n in values]}))
        assert words.endswith(
            "12 (12), 11 (11), 10 (10), 9 (9), 8 (8), 7 (7), 6 (6), 5 (5), 4 (4), 3 (3), 2 (2), 1 (1)"
        )


def test_without_rows_only_counts_leave() -> None:
    times = pd.date_range("2024-01-01", periods=6)
    frame = pd.DataFrame(
        {"n": [7, 7, 0, 41, -41, 41], "m": [1, 2, 3, 4, 5, 6], "s": list("aabbbb"), "t": times,
         "p": times.to_period("D"), "z": times.tz_localize("America/New_York")}, index=times,
    )  # fmt: skip
    words = text(frame, rows="none")
    for piece in (
        "41",
        "2024",
        "mean",
        "median",
        "quartiles",
        "sum",
        "zero",
        "negative",
        "correlation",
        "daily",
        "std",
    ):
        assert piece not in words, piece
    assert "n | int64 | 4 distinct\n" in words and "duplicate rows: 0" in words


def test_statistics_of_the_first_rows_say_so() -> None:
    frame = pd.DataFrame({f"c{i}": np.zeros(300_000) for i in range(10)})
    words = text(frame)
    assert "statistics from the first 200,000 rows" in words
    assert "duplicate rows: 199,999" in words
