"""How large an image may be, and how many tokens it costs: the API's own rule as pure arithmetic. No pixels here.

Source: platform.claude.com, build-with-claude/vision and vision-coordinates, as read on 2026-11-22.
"""

from __future__ import annotations

from typing import Final

from claude_jupyter.models import Model

PATCH: Final = 28
"""Pixels a side of the square that is one token."""

SIDE: Final = 8000
"""Longest side the API takes at all."""

MANY: Final = 20
"""Images in one request (history counted) up to which `SIDE` holds; beyond it every side is at most `MANY_SIDE`."""

MANY_SIDE: Final = 2000


def tokens(width: int, height: int) -> int:
    """What an image of this size costs.

    >>> tokens(1000, 1000)
    1296
    """
    return -(-width // PATCH) * -(-height // PATCH)


def fits(width: int, height: int, edge: int, budget: int, side: int = SIDE) -> bool:
    """Whether the API leaves an image of this size as it is."""
    padded = max(-(-width // PATCH), -(-height // PATCH)) * PATCH
    return padded <= edge and tokens(width, height) <= budget and max(width, height) <= side


def fit(width: int, height: int, edge: int, budget: int, side: int = SIDE) -> tuple[int, int]:
    """The largest size of the same shape that the API leaves as it is; never larger than the original.

    Parameters
    ----------
    edge, budget
        The model's longest edge in pixels and most tokens (`Model.image_edge`, `Model.image_tokens`).
    side
        A further limit on both sides: 2,000 px in a request with more than 20 images.

    >>> fit(1920, 1080, 1568, 1568), fit(3840, 2160, 2576, 4784), fit(1075, 1520, 1568, 1568)
    ((1456, 819), (2576, 1449), (924, 1307))
    """
    if fits(width, height, edge, budget, side):
        return width, height
    good, bad = 1, max(width, height)
    while bad - good > 1:
        middle = (good + bad) // 2
        if fits(*_scaled(width, height, middle), edge, budget, side):
            good = middle
        else:
            bad = middle
    return _scaled(width, height, good)


def _scaled(width: int, height: int, long: int) -> tuple[int, int]:
    # `round` is half-to-even, as in the documented rule.
    if width >= height:
        return long, max(1, round(height * long / width))
    return max(1, round(width * long / height)), long


def fit_model(width: int, height: int, model: Model, images: int = 1) -> tuple[int, int]:
    """The size to send to `model`, as one of `images` in the request."""
    return fit(width, height, model.image_edge, model.image_tokens, MANY_SIDE if images > MANY else SIDE)
