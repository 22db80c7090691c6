"""Code in the demo's answers that runs: for a dataframe that was shown, by its own name and columns; for an error, the cell again.

So that `--code` and `%claude_fix` give a cell that runs.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Final, NamedTuple

from claude_jupyter.demo.request_reader import ParsedRequest
from claude_jupyter.demo.statements.error_causes import diagnose
from claude_jupyter.demo.statements.profile_text import Column, Frame
from claude_jupyter.demo.statements.profiles import outlying
from claude_jupyter.demo.statements.wording import DOUBT, named_in

FEW: Final = 50
"""Groups that fit a table."""
_ASKS_FOR_CODE = re.compile(r"\b(code|cell|pandas|polars|compute|calculate|function|script)\b", re.IGNORECASE)
_EXTREME: Final = re.compile(
    r"\b(highest|largest|most|maximum|extreme|warmest|wettest|top|stands? out)\b", re.IGNORECASE
)


class Code(NamedTuple):
    """Code, and the words before it."""

    words: str
    text: str


def code_for(request: ParsedRequest) -> Code | None:
    """A short cell for an error's cell or for the first dataframe; None if there is neither."""
    for text in request.texts:
        if text.kind == "error" and (diagnosis := diagnose(text.text, request.labels_before)):
            if diagnosis.corrected:
                return Code("The corrected cell:", diagnosis.corrected)
            return (
                Code("The demo has no rule that corrects this; the cell as it was:", diagnosis.cell)
                if diagnosis.cell
                else None
            )
    before = request.before if _ASKS_FOR_CODE.search(request.prompt) else ()
    for frame in request.frames or before:
        if frame.columns and (code := _frame_code(frame, request.prompt)):
            return code
    return None


def _frame_code(frame: Frame, prompt: str) -> Code | None:
    label, load = frame.label, ""
    if label.lower().endswith(".csv"):  # a file: `sales.csv` would also be an attribute
        times = [c.name for c in frame.columns if c.is_time]
        dates = f", parse_dates={json.dumps(times, ensure_ascii=False)}" if times else ""
        load, label = f"import pandas as pd\n\ndf = pd.read_csv({_q(label)}{dates})\n", "df"
    elif not _is_expression(label):
        return None
    elif frame.library == "polars":
        return Code("The same in code:", _polars(label, frame, prompt))
    elif frame.library != "pandas" or "Series" in frame.title:
        return None
    words, text = _pandas(label, frame, prompt)
    return Code(words, load + text)


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
    return next((c for c in columns if named_in(c.name, prompt)), columns[0] if columns else None)


def _grouping(frame: Frame, prompt: str) -> Column | None:
    return _pick([c for c in frame.columns if not (c.is_number or c.is_time) and c.distinct <= FEW], prompt)


def _pandas(label: str, frame: Frame, prompt: str) -> Code:
    number = _pick([c for c in frame.columns if c.is_number], prompt)
    time = _pick([c for c in frame.columns if c.is_time], prompt)
    group = _grouping(frame, prompt)
    if DOUBT.search(prompt):
        return _checks(label, frame, number)
    if number is None:
        return Code("All columns at a glance:", f'{label}.describe(include="all")')
    name = _q(number.name)
    if _EXTREME.search(prompt) and (frame.count or 0) > FEW:
        return Code(f"The rows where `{number.name}` is highest:", f"{label}.nlargest(5, {name})")
    if time is not None:
        by = f'{label}[{_q(time.name)}].dt.month.rename("month")'
        return Code(
            f"The mean of `{number.name}` by month:", f"{label}.groupby({by})[{name}].mean().round(2)"
        )
    if group is not None and (group.distinct < (frame.count or 0)):
        text = f"{label}.groupby({_q(group.name)})[{name}].mean().round(2)"
        return Code(f"The mean of `{number.name}` in each `{group.name}`:", text)
    if (frame.count or 0) <= FEW:
        return Code(f"Sorted by `{number.name}`:", f"{label}.sort_values({name}, ascending=False)")
    return Code(f"How `{number.name}` is distributed:", f"{label}[{name}].describe()")


def _checks(label: str, frame: Frame, number: Column | None) -> Code:
    """Three checks of a table: gaps, repeated rows, and values far from the rest."""
    lines = [
        f'print("missing values:", {label}.isna().sum().sum())',
        f'print("duplicate rows:", {label}.duplicated().sum())',
    ]
    far = next(((c, limit) for c in frame.columns if (limit := outlying(c))), None)
    if far is not None:
        column, (limit, above) = far
        sign = ">" if above else "<"
        lines.append(f"{label}[{label}[{_q(column.name)}] {sign} {limit:.4g}]")
    elif number is not None:
        lines.append(f"{label}[{_q(number.name)}].describe()")
    return Code("Some checks to start with:", "\n".join(lines))


def _polars(label: str, frame: Frame, prompt: str) -> str:
    number = _pick([c for c in frame.columns if c.is_number], prompt)
    group = _grouping(frame, prompt)
    if number is None or group is None or "LazyFrame" in frame.title:
        return f"{label}.describe()"
    return (
        "import polars as pl\n\n"
        f"{label}.group_by({_q(group.name)}).agg(pl.col({_q(number.name)}).mean()).sort({_q(group.name)})"
    )
