"""What can be said about a picture without understanding it: its format, brightness and main colors, from its pixels."""

from __future__ import annotations

import base64
import io
from collections import Counter
from typing import Final

from claude_jupyter.demo.statements.wording import percent

_EDGE: Final = 48
_COLORS: Final = {
    "white": (250, 250, 250), "light gray": (200, 200, 200), "gray": (128, 128, 128), "dark gray": (64, 64, 64),
    "black": (10, 10, 10), "red": (200, 30, 30), "orange": (240, 140, 30), "brown": (120, 75, 40), "beige": (215, 165, 135),
    "yellow": (240, 220, 60), "green": (50, 150, 60), "light green": (150, 210, 140), "blue": (40, 90, 190),
    "dark blue": (20, 30, 80), "light blue": (150, 190, 235), "purple": (120, 60, 150), "pink": (240, 150, 190),
}  # fmt: skip
_SHARE: Final = 0.08


def colors(data: str) -> str:
    """The main colors of a base64 picture in words; empty if it cannot be decoded."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            image.draft("RGB", (_EDGE * 4, _EDGE * 4))
            small = image.convert("RGB").resize((_EDGE, _EDGE))
    except (OSError, ValueError):
        return ""
    raw = small.tobytes()
    pixels = [(raw[k], raw[k + 1], raw[k + 2]) for k in range(0, len(raw), 3)]
    shares = Counter(map(_color, pixels)).most_common(3)
    named = [
        f"{name} ({percent(count, len(pixels))})" for name, count in shares if count >= _SHARE * len(pixels)
    ]
    light = sum(sum(p) for p in pixels) / (3 * 255 * len(pixels))
    tone = "bright" if light > 0.66 else "dark" if light < 0.33 else "of medium brightness"
    return f"{tone} overall, mostly {' and '.join(named)}" if named else f"{tone} overall"


def _color(pixel: tuple[int, int, int]) -> str:
    return min(_COLORS, key=lambda name: sum((a - b) ** 2 for a, b in zip(pixel, _COLORS[name], strict=True)))
