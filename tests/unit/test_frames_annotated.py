"""What the notebook shows of a frame besides its cells: axis names, attrs, categories, groups, a Styler's caption and formats."""

from __future__ import annotations

from typing import Any

import pandas as pd
import polars as pl
import pytest

from claude_jupyter.content import attach
from claude_jupyter.content.rules import Rules


def text(value: Any, rows: str = "10") -> str:
    return "\n".join(b["text"] for a in attach(value, "v", Rules(rows=rows)) for b in a.blocks)


SALES = pd.DataFrame({"region": ["north", "south", "north"], "year": [2024, 2024, 2025], "units": [3, 5, 8]})
SIZES = pd.Categorical(["M", "S", "L"], categories=["S", "M", "L"], ordered=True)


def with_attrs() -> pd.DataFrame:
    frame = SALES.copy()
    frame.attrs = {"source": "survey 12", "unit": "kg"}
    return frame


def named_columns() -> pd.DataFrame:
    return SALES.pivot_table(index="region", columns="year", values="units")


@pytest.mark.parametrize(
    ("value", "pieces"),
    [
        (SALES.groupby("region"), ["grouped by region: 2 groups", "north (2), south (1)"]),
        (SALES.groupby(["region", "year"]), ["grouped by region, year: 3 groups", "north / 2024 (1)"]),
        (SALES.groupby("region")["units"], ["grouped by region: 2 groups", "north (2)"]),
        (SALES.groupby(SALES["units"] > 4), ["grouped by units: 2 groups", "True (2)"]),
        (SALES.groupby(lambda i: i % 2), ["grouped by an unnamed key: 2 groups", "0 (2), 1 (1)"]),
        (SALES.groupby(level=0), ["3 groups"]),
        (SALES.iloc[:0].groupby("region"), ["grouped by region: 0 groups"]),
        (pl.from_pandas(SALES).group_by("region"), ["grouped by region: 2 groups", "north (2), south (1)"]),
        (pl.from_pandas(SALES).group_by("region", "year"), ["grouped by region, year: 3 groups"]),
        (named_columns(), ["column axis named: year", "index: Index named region"]),
        (named_columns().T, ["column axis named: region"]),
        (SALES.set_axis(pd.MultiIndex.from_tuples([(1, "a"), (1, "b"), (2, "a")], names=["p", "q"]), axis=1), ["p, q"]),
        (with_attrs(), ["attrs['source'] = 'survey 12'", "attrs['unit'] = 'kg'"]),
        (with_attrs()["units"], ["attrs['unit'] = 'kg'"]),
        (pd.DataFrame({"size": SIZES}), ["categories of size in order: S < M < L"]),
        (pd.Series(SIZES), ["categories of values in order: S < M < L"]),
        (pl.Series("size", ["M"], dtype=pl.Enum(["S", "M", "L"])), ["categories of size in order: S < M < L"]),
        (pl.DataFrame({"a": [1], "b": ["M"]}, schema_overrides={"b": pl.Enum(["S", "M"])}), ["categories of b in order: S < M"]),
        (pd.DataFrame({"size": pd.Categorical(["b"], ["z", "b"])}), ["categories of size in order: z, b"]),
        (pd.Series(SIZES, name="size"), ["S < M < L"]),
        (pd.DataFrame({"n": pd.Categorical([1], range(30))}), ["… 10 more"]),
        (SALES.style.set_caption("Units sold"), ["caption: Units sold"]),
        (SALES.style.set_caption(("Long caption", "short")), ["caption: Long caption"]),
        (SALES.style.format({"units": "{:.2f} kg"}), ["3.00 kg", "8.00 kg"]),
        (SALES.style.format("{:>5}", subset=["year"]), ["2024"]),
        (SALES.style.hide(subset=["units"], axis="columns"), ["3 rows × 2 columns", "1 column hidden by the Styler"]),
        (SALES.style.hide(subset=[0]), ["2 rows × 3 columns", "1 row hidden"]),
        (SALES.style.format({"units": "{:.1f}"}).hide(subset=["region"], axis="columns"), ["5.0"]),
    ],
)  # fmt: skip
def test_what_the_notebook_shows_of_a_frame_reaches_claude(value: Any, pieces: list[str]) -> None:
    said = text(value)
    assert all(piece in said for piece in pieces), said


def test_a_styler_that_cannot_format_shows_the_plain_values() -> None:
    broken = SALES.style.format({"units": lambda x: 1 / 0})
    assert "3 rows × 3 columns" in text(broken) and "north" in text(broken)
    lines = pd.DataFrame({"a": ["x\ny", "z"]}).style
    assert "x\\ny" in text(lines)


CANARY = "CANARY7351"


@pytest.mark.parametrize(
    "value",
    [
        pd.DataFrame({"a": [CANARY], "b": [1]}).groupby("a"),
        pd.DataFrame({"a": [CANARY], "b": [1]}).groupby(["a", "b"])["b"],
        pl.DataFrame({"a": [CANARY], "b": [1]}).group_by("a"),
        pd.DataFrame({"a": [CANARY]}).style.set_caption(CANARY),
        pd.DataFrame({"a": [1.0]}).style.format(f"{CANARY} {{}}"),
        pd.DataFrame({"a": pd.Categorical(["x"], ["x", CANARY], ordered=True)}),
    ],
)
def test_rows_none_keeps_their_values_in(value: Any) -> None:
    assert CANARY not in text(value, rows="none")


def test_rows_none_names_the_attrs_and_not_their_values() -> None:
    frame = pd.DataFrame({"a": [1]})
    frame.attrs["note"] = CANARY
    assert "attrs: note" in text(frame, rows="none") and CANARY not in text(frame, rows="none")
