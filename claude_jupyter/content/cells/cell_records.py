"""What a cell showed, as frozen values of known size that keep none of the user's objects alive."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from claude_jupyter.answer.codec import MIME
from claude_jupyter.content.cells.origin import Origin
from claude_jupyter.content.figures.embedded import BOKEH, PAGE, holds_chart

IMAGES: Final = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/svg+xml")
TEXT: Final = 64_000
"""Characters kept of one displayed text."""
SAYS_NOTHING: Final = re.compile(r"<[\w.<>]+(?: object)?(?: at 0x[0-9a-fA-F]+)?>")
"""The default repr of objects that define none."""

SPECS: Final = ("application/vnd.plotly", "application/vnd.vegalite", "application/vnd.vega")
"""Prefixes of mime types of charts that reach the page as JSON and are drawn there."""

WIDGET: Final = "application/vnd.jupyter.widget-view+json"


@dataclass(frozen=True, slots=True)
class CellOutput:
    """One thing a cell showed: a picture, a chart's JSON, or a text.

    Attributes
    ----------
    media_type
        `image/png`, `text/plain`, `text/html` where the text says nothing, `application/vnd.plotly.v1+json` …
    data
        As the library gave it: bytes, base64 or SVG text, text, or JSON.
    display_id
        The id by which it can be updated, if it has one.
    table
        Whether it shows a dataframe's cells (`--rows` governs it).
    value
        Whether it is the cell's last value rather than displayed on the way.
    origin
        The figure that was shown as this picture.
    """

    media_type: str
    data: Any
    display_id: str | None = None
    table: bool = False
    value: bool = False
    origin: Origin | None = field(default=None, compare=False)

    @property
    def is_image(self) -> bool:
        """Whether it is, or can be drawn as, a picture."""
        return not self.media_type.startswith("text/")


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a cell, in the order in which the notebook shows them.

    Attributes
    ----------
    index
        Its place in `Cell.displayed`; None for printed text, and for what cannot be shown to Claude (a widget).
    spans
        Of printed text: its parts, as (start, end) in `Cell.text`.
    """

    index: int | None = None
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """One execution of a cell, finished.

    Attributes
    ----------
    source
        As typed.
    id, count
        The notebook's id of the cell and the execution count, if there are any.
    text
        What was printed (stdout and stderr), as it came.
    displayed
        What was displayed and the last value, in order, in their last state.
    error, error_name
        Traceback as text and the exception's class; empty if it succeeded.
    asks
        Whether the cell itself asks Claude: what it shows is in the conversation already.
    refused
        Whether its error is one of ours: a magic or question that was refused, not the user's code.
    left_out
        Characters and bytes that were too much to be kept.
    outputs
        The outputs below the cell without its error, which is the last one.
    """

    source: str
    id: str | None = None
    count: int | None = None
    text: str = ""
    displayed: tuple[CellOutput, ...] = ()
    error: str = ""
    error_name: str = ""
    asks: bool = False
    refused: bool = False
    left_out: int = 0
    outputs: tuple[Output, ...] = ()

    @property
    def label(self) -> str:
        """`In[5]`, as in the notebook's margin."""
        return "a cell" if self.count is None else f"In[{self.count}]"

    @property
    def images(self) -> tuple[CellOutput, ...]:
        """Its pictures."""
        return tuple(s for s in self.displayed if s.is_image)

    @property
    def output_count(self) -> int:
        """How many outputs the notebook shows below it."""
        return len(self.outputs) + bool(self.error)

    def output(self, number: int) -> CellOutput | None:
        """Its output of that number, counted from 1; None for one that cannot be shown to Claude, such as a widget."""
        if number == self.output_count and self.error:
            return CellOutput("text/plain", self.error)
        output = self.outputs[number - 1]
        if output.index is not None:
            return self.displayed[output.index]
        text = "".join(self.text[start:end] for start, end in output.spans)
        return CellOutput("text/plain", text) if text else None

    @property
    def size(self) -> int:
        """About how many bytes it keeps."""
        return (
            1000
            + len(self.source)
            + len(self.text)
            + len(self.error)
            + sum(weight(s.data) for s in self.displayed)
        )


def outputs_in(
    bundle: Mapping[str, Any], display_id: str | None = None, *, value: bool = False
) -> tuple[CellOutput, ...]:
    """What Claude can be shown of a mimebundle: its image, else its text; nothing for widgets and our own answers."""
    if MIME in bundle or WIDGET in bundle:
        return ()
    kinds = [kind for kind in IMAGES if bundle.get(kind)]
    kinds += [kind for kind in bundle if kind.startswith(SPECS)]
    if kinds:
        return (CellOutput(kinds[0], bundle[kinds[0]], display_id, value=value),)
    html = bundle.get("text/html")
    if BOKEH in bundle and isinstance(bundle.get("application/javascript"), str):
        return (CellOutput(BOKEH, bundle["application/javascript"], display_id, value=value),)
    if isinstance(html, str) and holds_chart(html):
        return (CellOutput(PAGE, html, display_id, value=value),)
    text = bundle.get("text/markdown") or bundle.get("text/plain") or bundle.get("text/latex")
    table = isinstance(html, str) and "<table" in html
    if not isinstance(text, str):
        return ()
    if SAYS_NOTHING.fullmatch(text):  # what is on the screen says it
        latex = bundle.get("text/latex")
        text = latex if isinstance(latex, str) else text
        if isinstance(html, str) and len(html) <= TEXT:
            return (CellOutput("text/html", html, display_id, table, value),)
    return (CellOutput("text/plain", shortened(text), display_id, table, value),)


def shortened(text: str) -> str:
    """The text, or the beginning and end of one that is too long to be kept."""
    half = TEXT // 2
    return (
        text
        if len(text) <= TEXT
        else f"{text[:half]}\n[… {len(text) - TEXT:,} characters left out …]\n{text[-half:]}"
    )


def weight(data: Any, depth: int = 6) -> int:
    """About how many bytes a bundle's data takes; long lists are judged by their beginning."""
    if isinstance(data, str | bytes | bytearray):
        return len(data) + 50
    if depth == 0:
        return 100
    if isinstance(data, Mapping):
        return 100 + sum(weight(value, depth - 1) + 60 for value in data.values())
    if isinstance(data, list | tuple):
        head = data[:8]
        return 60 + (sum(weight(item, depth - 1) for item in head) * len(data) // len(head) if head else 0)
    return 30
