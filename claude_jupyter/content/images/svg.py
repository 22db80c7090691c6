"""SVG → PNG, without fetching anything: no network, no files on this machine. What draws it is an extra, as few notebooks need it."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any, Final

from claude_jupyter.content.guard import all_reasons
from claude_jupyter.content.images import sizes
from claude_jupyter.content.rules import Rules
from claude_jupyter.errors import AttachmentError, MissingExtraError

LARGEST: Final = 20_000_000
"""Characters of SVG beyond which it is refused."""

READABLE: Final = 800
"""Pixels that a small drawing's long side is enlarged to (at most fourfold), as lines cost nothing to enlarge."""

MOST: Final = 1e6
"""Pixels a side at most: a number that is not meant."""

_REFERENCE = re.compile(
    r"""(\s(?:[\w.-]+:)?(?:href|src)\s*=\s*)(?:"(?!\s*(?:\#|data:))[^"]*"|'(?!\s*(?:\#|data:))[^']*')""",
    re.IGNORECASE,
)
_ROOT = re.compile(r"<(?:svg:)?svg\b([^>]*)", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""\b(width|height|viewBox)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_NUMBER: Final = r"(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,3})?"
_LENGTH = re.compile(rf"\s*({_NUMBER})\s*(px|pt|pc|mm|cm|in|em|ex)?\s*\Z", re.IGNORECASE)
_UNITS: Final = {
    "px": 1.0,
    "pt": 4 / 3,
    "pc": 16.0,
    "mm": 96 / 25.4,
    "cm": 96 / 2.54,
    "in": 96.0,
    "em": 16.0,
    "ex": 8.0,
}


def draw(text: str, label: str, rules: Rules) -> bytes:
    """The drawing as PNG bytes, in a size that the API leaves as it is.

    Raises
    ------
    MissingExtraError
        If neither resvg nor CairoSVG is installed.
    AttachmentError
        For a drawing that cannot be read.
    """
    if len(text) > LARGEST:
        raise AttachmentError(
            f"{label} is too large to draw: {len(text) // 10**6} MB; an SVG can have at most {LARGEST // 10**6} MB."
        )
    engine = _resvg if find_spec("resvg_py") else _cairo if find_spec("cairosvg") else None
    if engine is None:
        raise MissingExtraError(
            f'{label} is an SVG, which needs a renderer: pip install "claude-jupyter[figures]" (resvg), or attach a PNG instead.'
        )
    wide, high = natural_size(text)
    zoom = min(4.0, max(1.0, READABLE / max(wide, high)))
    size = max(1, round(wide * zoom)), max(1, round(high * zoom))
    size = sizes.fit_model(*size, rules.model, rules.images_before + 1)
    try:
        return engine(local(text), *size)
    except Exception as error:  # each engine has its own kinds
        reason = all_reasons(error)
        raise AttachmentError(f"{label} is an SVG that cannot be drawn: {reason}") from None


def local(text: str) -> str:
    """The SVG without references to anything outside it: they are not fetched, whatever draws it.

    >>> local('<image href="http://host/a.png"/><use href="#b"/>')
    '<image href=""/><use href="#b"/>'
    """
    return _REFERENCE.sub(r'\1""', text)


def natural_size(text: str) -> tuple[float, float]:
    """Width and height in pixels by the root's attributes: `width` and `height`, else its `viewBox`, else 300 × 150."""
    match = _ROOT.search(text)
    attributes = {
        name: value or other for name, value, other in _ATTRIBUTE.findall(match[1] if match else "")
    }
    wide, high = _pixels(attributes.get("width", "")), _pixels(attributes.get("height", ""))
    box = [
        float(number) for number in re.findall(r"[-+]?[\d.]+(?:e[+-]?\d+)?", attributes.get("viewBox", ""))
    ][2:4]
    if len(box) == 2 and min(box) > 0:
        ratio = box[0] / box[1]
        wide, high = wide or (high * ratio if high else box[0]), high or (wide / ratio if wide else box[1])
    return min(wide or 300.0, MOST), min(high or 150.0, MOST)


def _pixels(length: str) -> float:
    match = _LENGTH.match(length)
    return float(match[1]) * _UNITS[(match[2] or "px").lower()] if match else 0.0


def _resvg(text: str, width: int, height: int) -> bytes:
    import resvg_py

    return bytes(
        resvg_py.svg_to_bytes(svg_string=text, width=width, height=height, background="#ffffff", dpi=96)
    )


def _cairo(text: str, width: int, height: int) -> bytes:
    import cairosvg  # pyright: ignore[reportMissingImports]

    def nothing(*_: Any) -> bytes:
        return b""

    return cairosvg.svg2png(
        bytestring=text.encode(), output_width=width, output_height=height,
        background_color="white", url_fetcher=nothing,
    )  # fmt: skip
