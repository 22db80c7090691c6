"""What is sent of the bank's frames and figures: by this package, and what `describe()` with `head()` and `str()` of a frame say.

`tests/benchmarks/bench_look.py` adds what other packages send, each from an environment of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from support import bank, figure_bank

from claude_jupyter.content import attach
from claude_jupyter.content.figures.data.beside import figure_data, with_text
from claude_jupyter.content.images import convert
from claude_jupyter.content.rules import Rules
from claude_jupyter.errors import ClaudeError
from claude_jupyter.kernel.look.query import Query, Select
from claude_jupyter.kernel.look.tool import Here

RULES = Rules()


def profiles(namespace: Mapping[str, Any]) -> dict[str, str]:
    """Our profile of each frame."""
    return {name: attach(value, name, RULES)[0].blocks[0]["text"] for name, value in namespace.items()}


def described() -> dict[str, str]:
    """`describe()` and `head()` of each frame, printed."""
    return {n: f"{t.describe().to_string()}\n\n{t.head().to_string()}" for n, t in bank.tables().items()}


def printed() -> dict[str, str]:
    """`str()` of each frame: what jupyter-ai's `{df}` sends."""
    return {name: str(table) for name, table in bank.tables().items()}


def asks(here: Here) -> Callable[[str], str]:
    """The tool `query`, by its statement."""

    @cache
    def query(sql: str) -> str:
        try:
            return str(Query().handle(Select(sql), here).attachments(RULES)[0].blocks[0]["text"])
        except ClaudeError as error:
            return error.message

    return query


def figures() -> dict[str, tuple[str, figure_bank.Expected]]:
    """Of each figure the text that goes beside its picture, and the values that were drawn. Nothing is drawn for it."""
    from matplotlib import pyplot as plt
    from PIL import Image

    picture = convert.from_pil(Image.new("RGB", (8, 8)), "fig", RULES)
    texts: dict[str, tuple[str, figure_bank.Expected]] = {}
    for name, make in figure_bank.FIGURES.items():
        figure, drawn = make()
        texts[name] = with_text(picture, figure_data(figure), RULES).blocks[-1].get("text", ""), drawn
        plt.close("all")
    return texts
