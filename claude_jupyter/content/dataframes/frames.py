"""Dataframes and series of any library → a profile within `frame_tokens`, under the rules for rows.

Eager frames go through `backends.py`, lazy and distributed ones through `lazy.py` (never collected); what is said of a column is
`profile.py`, how much of it fits `summary.py` and `layout.py`.
"""

from __future__ import annotations

import warnings
from typing import Any

from claude_jupyter.content import backends, lazy, summary
from claude_jupyter.content.fence import clip, text_attachment
from claude_jupyter.content.guard import type_name
from claude_jupyter.content.kinds import is_frame, shape_of
from claude_jupyter.content.rules import Rules
from claude_jupyter.turns import Attachment


def attach(value: Any, label: str, rules: Rules) -> Attachment | None:
    """The profile of a frame or series; None for anything else.

    A frame whose own code fails on the way is told by its type and what went wrong: never a crash.
    """
    if not is_frame(value):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the libraries' words on how we call them are not for the user
            return _attach(value, label, rules)
    except BaseException as error:
        # Polars panics are BaseExceptions; an interrupt must still be one.
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
            raise
        problem = f"could not be profiled: {type_name(type(error), short=True)}"
        text = f"{type_name(type(value))}: {problem}"
        return text_attachment(
            text, label, "dataframe", rules, sent=problem, as_kind="frame", notes=(problem,)
        )


def _attach(value: Any, label: str, rules: Rules) -> Attachment | None:
    table = backends.table(value)
    if table is not None:
        return summary.attach_table(table, label, rules)
    return lazy.attach(value, label, rules)


def schema_line(value: Any, width: int = 600, *, values: bool = True) -> str:
    """A frame on one line, by its schema alone: `pandas DataFrame 3 × 2: a int64, b str`."""
    shape = (shape_of(value) or "").strip("<>")
    try:
        table = backends.table(value)
        schema = lazy.schema(value) if table is None else dict(zip(table.names, table.dtypes, strict=True))
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
            raise
        return f"{shape} (its schema raised {type_name(type(error), short=True)})"
    if not values and table is not None and table.title.endswith(tuple(summary.SERIES)):
        return f"{shape}: {', '.join(table.dtypes)}"
    return clip(f"{shape}: {', '.join(f'{clip(n, 40)} {clip(d, 40)}' for n, d in schema.items())}", width)
