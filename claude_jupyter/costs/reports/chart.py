"""A report's bars over time as a picture: SVG by hand, stacked by input, cache and output; and as text.

Shown as an image (JupyterLab, GitHub) an SVG cannot see the page's theme, so every color has a fallback that reads on white and on
black alike; inside a page JupyterLab's own variables apply.
"""

from __future__ import annotations

import html
from decimal import Decimal
from typing import Final

from claude_jupyter.costs.reports.summary import Bar, Report
from claude_jupyter.costs.usage import dollars

_PARTS: Final = {
    "output": ("output", "var(--cj-accent, #c8694a)"),
    "input": ("input", "#6f93bf"),
    "cache": ("cache", "#9aa9ba"),
    "web_searches": ("web searches", "#8c9a5b"),
}
_INK: Final = "var(--jp-ui-font-color2, #7b7b7b)"
_RULE: Final = "var(--jp-border-color2, #8886)"
_WIDTH, _HEIGHT = 640, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 8, 30, 24
_WIDEST: Final = 28
_STEPS: Final = ("1", "2", "2.5", "5", "10")


def mimebundle(report: Report) -> dict[str, str]:
    """The picture for a notebook: SVG, and text if no image can be shown."""
    return {"image/svg+xml": to_svg(report), "text/plain": to_text(report)}


def to_svg(report: Report) -> str:
    """The picture, 640 × 190, without script or reference to anything outside."""
    bars = report.bars
    top = _nice(max((bar.usd for bar in bars), default=Decimal(0)))
    plot = _HEIGHT - _TOP - _BOTTOM
    lines: list[str] = []
    for n in range(3):
        usd, y = top * n / 2, _TOP + plot - plot * n / 2
        lines.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:g}" y2="{y:g}" stroke="{_RULE}"/>')
        lines.append(f'<text x="{_LEFT - 8}" y="{y + 4:g}" text-anchor="end">{_amount(usd, top)}</text>')
    step = (_WIDTH - _LEFT - _RIGHT) / max(len(bars), 1)
    every = -(-len(bars) // 8) or 1
    for n, bar in enumerate(bars):
        middle = _LEFT + step * (n + 0.5)
        lines.append(_stack(bar, middle, min(step * 0.72, _WIDEST), plot, top))
        if n % every == 0:
            lines.append(
                f'<text x="{middle:.1f}" y="{_HEIGHT - 7}" text-anchor="middle">{html.escape(bar.label)}</text>'
            )
    title = f"{report.scope}: {dollars(report.total.cost)}, by {report.step}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" '
        'role="img" font-family="system-ui, -apple-system, \'Segoe UI\', Roboto, sans-serif" font-size="11.5" '
        f'fill="{_INK}" style="max-width: 100%; height: auto; font-variant-numeric: tabular-nums">'
        f"<title>{html.escape(title)}</title>{_key(bars)}{''.join(lines)}</svg>"
    )


def to_text(report: Report, width: int = 40) -> str:
    """The picture in a terminal: one line a bar."""
    most = max((bar.usd for bar in report.bars), default=Decimal(0))
    if not most:
        return f"{report.scope}: nothing spent"
    labels = max(len(bar.label) for bar in report.bars)
    return "\n".join(
        f"{bar.label:>{labels}}  {_blocks(bar.usd / most, width):<{width}}  {dollars(bar.usd)}"
        for bar in report.bars
    )


def _stack(bar: Bar, middle: float, width: float, plot: int, top: Decimal) -> str:
    shapes: list[str] = []
    y = float(_TOP + plot)
    for name, (_, color) in _PARTS.items():
        usd = bar.parts.get(name, Decimal(0))
        height = float(usd / top) * plot if top else 0.0
        if height < 0.05:
            continue
        y -= height
        shapes.append(
            f'<rect x="{middle - width / 2:.1f}" y="{y:.2f}" width="{width:.1f}" height="{height:.2f}" fill="{color}"/>'
        )
    if not shapes:
        return ""
    title = ", ".join(f"{_PARTS[n][0]} {dollars(usd)}" for n, usd in bar.parts.items() if usd)
    return (
        f"<g><title>{html.escape(f'{bar.label}: {dollars(bar.usd)} ({title})')}</title>{''.join(shapes)}</g>"
    )


def _key(bars: tuple[Bar, ...]) -> str:
    x, shapes = float(_LEFT), ""
    for name, (word, color) in _PARTS.items():
        if name == "web_searches" and not any(bar.parts.get(name) for bar in bars):
            continue
        shapes += f'<rect x="{x:g}" y="6" width="9" height="9" rx="1" fill="{color}"/>'
        shapes += f'<text x="{x + 14:g}" y="14.5">{word}</text>'
        x += 14 + 6.4 * len(word) + 18
    return shapes


def _nice(usd: Decimal) -> Decimal:
    """The next round amount, for the top of the axis."""
    if usd <= 0:
        return Decimal(1)
    power = Decimal(1).scaleb(usd.adjusted())
    return next(step for step in (Decimal(s) * power for s in _STEPS) if step >= usd)


def _amount(usd: Decimal, top: Decimal) -> str:
    half = -int((top / 2).normalize().as_tuple().exponent)
    return f"${usd:,.{max(half, 2) if top < 10 else max(half, 0)}f}" if usd else "$0"


def _blocks(share: Decimal, width: int) -> str:
    eighths = round(share * width * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
