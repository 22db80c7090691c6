"""`--rows none`: a canary in every cell, of every library and dtype, never reaches a block, whatever way the frame gets in."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import functools
import json
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.dataframe as dd
import duckdb
import geopandas
import ibis
import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pytest
import shapely
import xarray

from claude_jupyter.content import attach
from claude_jupyter.content.dispatch import attach_file
from claude_jupyter.content.rules import Rules

TEXT = "CANARY7351"
NUMBER = 73517351
NONE = Rules(rows="none")
MARKS = (TEXT, TEXT.lower(), str(NUMBER), "73,517,351", "7.351735e", "1973-05-17", "05-17", "43414e415259")


def leaks(attachments: Any) -> list[str]:
    """Everything of the attachments that leaves or is shown, searched for the canaries."""
    said = json.dumps([[a.blocks, a.sent, a.notes, a.label] for a in attachments], default=str)
    return [mark for mark in MARKS if mark in said]


COLUMNS: dict[str, list[Any]] = {
    "text": [TEXT, TEXT],
    "whole": [NUMBER, NUMBER],
    "real": [float(NUMBER), float(NUMBER)],
    "money": [decimal.Decimal(NUMBER), decimal.Decimal(NUMBER)],
    "day": [dt.date(1973, 5, 17)] * 2,
    "at": [dt.datetime(1973, 5, 17)] * 2,
    "listed": [[TEXT], [TEXT]],
    "nested": [{"q": TEXT}, {"q": TEXT}],
    "binary": [TEXT.encode()] * 2,
}


class Hue(enum.Enum):
    RED = TEXT


def pandas_frame() -> pd.DataFrame:
    frame = pd.DataFrame(COLUMNS)
    frame["cat"] = pd.Categorical([TEXT, TEXT], categories=[TEXT, f"{TEXT}unused"])
    frame["period"] = pd.PeriodIndex(["1973-05-17"] * 2, freq="D")
    frame["interval"] = pd.arrays.IntervalArray.from_tuples([(NUMBER, NUMBER + 1)] * 2)
    frame["sparse"] = pd.arrays.SparseArray([NUMBER, NUMBER], fill_value=NUMBER)
    frame["mixed"] = [TEXT, NUMBER]
    frame["object"] = [Hue.RED, types.SimpleNamespace(x=TEXT)]
    return frame.set_index(pd.Index([TEXT, f"{TEXT}b"]))


def polars_frame() -> pl.DataFrame:
    frame = pl.DataFrame(COLUMNS)
    return frame.with_columns(
        pl.Series("enum", [TEXT, TEXT], dtype=pl.Enum([TEXT])),
        pl.Series("enums", [[TEXT], [TEXT]], dtype=pl.List(pl.Enum([TEXT]))),
        pl.Series("cat", [TEXT, TEXT], dtype=pl.Categorical),
        pl.Series("object", [Hue.RED, Hue.RED], dtype=pl.Object),
    )


def duckdb_relation() -> Any:
    connection = duckdb.connect()
    connection.execute(f"create type hue as enum ('{TEXT}')")
    return connection.sql(
        f"select '{TEXT}' a, '{TEXT}'::hue b, {NUMBER} c, ['{TEXT}'::hue] d, {{'q': '{TEXT}'}} e"
    )


def arrow_table() -> pa.Table:
    table = pa.table(COLUMNS)
    return table.append_column("dictionary", pa.array([TEXT, TEXT]).dictionary_encode())


@dataclasses.dataclass
class Holder:
    frame: Any
    name: str = "n"


class Talker:
    """Its repr tells all."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame

    def __repr__(self) -> str:
        return f"Talker({self._frame.to_dict()})"


class Slotted:
    __slots__ = ("frame",)

    def __init__(self, frame: Any) -> None:
        self.frame = frame

    def __repr__(self) -> str:
        return str(self.frame.to_dict())


class Globally:
    """Its repr shows a frame that is not its own."""

    def __repr__(self) -> str:
        return str(EVERYWHERE)


EVERYWHERE = pd.DataFrame({"t": [TEXT]})


def series_row() -> pd.Series[Any]:
    return pandas_frame().iloc[0]


MAKES: dict[str, Callable[[], Any]] = {
    "pandas": pandas_frame,
    "pandas multi-index": lambda: pandas_frame().set_index(["text", "whole"]),
    "pandas arrow": lambda: pd.DataFrame({"t": [TEXT]}).convert_dtypes(dtype_backend="pyarrow"),
    "pandas row": series_row,
    "pandas column": lambda: pandas_frame()["text"],
    "pandas named row": lambda: pandas_frame()["cat"].value_counts(),
    "pandas index": lambda: pandas_frame().index,
    "pandas categorical": lambda: pandas_frame()["cat"].array,
    "pandas styler": lambda: pd.DataFrame({"t": [TEXT]}).style,
    "pandas group-by": lambda: pandas_frame().groupby("text"),
    "pandas series group-by": lambda: pandas_frame().groupby("text")["whole"],
    "pandas window": lambda: pandas_frame()["whole"].rolling(2),
    "pandas str": lambda: pandas_frame()["text"].str,
    "pandas iloc": lambda: pandas_frame().iloc,
    "polars": polars_frame,
    "polars lazy": lambda: polars_frame().lazy(),
    "polars series": lambda: polars_frame()["text"],
    "polars literal": lambda: pl.lit(TEXT),
    "polars group-by": lambda: polars_frame().group_by("text"),
    "arrow": arrow_table,
    "arrow column": lambda: arrow_table()["text"],
    "arrow array": lambda: pa.array([TEXT]),
    "arrow dictionary": lambda: pa.array([TEXT]).dictionary_encode(),
    "arrow batch": lambda: arrow_table().to_batches()[0],
    "arrow dataset": lambda: pyarrow.dataset.dataset(arrow_table()),
    "arrow reader": lambda: arrow_table().to_reader(),
    "arrow scalar": lambda: pa.scalar(TEXT),
    "duckdb": duckdb_relation,
    "ibis": lambda: ibis.memtable(pa.table({"t": [TEXT], "n": [NUMBER]})),
    "ibis column": lambda: ibis.memtable(pa.table({"t": [TEXT]})).t,
    "ibis literal": lambda: ibis.literal(TEXT),
    "dask": lambda: dd.from_pandas(pd.DataFrame({"t": [TEXT], "c": pd.Categorical([TEXT])}), npartitions=1),
    "dask series": lambda: dd.from_pandas(pd.DataFrame({"t": [TEXT]}), npartitions=1).t,
    "dask indexed": lambda: dd.from_pandas(pd.DataFrame({"n": [1]}, index=[TEXT]), npartitions=1),
    "narwhals": lambda: nw.from_native(pandas_frame()),
    "geopandas": lambda: geopandas.GeoDataFrame({"t": [TEXT]}, geometry=[shapely.Point(NUMBER, 1)]),
    "geoseries": lambda: geopandas.GeoSeries([shapely.Point(NUMBER, 1)]),
    "xarray": lambda: xarray.Dataset({"v": ("x", [NUMBER])}, coords={"x": [TEXT]}, attrs={"note": TEXT}),
    "xarray array": lambda: xarray.DataArray([NUMBER], coords={"x": [TEXT]}),
    "numpy": lambda: np.array([NUMBER]),
    "numpy text": lambda: np.array([TEXT]),
    "numpy record": lambda: pandas_frame()[["whole"]].to_records(),
    "numpy objects": lambda: pandas_frame().to_numpy(),
    "list": lambda: [pandas_frame(), 3],
    "dict": lambda: {"a": {"b": {"c": {"d": {"e": pandas_frame()}}}}},
    "tuple in list": lambda: [[[[[polars_frame()]]]]],
    "dataclass": lambda: Holder(pandas_frame()),
    "dataclass in list": lambda: [Holder(pandas_frame())],
    "namespace": lambda: types.SimpleNamespace(frame=pandas_frame()),
    "own repr": lambda: Talker(pandas_frame()),
    "own repr in list": lambda: [Talker(pandas_frame())],
    "own repr in dict, deep": lambda: {"a": [{"b": Talker(pandas_frame())}]},
    "slots": lambda: Slotted(pandas_frame()),
    "global": Globally,
    "row": lambda: next(pandas_frame().iterrows()),
    "rows": lambda: dict(pandas_frame().iterrows()),
    "tuples": lambda: next(pandas_frame()[["text"]].itertuples()),
    "groups": lambda: pandas_frame().groupby("text").groups,
    "category dtype": lambda: pandas_frame()["cat"].dtype,
    "accessor": lambda: pandas_frame()["cat"].cat,
    "partial": lambda: functools.partial(print, pandas_frame()),
    "bound method": lambda: Talker(pandas_frame()).__repr__,
    "iterator": lambda: iter([pandas_frame()]),
    "group list": lambda: list(pandas_frame().groupby("text")),
    "group dict": lambda: dict(list(pandas_frame().groupby("text"))),
    "closure": lambda: (lambda frame: lambda: frame)(pandas_frame()),
    "default": lambda: eval("lambda x=x: x", {"x": pandas_frame()}),
    "set of holders": lambda: {Talker(pandas_frame())},
    "itertuple": lambda: next(pd.DataFrame({"t": [1]}).itertuples()),
}


@pytest.mark.parametrize("name", list(MAKES))
def test_no_cell_value_leaves_under_rows_none(name: str) -> None:
    shown = attach(MAKES[name](), "value", NONE)
    assert shown and leaks(shown) == []
    assert not any(a.rows for a in shown)


@pytest.mark.parametrize("name", ["pandas", "polars", "arrow", "duckdb", "list", "dataclass"])
def test_the_canary_does_sing_when_rows_may_leave(name: str) -> None:
    shown = attach(MAKES[name](), "value", Rules(rows="10"))
    assert name == "dataclass" or leaks(shown)
    assert any(a.rows for a in shown) or name == "dataclass"


def failing(frame: pd.DataFrame) -> None:
    row = frame.iloc[0]
    name = row["text"]
    raise ValueError(f"bad row {name}: {row.to_dict()} and {NUMBER}")


def failures() -> dict[str, Callable[[], Any]]:
    frame = pandas_frame()

    def chained() -> None:
        try:
            failing(frame)
        except ValueError as error:
            raise RuntimeError(f"while loading {TEXT.lower()}") from error

    def noted() -> None:
        error = ValueError("x")
        error.add_note(f"the value was {TEXT}")
        raise error

    def grouped() -> None:
        raise ExceptionGroup(TEXT, [ValueError(TEXT), KeyError(NUMBER)])

    return {
        "own": lambda: failing(frame),
        "chained": chained,
        "noted": noted,
        "grouped": grouped,
        "astype": lambda: frame["text"].astype(float),
        "dates": lambda: pd.to_datetime(frame["text"]),
        "key": lambda: {}[frame["text"].iloc[0]],
        "label": lambda: frame.loc[f"{frame.index[0]}?"],
        "polars": lambda: polars_frame()["text"].str.to_integer(),
        "arrow": lambda: pa.array([TEXT]).cast(pa.int64()),
        "int": lambda: int(frame["text"].iloc[0]),
        "duckdb": lambda: duckdb.connect().sql(f"select '{TEXT}'::int").fetchall(),
    }


@pytest.mark.parametrize("name", list(failures()))
def test_errors_tell_no_cell_value_under_rows_none(name: str) -> None:
    with pytest.raises(Exception) as caught:
        failures()[name]()
    shown = attach(caught.value, "error", NONE)
    # Source lines are the user's code, not cells: what the tests above wrote there does not count.
    said = shown[0].blocks[0]["text"]
    beyond = "\n".join(
        line
        for line in said.splitlines()
        if TEXT not in line or ("-->" not in line and not line.startswith("    "))
    )
    assert (
        TEXT not in beyond
        and str(NUMBER) not in beyond
        and TEXT.lower() not in beyond.replace("TEXT.lower", "")
    )
    assert type(caught.value).__name__ in said


def test_files_tell_no_cell_value_under_rows_none(tmp_path: Path) -> None:
    frame = pd.DataFrame({"t": [TEXT], "n": [NUMBER]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    frame.to_parquet(tmp_path / "a.parquet")
    frame.to_feather(tmp_path / "a.feather")
    notebook = {
        "cells": [
            {
                "cell_type": "code",
                "source": "df",
                "outputs": [
                    {
                        "output_type": "execute_result",
                        "data": {"text/plain": TEXT, "text/html": f"<table>{TEXT}"},
                    },
                    {"output_type": "stream", "text": [TEXT]},
                    {"output_type": "error", "ename": "KeyError", "evalue": TEXT, "traceback": [TEXT]},
                ],
            }
        ]
    }
    (tmp_path / "a.ipynb").write_text(json.dumps(notebook))
    for path in sorted(tmp_path.iterdir()):
        shown = attach_file(path, NONE)
        assert leaks(shown) == [], path.name
        assert not any(a.rows for a in shown)
