"""A figure's axes and series as values, and as text within a token limit. Knows no library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import pairwise
from typing import Any, Final

from claude_jupyter.content.text.token_estimate import tokens_of_text

TOKENS: Final = 300
"""The longest description of one figure."""
_DIGITS: Final = (4, 3)
"""Significant digits where all of them are too many."""
_FEWEST: Final = 2
_VALUES: Final = 2
"""No more values fit into a token."""
_LEFT_OUT: Final = 8
"""Tokens of the line that counts what was left out."""


@dataclass(frozen=True, slots=True)
class Series:
    """One thing that is drawn.

    Attributes
    ----------
    kind
        `line`, `bar`, `scatter`, `histogram`, `area`, `image`, …
    label
        Its name in the legend; empty if it has none.
    y
        Its values; a bar's height, a histogram's count.
    x
        Where they are: numbers, dates, categories, or a histogram's bin edges (one more than `y`). Empty: 0, 1, 2, …
    extra
        What else belongs to it, in a few words: `size: population`, `12 × 8 cells, 0 to 1`.
    """

    kind: str
    label: str = ""
    y: Sequence[Any] = ()
    x: Sequence[Any] = ()
    extra: str = ""

    @property
    def length(self) -> int:
        """How many points it has."""
        return max(len(self.y), len(self.x) if self.kind != "histogram" else 0)


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes."""

    title: str = ""
    x_label: str = ""
    y_label: str = ""
    x_scale: str = "linear"
    y_scale: str = "linear"
    x_limits: tuple[Any, Any] | None = None
    y_limits: tuple[Any, Any] | None = None
    legend: str = ""
    series: tuple[Series, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FigureData:
    """What a figure holds.

    Attributes
    ----------
    library
        The one that drew it.
    """

    library: str
    title: str = ""
    panels: tuple[Panel, ...] = ()

    def __bool__(self) -> bool:
        return any(p.series or p.title or p.x_label or p.y_label for p in self.panels)


def text_of(data: FigureData, *, values: bool = True, tokens: int = TOKENS) -> str:
    """The figure in words and numbers.

    Parameters
    ----------
    values
        Whether values may leave; without them labels, kinds and lengths remain.
    tokens
        The most it may cost. Values are rounded, then long series thinned evenly, and it says so.
    """
    if not values:
        return _fitting(_Writer(data, 0), tokens)
    lengths = [s.length for p in data.panels for s in p.series]
    longest = max(lengths, default=1) or 1
    for digits in (None, *_DIGITS) if sum(lengths) <= tokens * _VALUES else ():
        whole = _Writer(data, longest, digits)
        if whole.tokens <= tokens:
            return whole.text()
    low, high = _FEWEST, max(min(longest - 1, tokens * _VALUES), _FEWEST)
    while low < high:  # the most points a series that fit
        middle = (low + high + 1) // 2
        if _Writer(data, middle, _DIGITS[0]).tokens <= tokens:
            low = middle
        else:
            high = middle - 1
    few = _Writer(data, low, _DIGITS[0])
    return _fitting(few if few.tokens <= tokens else replace(few, limits=False), tokens)


def _fitting(writer: _Writer, tokens: int) -> str:
    """The text, its last lines left out and counted where even the fewest points are too many."""
    text = writer.text()
    if tokens_of_text(text) <= tokens:
        return text
    lines = text.splitlines()
    count = len(lines)
    while len(lines) > 2 and tokens_of_text("\n".join(lines)) > tokens - _LEFT_OUT:
        lines.pop()
    missing = count - len(lines)
    return "\n".join([*lines, f"({missing} more line{'' if missing == 1 else 's'} left out)"])


@dataclass(frozen=True, slots=True)
class _Writer:
    data: FigureData
    points: int
    """How many points of a series are written; 0: none."""
    digits: int | None = None
    """Significant digits; None: all."""
    limits: bool = True

    @property
    def tokens(self) -> int:
        return tokens_of_text(self.text())

    def text(self) -> str:
        lines = [f"What the {self.data.library} figure holds" + self._how() + ":"]
        if self.data.title:
            lines.append(f"title “{self.data.title}”")
        before = ""
        for number, panel in enumerate(self.data.panels, 1):
            axes = self._axes(panel)
            axes_text = "axes as before" if axes == before and "“" in axes else axes
            lines += self._panel(panel, axes_text, number if len(self.data.panels) > 1 else 0)
            before = axes
        return "\n".join(lines)

    def _how(self) -> str:
        if not self.points:
            return " (no values: --rows none)"
        longest = max((s.length for p in self.data.panels for s in p.series), default=0)
        parts = [] if self.digits is None else [f"rounded to {self.digits} digits"]
        if self.points < longest:
            parts.append(f"at most {self.points} points of each series, evenly spaced")
        return f" ({', '.join(parts)})" if parts else ""

    def _axes(self, panel: Panel) -> str:
        x = self._axis(panel.x_label, panel.x_scale, panel.x_limits)
        y = self._axis(panel.y_label, panel.y_scale, panel.y_limits)
        return f"x: {x} · y: {y}"

    def _axis(self, label: str, scale: str, limits: tuple[Any, Any] | None) -> str:
        words = [f"“{label}”" if label else "", scale if scale != "linear" else ""]
        if limits is not None and self.points and self.limits:
            words.append(f"{short(limits[0])} to {short(limits[1])}")
        return " ".join(filter(None, words)) or "unlabeled"

    def _panel(self, panel: Panel, axes: str, number: int) -> list[str]:
        head = " · ".join(filter(None, [f"“{panel.title}”" if panel.title else "", axes]))
        lines = [f"panel {number}: {head}" if number else head]
        if panel.legend:
            lines.append(f"legend “{panel.legend}”")
        shared = self._shared(panel.series) if self.points else ()
        if len(shared):
            lines.append(
                f"x of all, n={len(shared)}: {self._places(shared, _evenly(len(shared), self.points))}"
            )
        lines += [self._series(series, shared) for series in panel.series]
        return lines + (list(panel.notes) if self.points else [])

    def _series(self, series: Series, shared: Sequence[Any]) -> str:
        head = f"- {series.kind}" + (f" “{series.label}”" if series.label else "") + f", n={series.length}"
        if series.extra and self.points:
            head += f", {series.extra}"
        if not self.points or not series.length:
            return head
        chosen = _evenly(series.length, self.points)
        cells = [self._cell(series.y[i]) for i in chosen]
        if series.kind == "histogram" and len(series.x) == len(series.y) + 1:
            return head + self._bins(series, chosen, cells)
        if not len(series.x) or (len(shared) and self._same(series.x, shared)):
            return f"{head}: " + " ".join(cells)
        stepped = self._stepped([series.x[i] for i in chosen])
        if stepped:
            return f"{head}, x {stepped}: " + " ".join(cells)
        pairs = zip(chosen, cells, strict=True)
        return f"{head}: " + ", ".join(f"{self._cell(series.x[i])}→{cell}" for i, cell in pairs)

    def _places(self, x: Sequence[Any], chosen: Sequence[int]) -> str:
        places = [x[i] for i in chosen]
        return self._stepped(places) or ", ".join(map(self._cell, places))

    def _stepped(self, x: Sequence[Any]) -> str:
        """Places that are equally far apart, except perhaps the last one of a thinned series; empty for others."""
        if step := _step(x):
            return f"{self._place(x[0])} to {self._place(x[-1])} step {step}"
        step = _step(x[:-1])
        ends = f"{self._place(x[0])} to {self._place(x[-2])}" if step else ""
        return f"{ends} step {step}, then {self._place(x[-1])}" if step else ""

    def _bins(self, series: Series, chosen: Sequence[int], cells: Sequence[str]) -> str:
        step = _step(series.x)
        if step and len(chosen) == len(series.y):
            return (
                f", bins {self._place(series.x[0])} to {self._place(series.x[-1])} width {step}: "
                + " ".join(cells)
            )
        pairs = (
            f"{self._cell(series.x[i])}–{self._cell(series.x[i + 1])}→{cell}"
            for i, cell in zip(chosen, cells, strict=True)
        )
        return ": " + ", ".join(pairs)

    def _place(self, value: Any) -> str:
        """Where a row of steps begins or ends; digits that only a computation left are no part of it."""
        plain = getattr(value, "item", lambda: value)() if getattr(value, "ndim", 0) == 0 else value
        return short(float(f"{plain:.12g}") if isinstance(plain, float) else value)

    def _shared(self, series: Sequence[Series]) -> Sequence[Any]:
        """The places that two series or more are at, of those that say where; empty if there are none."""
        placed = [s for s in series if len(s.x) > _FEWEST and s.kind != "histogram"]
        for at, one in enumerate(placed):
            if any(self._same(one.x, other.x) for other in placed[at + 1 :]):
                return one.x
        return ()

    def _same(self, a: Sequence[Any], b: Sequence[Any]) -> bool:
        """Whether both are the same at the points that are written."""
        try:
            return len(a) == len(b) and all(bool(a[i] == b[i]) for i in _evenly(len(a), self.points))
        except Exception:  # values of mixed or foreign types
            return False

    def _cell(self, value: Any) -> str:
        return short(value, self.digits)


def short(value: Any, digits: int | None = None) -> str:
    """A value as the shortest text that gives it back; rounded to this many significant digits where they are given."""
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", 0) == 0 and not isinstance(value, date):
        value = item()
    if isinstance(value, datetime):
        text = value.isoformat(sep=" ", timespec="minutes")
        return text[:10] if text[10:16] in ("", " 00:00") else text
    if isinstance(value, bool | int | str | date) or value is None:
        text = str(value)
        return text if len(text) <= 40 else text[:39] + "…"
    if isinstance(value, float):
        if not math.isfinite(value):
            return "–" if math.isnan(value) else str(value)
        if value.is_integer() and abs(value) < 10 ** (digits or 15):
            return str(int(value))
        return repr(value) if digits is None else _rounded(value, digits)
    text = str(value)
    return (
        text[:10]
        if text[10:] in ("T00:00:00", " 00:00:00") or text[10:].startswith("T00:00:00.0")
        else text[:40]
    )


def _rounded(value: float, digits: int) -> str:
    """A number to this many significant digits, in the shorter of the two notations."""
    text = f"{value:.{digits}g}"
    if "e" not in text:
        return text
    mantissa, exponent = text.split("e")
    plain = f"{float(text):.0f}"
    power = f"{mantissa}e{int(exponent)}"
    return plain if int(exponent) > 0 and len(plain) <= len(power) + 2 else power


def _evenly(length: int, most: int) -> Sequence[int]:
    """Indices of at most this many points at one distance, and the last."""
    if length <= most:
        return range(length)
    stride = -(-(length - 1) // max(most - 1, 1))
    chosen = list(range(0, length, stride))
    return chosen if chosen[-1] == length - 1 else [*chosen, length - 1]


def _months(x: Sequence[Any]) -> str:
    """How many months there are between dates at the same time of a month."""
    dates = [short(v) for v in x]
    if len({text[8:] for text in dates}) > 1 or not all(
        text[:4].isdigit() and text[4:5] == "-" for text in dates
    ):
        return ""
    months = [12 * int(text[:4]) + int(text[5:7]) for text in dates]
    steps = {b - a for a, b in pairwise(months)}
    step = steps.pop()
    return "" if steps or step <= 0 else f"{step} month{'' if step == 1 else 's'}"


def _step(x: Sequence[Any]) -> str:
    """The one distance between all neighbors, as text; empty if there is none."""
    if len(x) < 3 or isinstance(x[0], str | bool):
        return ""
    try:
        steps = [x[i + 1] - x[i] for i in range(len(x) - 1)]
        first = steps[0]
        if isinstance(first, int | float) or (hasattr(first, "dtype") and first.dtype.kind in "fiu"):
            wide = abs(float(first))
            same = wide > 0 and all(
                abs(float(s) - float(first)) <= 1e-9 * max(wide, abs(float(x[-1])) * 1e-3) for s in steps
            )
            return short(round(float(first), 12)) if same else ""
        if any(s != first for s in steps):
            return _months(x)
        seconds = first / type(first)(1, "s") if hasattr(first, "dtype") else first.total_seconds()
    except Exception:  # mixed or foreign types
        return ""
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        if seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return ""
