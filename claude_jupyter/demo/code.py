"""Working code for a dataframe that was shown: by its own name and its own columns, so that `--code` gives a cell that runs."""

from __future__ import annotations

import ast
import json

from claude_jupyter.demo.reading import Column, Frame, Seen

FEW = 50
"""Groups that fit a table."""


def code_for(seen: Seen) -> str:
    """A short cell for the first dataframe, or for the failing cell of an error; empty where there is neither."""
    for frame in seen.frames:
        if frame.columns:
            return _frame_code(frame, seen.prompt)
    return ""


def _frame_code(frame: Frame, prompt: str) -> str:
    label, load = frame.label, ""
    if label.lower().endswith(".csv"):  # a file: `sales.csv` would also be an attribute
        times = [c.name for c in frame.columns if c.is_time]
        dates = f", parse_dates={json.dumps(times, ensure_ascii=False)}" if times else ""
        load, label = f"import pandas as pd\n\ndf = pd.read_csv({_q(label)}{dates})\n", "df"
    elif not _is_expression(label):
        return ""
    elif frame.library == "polars":
        return _polars(label, frame, prompt)
    elif frame.library != "pandas" or "Series" in frame.title:
        return ""
    return load + _pandas(label, frame, prompt)


def _q(name: str) -> str:
    return json.dumps(name, ensure_ascii=False)


def _is_expression(label: str) -> bool:
    try:
        tree = ast.parse(label, mode="eval").body
    except (SyntaxError, ValueError):
        return False
    return isinstance(tree, ast.Name | ast.Attribute | ast.Subscript)


def _pick(columns: list[Column], prompt: str) -> Column | None:
    """The column that the prompt names, else the first."""
    return next((c for c in columns if c.name.lower() in prompt.lower()), columns[0] if columns else None)


def _pandas(label: str, frame: Frame, prompt: str) -> str:
    number = _pick([c for c in frame.columns if c.is_number], prompt)
    time = _pick([c for c in frame.columns if c.is_time], prompt)
    group = _pick([c for c in frame.columns if not (c.is_number or c.is_time) and c.distinct <= FEW], prompt)
    if number is None:
        return f"{label}.describe()"
    if time is not None:
        by = f'{label}[{_q(time.name)}].dt.month.rename("month")'
        return f"by_month = {label}.groupby({by})[{_q(number.name)}].mean().round(2)\nby_month"
    if group is not None:
        return f"by_group = {label}.groupby({_q(group.name)})[{_q(number.name)}].mean().round(2)\nby_group"
    return f"{label}[{_q(number.name)}].describe()"


def _polars(label: str, frame: Frame, prompt: str) -> str:
    number = _pick([c for c in frame.columns if c.is_number], prompt)
    group = _pick([c for c in frame.columns if not (c.is_number or c.is_time) and c.distinct <= FEW], prompt)
    if number is None or group is None or "LazyFrame" in frame.title:
        return f"{label}.describe()"
    return (
        "import polars as pl\n\n"
        f"by_group = {label}.group_by({_q(group.name)}).agg(pl.col({_q(number.name)}).mean()).sort({_q(group.name)})\nby_group"
    )
