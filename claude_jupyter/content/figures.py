"""Charts → images: the drawing libraries' own objects, drawn without changing them. Pixels are `images.py`'s business.

A library is looked for only where the user has imported it already.
"""

from __future__ import annotations

import sys
import threading
import warnings
from typing import Any, Final

from claude_jupyter.content import images, sizes
from claude_jupyter.content.rules import Rules
from claude_jupyter.turns import Attachment

_drawing: Final = threading.RLock()


def draw(value: Any, label: str, rules: Rules) -> Attachment | None:
    """A chart as an image, or None where the value is none.

    Raises
    ------
    AttachmentError
        For a chart that cannot be drawn.
    MissingExtraError
        Where its library needs a part that is not installed.
    """
    figure = _figure(value)
    if figure is not None:
        return _matplotlib(figure, label, rules)
    return None


def _figure(value: Any) -> Any:
    artist = sys.modules.get("matplotlib.artist")
    if artist is None:
        return None
    if isinstance(value, artist.Artist):
        figure = value.figure
        return None if figure is None else figure.figure
    return None


def _matplotlib(figure: Any, label: str, rules: Rules) -> Attachment:
    from PIL import Image

    wide, high = figure.get_size_inches()
    dpi = min(max(float(getattr(figure, "_original_dpi", figure.dpi)), 100.0), 150.0)
    width, height = sizes.fit_model(
        round(wide * dpi), round(high * dpi), rules.model, rules.images_before + 1
    )
    dpi = min(dpi, width / wide, height / high)
    got: list[Any] = []
    with _drawing, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figure.savefig(got, format="pixels", backend="module://claude_jupyter.content.agg", dpi=dpi)
    pixels, _ = got[0]
    rows, columns, _ = pixels.shape
    return images.from_pixels(
        Image.frombuffer("RGBA", (columns, rows), pixels, "raw", "RGBA", 0, 1), label, rules
    )
