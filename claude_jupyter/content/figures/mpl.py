"""matplotlib figures → pixels, without changing the figure: no size, dpi, canvas, face, position or stale mark of it.

The figure is drawn once, by its own `savefig`, on a canvas with room on all sides, and then cropped to what is there: what the
inline backend's `bbox_inches="tight"` shows (a legend outside the axes is not lost), at the price of one drawing instead of two.
"""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from claude_jupyter.content.guard import all_reasons
from claude_jupyter.content.images import sizes
from claude_jupyter.content.rules import Rules
from claude_jupyter.errors import AttachmentError
from claude_jupyter.interrupts import interruptible, locked

if TYPE_CHECKING:
    from PIL.Image import Image

LOW_DPI, HIGH_DPI = 100.0, 150.0
"""The figure's own dpi counts between these: below, small type is lost; above, tokens are."""

ROOM: Final = 0.4
"""How far beyond its edges a figure's content is looked for, as a share of its size."""

PAD: Final = 0.1
"""Inches left around the content, as in `savefig.pad_inches`."""

_drawing: Final = threading.RLock()  # matplotlib is not thread-safe; our own drawings at least take turns


def figure_of(value: Any) -> Any:
    """The root figure behind a Figure, SubFigure, Axes, any artist, a canvas, an animation, or a list, array, container or dict of artists.

    None for anything else, and for artists of several figures.
    """
    artist = sys.modules.get("matplotlib.artist")
    if artist is None:
        return None
    if isinstance(value, artist.Artist):
        return _root(value)
    canvas = sys.modules.get("matplotlib.backend_bases")
    if canvas is not None and isinstance(value, canvas.FigureCanvasBase):
        return value.figure
    animation = sys.modules.get("matplotlib.animation")
    if animation is not None and isinstance(value, animation.Animation):
        return getattr(value, "_fig", None)
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None and value is pyplot:
        return pyplot.gcf() if pyplot.get_fignums() else None
    leaves = list(_leaves(value, 3))
    if not leaves or not all(isinstance(leaf, artist.Artist) for leaf in leaves):
        return None
    figures = {id(figure): figure for figure in map(_root, leaves)}
    return figures.popitem()[1] if len(figures) == 1 else None


def open_figures() -> tuple[Any, ...]:
    """The figures that pyplot holds open, oldest first: in a terminal, or with a window or widget of their own."""
    helpers = sys.modules.get("matplotlib._pylab_helpers")
    if helpers is None:
        return ()
    managers = sorted(helpers.Gcf.get_all_fig_managers(), key=lambda manager: manager.num)
    return tuple(manager.canvas.figure for manager in managers)


def _root(value: Any) -> Any:
    figure = value.figure
    return None if figure is None else figure.figure


def _leaves(value: Any, depth: int) -> Iterator[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    elif (
        type(value).__module__.partition(".")[0] in ("numpy", "pandas")
        and str(getattr(value, "dtype", "")) == "object"
    ):
        value = value.ravel().tolist() if hasattr(value, "ravel") else value.tolist()
    if not isinstance(value, list | tuple) or depth == 0 or len(value) > 10_000:
        yield value
        return
    for item in value:
        yield from _leaves(item, depth - 1)


def pixels(figure: Any, label: str, rules: Rules) -> Image:
    """The figure as RGBA pixels, in a size that the API leaves as it is.

    Raises
    ------
    AttachmentError
        If matplotlib cannot draw it.
    """
    from PIL import Image

    wide, high = figure.get_size_inches()
    own = float(getattr(figure, "_original_dpi", figure.dpi))  # as savefig's dpi="figure"
    dpi = min(max(own, LOW_DPI), HIGH_DPI)
    size = max(1, round(wide * dpi)), max(1, round(high * dpi))
    width, height = sizes.fit_model(*size, rules.model, rules.images_before + 1)
    dpi = min(dpi, width / wide, height / high)
    try:
        with locked(_drawing), interruptible(), _unchanged(figure), _quiet():
            view = _drawn(figure, wide, high, dpi)
    except Exception as error:  # artists are other people's code
        reason = all_reasons(error)
        raise AttachmentError(f"{label} could not be drawn: {reason}") from None
    rows, columns, _ = view.shape
    picture = Image.frombuffer("RGBA", (columns, rows), view, "raw", "RGBA", 0, 1)
    picture = picture.crop(_content(view, round(dpi * PAD)) or _inner(wide, high, dpi))
    size = sizes.fit_model(*picture.size, rules.model, rules.images_before + 1)
    return picture if size == picture.size else picture.resize(size, Image.Resampling.LANCZOS)


def _drawn(figure: Any, wide: float, high: float, dpi: float) -> Any:
    from matplotlib.transforms import Bbox

    room = Bbox.from_extents(-ROOM * wide, -ROOM * high, (1 + ROOM) * wide, (1 + ROOM) * high)
    into: list[Any] = []
    figure.savefig(
        into, format="pixels", backend="module://claude_jupyter.content.figures.canvas", dpi=dpi, bbox_inches=room,
        facecolor="auto", edgecolor="auto", transparent=False,
    )  # fmt: skip
    return into[0]


def _inner(wide: float, high: float, dpi: float) -> tuple[int, int, int, int]:
    left, top = round(ROOM * wide * dpi), round(ROOM * high * dpi)
    return left, top, left + max(1, round(wide * dpi)), top + max(1, round(high * dpi))


def _content(view: Any, pad: int) -> tuple[int, int, int, int] | None:
    """The box of all that differs from the background, with some of that around; None for an empty figure."""
    import numpy

    # The outermost pixels may be half covered by the background.
    inner = numpy.ascontiguousarray(view).view(numpy.uint32)[2:-2, 2:-2, 0]
    if not inner.size:
        return None
    differs = inner != inner[0, 0]
    rows, columns = numpy.flatnonzero(differs.any(axis=1)), numpy.flatnonzero(differs.any(axis=0))
    if not rows.size:
        return None
    top, bottom, left, right = rows[0] + 2, rows[-1] + 3, columns[0] + 2, columns[-1] + 3
    return (
        max(int(left) - pad, 2),
        max(int(top) - pad, 2),
        min(int(right) + pad, view.shape[1] - 2),
        min(int(bottom) + pad, view.shape[0] - 2),
    )


@contextmanager
def _quiet() -> Generator[None]:
    """Without the warnings and the talk of missing fonts that the user has seen already."""
    fonts = logging.getLogger("matplotlib.font_manager")
    level = fonts.level
    fonts.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        fonts.setLevel(level)


@contextmanager
def _unchanged(figure: Any) -> Generator[None]:
    """Put back what drawing touches: layout engines move axes, and a frontend repaints only what is marked stale."""
    axes = list(figure.axes)
    places = [(ax._position.frozen(), ax._originalPosition.frozen()) for ax in axes]
    stale = [part.stale for part in (*axes, figure)]
    margins = {
        name: getattr(figure.subplotpars, name)
        for name in ("left", "bottom", "right", "top", "wspace", "hspace")
    }
    try:
        yield
    finally:
        figure.subplotpars.update(**margins)
        for ax, (active, original) in zip(axes, places, strict=True):
            ax._position.set(active)
            ax._originalPosition.set(original)
        for part, mark in zip((*axes, figure), stale, strict=True):
            callback, part.stale_callback = part.stale_callback, None
            part.stale = mark
            part.stale_callback = callback


def part_of(value: Any, figure: Any) -> str:
    """Where the value is one of several panels: which; else an empty text."""
    panels = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
    if len(panels) < 2 or not any(value is ax for ax in panels):
        return ""
    number = next(n for n, ax in enumerate(panels, 1) if value is ax)
    title = f" (“{value.get_title()}”)" if value.get_title() else ""
    return f"The whole figure, of which this is panel {number} of {len(panels)}{title}"
