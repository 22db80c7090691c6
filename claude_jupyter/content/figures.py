"""Charts → images: the drawing libraries' own objects, drawn without changing them. Pixels are `images.py`'s business.

A library is looked for only where the user has imported it already.
"""

from __future__ import annotations

from typing import Any

from claude_jupyter.content import images, mpl
from claude_jupyter.content.rules import Rules
from claude_jupyter.turns import Attachment


def draw(value: Any, label: str, rules: Rules) -> Attachment | None:
    """A chart as an image, or None where the value is none.

    Raises
    ------
    AttachmentError
        For a chart that cannot be drawn.
    MissingExtraError
        Where its library needs a part that is not installed.
    """
    figure = mpl.figure_of(value)
    if figure is not None:
        return images.from_pixels(mpl.pixels(figure, label, rules), label, rules, mpl.part_of(value, figure))
    return None
