"""Charts and objects that can draw themselves → images, without changing them. Pixels are `content/images/convert.py`'s business.

A library is looked for only where the user has imported it already; what it needs for drawing and lacks is named in one line.
"""

from __future__ import annotations

import inspect
import io
import sys
import warnings
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, Final

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.figures import browser, displayed, embedded, mpl
from claude_jupyter.content.figures.data.beside import data_in_output, with_numbers, with_text
from claude_jupyter.content.figures.data.matplotlib_data import from_matplotlib
from claude_jupyter.content.guard import all_reasons, guarded, libraries, method, mro
from claude_jupyter.content.images import convert
from claude_jupyter.content.images.media_types import decode
from claude_jupyter.content.rules import Rules
from claude_jupyter.errors import AttachmentError, ClaudeError, MissingExtraError

ALTAIR_SCALE: Final = 1.5
"""Altair's default charts are 300 px wide with 10 px type; half as large again can be read."""

IMAGES: Final = ("image/png", "image/jpeg", "image/webp", "image/gif", "image/svg+xml")
REPRS: Final = ("_repr_png_", "_repr_jpeg_", "_repr_svg_", "_repr_mimebundle_")


def draw(value: Any, label: str, rules: Rules) -> Attachment | None:
    """A chart, picture or object that draws itself as an image; None if the value is none.

    An object whose own drawing fails is shown as text, with a note.

    Raises
    ------
    AttachmentError
        For a chart that cannot be drawn.
    MissingExtraError
        If its library needs a part that is not installed.
    """
    figure = mpl.figure_of(value)
    if figure is not None:
        return with_numbers(_matplotlib(figure, label, rules, mpl.part_of(value, figure)), figure, rules)
    from_libraries = libraries(value)
    for name, drawn in _LIBRARIES.items():
        if name in from_libraries:
            attachment = drawn(value, label, rules)
            if attachment is not None:
                return attachment if drawn is _plotnine else with_numbers(attachment, value, rules)
    return _by_repr(value, label, rules)


def from_output(media_type: str, data: Any, label: str, rules: Rules) -> Attachment:
    """A chart that a notebook shows from JSON, HTML or JavaScript (`recorded.CellOutput`), drawn as its library draws it.

    Raises
    ------
    AttachmentError, MissingExtraError
        If it cannot be drawn.
    """
    if media_type == embedded.BOKEH:
        return _bokeh_script(data, label, rules)
    if media_type == embedded.PAGE:
        chart = embedded.chart_in(data)
        if chart is None:
            raise AttachmentError(
                f"{label} is a chart that only the browser can draw: name the figure instead."
            )
        media_type, data = chart
    image = _drawn_from_json(media_type, data, label, rules)
    return (
        with_text(image, guarded(lambda: data_in_output(media_type, data)).value, rules)
        if rules.figure_data
        else image
    )


def _drawn_from_json(media_type: str, data: Any, label: str, rules: Rules) -> Attachment:
    if media_type.startswith("application/vnd.plotly"):
        _need("plotly", "a Plotly figure", "plotly", label)
        from plotly.io import to_image

        figure = {key: data[key] for key in ("data", "layout") if key in data}
        _need("kaleido", "a Plotly figure", "kaleido", label)
        drawn = browser.run(lambda: to_image(figure, format="png", validate=False), label, "a Plotly figure")
        return convert.from_bytes(drawn, label, rules)
    _need("vl_convert", "an Altair chart", "vl-convert-python", label)
    import vl_convert

    draw_png = vl_convert.vegalite_to_png if "vegalite" in media_type else vl_convert.vega_to_png
    with _quietly(label):
        drawn = draw_png(data, scale=ALTAIR_SCALE)
    return convert.from_bytes(drawn, label, rules)


def _bokeh_script(script: str, label: str, rules: Rules) -> Attachment:
    _need("choreographer", "a Bokeh figure", "kaleido, with choreographer", label)
    from bokeh.resources import INLINE

    page = embedded.bokeh_page(script, INLINE.render())
    if page is None:
        raise AttachmentError(
            f"{label} is a Bokeh figure that only the browser can draw: name the figure instead."
        )
    drawn = browser.run(lambda: browser.screenshot(page), label, "a Bokeh figure")
    image = convert.from_bytes(drawn, label, rules)
    if not rules.figure_data:
        return image
    return with_text(image, guarded(lambda: data_in_output(embedded.BOKEH, script)).value, rules)


def _matplotlib(figure: Any, label: str, rules: Rules, about: str = "") -> Attachment:
    return convert.from_pixels(mpl.pixels(figure, label, rules), label, rules, about)


def _pil(value: Any, label: str, rules: Rules) -> Attachment | None:
    return (
        convert.from_pil(value, label, rules) if isinstance(value, sys.modules["PIL.Image"].Image) else None
    )


def _widget(value: Any, label: str, rules: Rules) -> Attachment | None:
    is_image = any(kind.__name__ == "Image" for kind in mro(value))
    return convert.from_bytes(bytes(value.value), label, rules) if is_image and value.value else None


def _seaborn(value: Any, label: str, rules: Rules) -> Attachment | None:
    figure = mpl.figure_of(getattr(value, "figure", None))
    if figure is not None:
        return _matplotlib(figure, label, rules)
    represent = method(
        value, "_repr_png_"
    )  # seaborn.objects: it draws for itself, and may well take over two seconds
    if represent is None:
        return None
    with _quietly(label):
        data = _image_in(represent())
    return None if data is None else convert.from_bytes(data, label, rules)


def _plotnine(value: Any, label: str, rules: Rules) -> Attachment | None:
    if method(value, "draw") is None or method(value, "save") is None:
        return None
    with _quietly(label):
        figure = value.draw(show=False)
    image = _matplotlib(figure, label, rules)
    if not rules.figure_data:
        return image
    return with_text(image, guarded(lambda: from_matplotlib(figure, "plotnine")).value, rules)


def _altair(value: Any, label: str, rules: Rules) -> Attachment | None:
    if method(value, "save") is None or method(value, "to_dict") is None:
        return None
    _need("vl_convert", "an Altair chart", "vl-convert-python", label)
    into = io.BytesIO()
    with _quietly(label):
        value.save(into, format="png", scale_factor=ALTAIR_SCALE)
    return convert.from_bytes(into.getvalue(), label, rules)


def _plotly(value: Any, label: str, rules: Rules) -> Attachment | None:
    if method(value, "to_image") is None:
        return None
    _need("kaleido", "a Plotly figure", "kaleido", label)
    data = browser.run(lambda: value.to_image(format="png"), label, "a Plotly figure")
    return convert.from_bytes(data, label, rules)


def _bokeh(value: Any, label: str, rules: Rules) -> Attachment | None:
    if not any(kind.__name__ == "UIElement" for kind in mro(value)):
        return None
    _need("choreographer", "a Bokeh figure", "kaleido, with choreographer", label)
    from bokeh.io.export import get_layout_html  # makes a document of its own: the user's figure joins none

    with _quietly(label):
        page = get_layout_html(value)
    data = browser.run(lambda: browser.screenshot(page), label, "a Bokeh figure")
    return convert.from_bytes(data, label, rules)


_LIBRARIES: Final[Mapping[str, Callable[[Any, str, Rules], Attachment | None]]] = {
    "PIL": _pil,
    "IPython": displayed.attach,
    "seaborn": _seaborn,
    "plotnine": _plotnine,
    "plotly": _plotly,
    "altair": _altair,
    "bokeh": _bokeh,
    "ipywidgets": _widget,
}


def _need(module: str, what: str, package: str, label: str) -> None:
    if find_spec(module) is None:
        raise MissingExtraError(
            f'{label} is {what}, which {package} draws: pip install "claude-jupyter[figures]", or save it as PNG and use -f.'
        )


@contextmanager
def _quietly(label: str) -> Generator[None]:
    """Drawing without the warnings that the user has seen already; what a library raises becomes one clear line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ClaudeError:
        raise
    except Exception as error:
        raise AttachmentError(f"{label} could not be drawn: {all_reasons(error)}") from None


def _by_repr(value: Any, label: str, rules: Rules) -> Attachment | None:
    problem = ""
    for name in REPRS:
        represent = method(value, name)
        if represent is None:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcome = guarded(lambda call=represent, name=name: _image_in(_called(call, name)))
        if outcome.value is not None:
            try:
                return convert.from_bytes(outcome.value, label, rules)
            except AttachmentError as error:
                problem = problem or f"its {name}() returned no image that can be sent: {error.message}"
        elif outcome.failure:
            problem = problem or f"its {name}() {outcome.failure}"
    if not problem:
        return None
    from claude_jupyter.content.values import objects

    attachments = objects.attach(value, label, rules)
    return replace(attachments, notes=(*attachments.notes, f"{problem}; shown as text"))


def _called(represent: Callable[..., Any], name: str) -> Any:
    """As IPython calls it: a mimebundle's function is told what to include, unless it takes no such arguments."""
    if name != "_repr_mimebundle_":
        return represent()
    try:
        inspect.signature(represent).bind(include=None, exclude=None)
    except (TypeError, ValueError):
        return represent()
    return represent(include=None, exclude=None)


def _image_in(returned: Any) -> bytes | None:
    """The picture in what a `_repr_…_` returned: bytes, base64 or SVG text, a mimebundle, each perhaps with metadata."""
    if isinstance(returned, tuple) and returned:
        returned = returned[0]
    if isinstance(returned, Mapping):
        returned = next((returned[key] for key in IMAGES if returned.get(key)), None)
    if isinstance(returned, bytes | bytearray | memoryview):
        return bytes(returned)
    if isinstance(returned, str) and returned:
        return decode(returned) or returned.encode()
    return None
