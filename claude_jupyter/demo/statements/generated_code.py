"""Code in the demo's answers that runs: for a dataframe that was shown, by its own name and columns; for an error, the cell again.

So that `--code` and `%claude_fix` give a cell that runs. The one mistake that can be corrected without understanding is a misspelt name.
"""

from __future__ import annotations

import ast
import json
import re
from difflib import get_close_matches
from typing import Final, NamedTuple

from claude_jupyter.demo.reading import Column, Frame, Seen

FEW: Final = 50
"""Groups that fit a table."""
_ASKS_FOR_CODE = re.compile(r"\b(code|cell|pandas|polars|compute|calculate|function|script)\b", re.IGNORECASE)
_CELL = re.compile(r"the failing cell:\n(.*?)\n\n(?=Traceback|\w+(?:Error|Exception|Warning)\b)", re.DOTALL)
_UNDEFINED = re.compile(r"^NameError: name '(\w+)' is not defined", re.MULTILINE)
_VARIABLE = re.compile(r"^  (\w+) = ", re.MULTILINE)


class Code(NamedTuple):
    """Code, and the words before it."""

    words: str
    text: str


def code_for(seen: Seen) -> Code | None:
    """A short cell for an error's cell or for the first dataframe; None where there is neither."""
    for text in seen.texts:
        if text.kind == "error" and (cell := _CELL.search(text.text)):
            return _corrected(cell[1].strip("\n"), text.text, seen.labels_before)
    for frame in seen.frames or (seen.before if _ASKS_FOR_CODE.search(seen.prompt) else ()):
        if frame.columns and (code := _frame_code(frame, seen.prompt)):
            return Code(f"Code that runs on `{frame.label}` as it is:", code)
    return None


def _corrected(cell: str, told: str, labels: tuple[str, ...]) -> Code:
    """The cell with a misspelt name put right, else as it was."""
    if wrong := _UNDEFINED.search(told):
        words = set(re.findall(r"[^\W\d]\w*", cell)) | set(_VARIABLE.findall(told)) | set(labels)
        near = get_close_matches(wrong[1], sorted(words - {wrong[1]}), n=1, cutoff=0.7)
        if near:
            text = re.sub(rf"\b{wrong[1]}\b", near[0], cell)
            return Code(f"The name `{wrong[1]}` is not defined; `{near[0]}` is the nearest one:", text)
    return Code("The offline demo cannot correct this; here is the failing cell as it was:", cell)


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
        return f"{label}.groupby({by})[{_q(number.name)}].mean().round(2)"
    if group is not None:
        return f"{label}.groupby({_q(group.name)})[{_q(number.name)}].mean().round(2)"
    return f"{label}[{_q(number.name)}].describe()"


def _polars(label: str, frame: Frame, prompt: str) -> str:
    number = _pick([c for c in frame.columns if c.is_number], prompt)
    group = _pick([c for c in frame.columns if not (c.is_number or c.is_time) and c.distinct <= FEW], prompt)
    if number is None or group is None or "LazyFrame" in frame.title:
        return f"{label}.describe()"
    return (
        "import polars as pl\n\n"
        f"{label}.group_by({_q(group.name)}).agg(pl.col({_q(number.name)}).mean()).sort({_q(group.name)})"
    )
