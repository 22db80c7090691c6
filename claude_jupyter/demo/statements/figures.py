"""What is worth saying about a figure, from the numbers sent with its image: axes, extremes, trends, correlations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from claude_jupyter.demo.statements.figure_text import Figure, Panel, Series
from claude_jupyter.demo.statements.wording import brief, code, counted

_MOST: Final = 6
_NOUNS: Final = {"line": "line", "bar": "bars", "scatter": "points", "histogram": "histogram", "area": "area"}


def sentences(figure: Figure) -> list[str]:
    """The figure in a sentence, then what its series do."""
    lines = [text for panel in figure.panels for text in _panel(panel)][:_MOST]
    lines += list(_together(figure))
    if not lines:
        return [_opening(figure)]
    return [_opening(figure), "\n".join(f"- {text}" for text in lines)]


def _opening(figure: Figure) -> str:
    titles = [t for t in (figure.title, *(p.title for p in figure.panels)) if t]
    title = f" titled “{titles[0]}”" if titles else ""
    if len(figure.panels) > 1:
        return f"{code(figure.label)} is a {figure.library} figure{title} with {len(figure.panels)} panels."
    axes = _axes(figure.panels[0]) if figure.panels else ""
    return f"{code(figure.label)} is a {figure.library} figure{title}{axes}."


def _axes(panel: Panel) -> str:
    if panel.x and panel.y:
        return f": *{panel.y}* against *{panel.x}*"
    if panel.y or panel.x:
        return f" with *{panel.y or panel.x}* on its {'y' if panel.y else 'x'} axis"
    return ""


def _name(panel: Panel, series: Series) -> str:
    noun = _NOUNS.get(series.kind, series.kind)
    if series.label:
        return f"the {noun} “{series.label}”"
    return f"*{panel.y}*" if panel.y else f"the {noun}"


def _panel(panel: Panel) -> Iterator[str]:
    for series in panel.series:
        if series.kind == "histogram" and series.edges:
            text = _histogram(panel, series)
        elif series.kind == "scatter":
            text = _scatter(panel, series)
        elif len(series.points) > 1:
            text = _extremes(panel, series)
        else:
            text = f"{_name(panel, series)}: {counted(series.length, 'point')}"
        yield text[:1].upper() + text[1:] + "."


def _at(panel: Panel, where: str) -> str:
    if panel.x and len(panel.x) < 30:
        return f"at {panel.x} {where}"
    return f"at {where}"


def _extremes(panel: Panel, series: Series) -> str:
    (_, first), *_, (_, last) = series.points
    top, bottom = max(series.points, key=_height), min(series.points, key=_height)
    text = (
        f"{_name(panel, series)} {'is' if _single(series) else 'are'} highest {_at(panel, top[0])} ({brief(top[1])}) "
        f"and lowest {_at(panel, bottom[0])} ({brief(bottom[1])})"
    )
    if top[1] == bottom[1]:
        return f"{_name(panel, series)} stays at {brief(first)}"
    trend = _trend([y for _, y in series.points])
    if series.kind in ("line", "area") and trend:
        text += f"; it {trend} from {brief(first)} to {brief(last)}"
    if series.thinned:
        text += f" (of {counted(len(series.points), 'point')} sent out of {series.length:,})"
    return text


def _single(series: Series) -> bool:
    return not (series.kind == "bar" and series.label)


def _height(point: tuple[str, float]) -> float:
    return point[1]


def _trend(values: Sequence[float]) -> str:
    steps = [b - a for a, b in pairwise(values)]
    if not steps or values[0] == values[-1]:
        return ""
    rising = values[-1] > values[0]
    if all(s >= 0 for s in steps) or all(s <= 0 for s in steps):
        return f"only {'rises' if rising else 'falls'},"
    return f"{'rises' if rising else 'falls'} overall,"


def _histogram(panel: Panel, series: Series) -> str:
    counts, edges = [y for _, y in series.points], series.edges
    total = sum(counts)
    top = max(range(len(counts)), key=counts.__getitem__)
    text = (
        f"the histogram counts {brief(total)} values between {brief(edges[0])} and {brief(edges[-1])}; its fullest "
        f"bin is {brief(edges[top])} to {brief(edges[top + 1])} ({brief(counts[top])})"
    )
    if not total:
        return text
    centers = [(a + b) / 2 for a, b in pairwise(edges)]
    mean = sum(c * n for c, n in zip(centers, counts, strict=True)) / total
    median = _middle(counts, edges, total)
    spread = (sum(n * (c - mean) ** 2 for c, n in zip(centers, counts, strict=True)) / total) ** 0.5
    skew = (
        sum(n * (c - mean) ** 3 for c, n in zip(centers, counts, strict=True)) / total / spread**3
        if spread
        else 0
    )
    shape = "about symmetric" if abs(skew) < 0.5 else f"skewed to the {'right' if skew > 0 else 'left'}"
    return f"{text}. By its bins the mean is {brief(mean)}, the median {brief(median)}: {shape} (skewness {skew:.1f})"


def _middle(counts: Sequence[float], edges: Sequence[float], total: float) -> float:
    below = 0.0
    for k, count in enumerate(counts):
        if count and below + count >= total / 2:
            return edges[k] + (edges[k + 1] - edges[k]) * (total / 2 - below) / count
        below += count
    return edges[-1]


def _scatter(panel: Panel, series: Series) -> str:
    text = f"the scatter has {counted(series.length, 'point')}"
    value = _correlated(
        [(float(x), y) for x, y in series.points if x.replace(".", "", 1).lstrip("-").isdigit()]
    )
    if value is not None and len(series.points) > 2:
        part = f" of the {len(series.points)} points sent" if series.thinned else ""
        text += f"; *{panel.x or 'x'}* and *{panel.y or 'y'}*{part} correlate with {value:.2f}"
    return text


def _together(figure: Figure) -> Iterator[str]:
    """Two series over the same x: how closely they follow each other."""
    drawn = [
        (p, s) for p in figure.panels for s in p.series if s.kind in ("line", "bar") and len(s.points) > 3
    ]
    for (panel, one), (other_panel, other) in pairwise(drawn):
        if [x for x, _ in one.points] != [x for x, _ in other.points]:
            continue
        value = _correlated([(a, b) for (_, a), (_, b) in zip(one.points, other.points, strict=True)])
        if value is not None:
            how = (
                "rise and fall together"
                if value > 0.5
                else "move in opposite directions"
                if value < -0.5
                else "move independently"
            )
            names = f"{_name(panel, one)} and {_name(other_panel, other)}"
            yield f"{names[:1].upper()}{names[1:]} {how} (correlation {value:.2f})."


def _correlated(pairs: Sequence[tuple[float, float]]) -> float | None:
    count = len(pairs)
    if count < 3:
        return None
    x, y = sum(a for a, _ in pairs) / count, sum(b for _, b in pairs) / count
    xx, yy = sum((a - x) ** 2 for a, _ in pairs), sum((b - y) ** 2 for _, b in pairs)
    if not xx or not yy:
        return None
    return sum((a - x) * (b - y) for a, b in pairs) / (xx * yy) ** 0.5
