"""The text sent with a figure's image: chooses the library's reader and builds the block."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.figures import embedded, mpl
from claude_jupyter.content.figures.data.matplotlib_data import from_matplotlib
from claude_jupyter.content.figures.data.series import TOKENS, FigureData, text_of
from claude_jupyter.content.figures.data.spec_data import from_bokeh, from_plotly, from_vega_lite
from claude_jupyter.content.guard import guarded, libraries, method
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text.fence import Redactor, fenced
from claude_jupyter.content.text.token_estimate import tokens_of_text


def with_numbers(image: Attachment, value: Any, rules: Rules) -> Attachment:
    """The image of a figure with what the figure object holds next to it; the image alone where it holds nothing to read.

    Parameters
    ----------
    value
        The figure, or a part of it. It is read, never drawn or changed.
    """
    if not rules.figure_data:
        return image
    data = guarded(lambda: figure_data(value)).value
    return with_text(image, data, rules)


def numbers_alone(value: Any, label: str, rules: Rules) -> Attachment | None:
    """What a figure holds that only a browser can draw, without the picture, which would take seconds; None for anything else."""
    if not rules.figure_data or not _BY_BROWSER & libraries(value):
        return None
    attachment = with_numbers(Attachment(label, "text", (), "no picture", 0), value, rules)
    return attachment if attachment.blocks else None


def with_text(image: Attachment, data: FigureData | None, rules: Rules) -> Attachment:
    """The image with this description next to it."""
    if not data:
        return image
    values = rules.rows != "none"
    redactor = Redactor(rules)
    label = redactor(image.label)
    tokens = TOKENS - tokens_of_text(fenced("", label, "figure-data"))
    text = guarded(lambda: text_of(data, values=values, tokens=tokens)).value
    if not text:
        return image
    block = fenced(redactor(text), label, "figure-data")
    return replace(
        image,
        blocks=(*image.blocks, {"type": "text", "text": block}),
        tokens=image.tokens + tokens_of_text(block),
        sent=f"{image.sent} + numbers" if values else f"{image.sent} + labels",
        notes=(*image.notes, *redactor.noted(block)),
        rows=image.rows or values,
    )


def figure_data(value: Any) -> FigureData | None:
    """What a figure of any known library holds; None for anything else."""
    figure = mpl.figure_of(value)
    if figure is not None:
        return from_matplotlib(figure)
    names = libraries(value)
    reader = next((read for name, read in _READERS.items() if name in names), None)
    return reader(value) if reader is not None else None


def data_in_output(media_type: str, data: Any) -> FigureData | None:
    """What a chart that a notebook shows as JSON, or as Bokeh's script, holds."""
    if media_type == embedded.BOKEH:
        return _bokeh_script(data)
    if not isinstance(data, Mapping):
        return None
    if media_type.startswith("application/vnd.plotly"):
        return from_plotly(data)
    return from_vega_lite(data) if "vegalite" in media_type else None


def _bokeh_script(script: str) -> FigureData | None:
    if "bokeh" not in sys.modules:
        return None
    from bokeh.document import Document

    roots = [root for d in embedded.bokeh_documents(script) for root in Document.from_json(d).roots]
    figures = [from_bokeh(root) for root in roots]
    return replace(figures[0], panels=tuple(p for one in figures for p in one.panels)) if figures else None


def _seaborn(value: Any) -> FigureData | None:
    figure = mpl.figure_of(getattr(value, "figure", None))
    if figure is None and (compiled := method(value, "plot")) is not None:  # seaborn.objects
        figure = mpl.figure_of(getattr(compiled(), "_figure", None))
    return from_matplotlib(figure, "seaborn") if figure is not None else None


def _as_dict(read: Callable[[Mapping[str, Any]], FigureData]) -> Callable[[Any], FigureData | None]:
    def reader(value: Any) -> FigureData | None:
        to_dict = method(value, "to_dict")
        return read(to_dict()) if to_dict is not None else None

    return reader


def _plotnine(value: Any) -> FigureData | None:
    draw = method(value, "draw")
    if draw is None:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the user has seen them
        return from_matplotlib(draw(show=False), "plotnine")


_BY_BROWSER: Final = {"plotly", "bokeh"}

_READERS: Final[Mapping[str, Callable[[Any], FigureData | None]]] = {
    "seaborn": _seaborn,
    "plotnine": _plotnine,
    "plotly": _as_dict(from_plotly),
    "altair": _as_dict(from_vega_lite),
    "bokeh": from_bokeh,
}
