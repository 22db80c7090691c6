"""Dataframes and series of any library → a profile within `frame_tokens`, under the rules for rows.

Eager frames go through `backends.py`, lazy and distributed ones through `lazy.py` (never collected); what is said of a column is
`profile.py`, how much of it fits `summarize.py` and `layout.py`.
"""

from __future__ import annotations

import warnings
from typing import Any

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.dataframes import backends, lazy, summarize
from claude_jupyter.content.guard import first_line, type_name
from claude_jupyter.content.kinds import is_frame, shape_of
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text.fence import clip
from claude_jupyter.errors import AttachmentError, ClaudeError


def attach(value: Any, label: str, rules: Rules) -> Attachment | None:
    """The profile of a frame or series; None for anything else.

    Raises
    ------
    AttachmentError
        If it cannot be read at all, with the reason; nothing is sent in its place.
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
        if isinstance(error, ClaudeError):
            raise
        problem = f"{label} cannot be read: {first_line(error)} ({type_name(type(error), short=True)})"
        raise AttachmentError(problem) from None


def _attach(value: Any, label: str, rules: Rules) -> Attachment | None:
    table = backends.table(value)
    if table is not None:
        return summarize.attach_table(table, label, rules)
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
    if not values and table is not None and table.title.endswith(tuple(summarize.SERIES)):
        return f"{shape}: {', '.join(table.dtypes)}"
    return clip(f"{shape}: {', '.join(f'{clip(n, 40)} {clip(d, 40)}' for n, d in schema.items())}", width)
