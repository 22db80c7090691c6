"""The numbers next to a figure's picture, as they are sent, read back into values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from claude_jupyter.demo.statements.wording import number

KIND: Final = "figure-data"
_HEAD: Final = re.compile(r"^What the (\w[\w.-]*) figure holds(?: \((.*)\))?:$")
_PANEL: Final = re.compile(r"^(?:panel \d+: )?(?:“(.*?)” · )?x: (.*?) · y: (.*)$")
_LABEL: Final = re.compile(r"^“(.*)”")
_SERIES: Final = re.compile(r"^- (\w[\w -]*?)(?: “(.*?)”)?, n=(\d+)(.*)$")
_STEPS: Final = re.compile(r"^(?:, .*?)?, x (\S+(?: \d\d:\d\d)?) to (\S+(?: \d\d:\d\d)?) step ([^:]+): (.*)$")
_BINS: Final = re.compile(r"^(?:, .*?)?, bins (\S+) to (\S+) width (\S+): (.*)$")


@dataclass(frozen=True, slots=True)
class Series:
    """One thing that is drawn.

    Attributes
    ----------
    points
        (x as text, y) of the points that were sent and are numbers.
    edges
        A histogram's bin edges, one more than points.
    thinned
        Whether some points were left out.
    """

    kind: str
    label: str
    length: int
    points: tuple[tuple[str, float], ...] = ()
    edges: tuple[float, ...] = ()
    thinned: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes, by their labels."""

    title: str
    x: str
    y: str
    series: tuple[Series, ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure by its numbers."""

    label: str
    library: str
    title: str = ""
    panels: tuple[Panel, ...] = ()


@dataclass
class _Read:
    title: str = ""
    panels: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    series: list[list[Series]] = field(default_factory=list[list[Series]])


def figure_of(label: str, text: str) -> Figure | None:
    """The figure in an attachment's text; None if it is none."""
    first, *lines = text.splitlines() or [""]
    head = _HEAD.match(first)
    if head is None:
        return None
    thinned = "evenly spaced" in (head[2] or "")
    read = _Read()
    for line in lines:
        if match := _SERIES.match(line):
            if read.series:
                read.series[-1].append(_series(match, thinned))
        elif line.startswith("title “"):
            read.title = line[7:-1]
        elif match := _PANEL.match(line):
            read.panels.append((match[1] or "", _axis(match[2]), _axis(match[3])))
            read.series.append([])
    shared = next((x for _, x, _ in reversed(read.panels) if x), "")
    panels = tuple(
        Panel(title, x or shared, y, tuple(series))
        for (title, x, y), series in zip(read.panels, read.series, strict=True)
    )
    return Figure(label, head[1], read.title, panels)


def _axis(text: str) -> str:
    match = _LABEL.match(text)
    return match[1] if match else ""


def _series(match: re.Match[str], thinned: bool) -> Series:
    kind, label, length, rest = match[1], match[2] or "", int(match[3]), match[4]
    points: list[tuple[str, float]] = []
    edges: tuple[float, ...] = ()
    if steps := _STEPS.match(rest):
        points = _stepped(steps, length)
    elif bins := _BINS.match(rest):
        points, edges = _binned(bins, length)
    elif "→" in rest:
        body = rest[2:] if rest.startswith(": ") else rest.rpartition(": ")[2]
        pairs = [item.rpartition("→") for item in body.split(", ")]
        points = [(x, y) for x, arrow, value in pairs if arrow and (y := number(value)) is not None]
    elif rest.startswith(": "):
        values = [number(value) for value in rest[2:].split()]
        points = [(str(k), y) for k, y in enumerate(values) if y is not None]
        points = points if len(values) == length else []
    return Series(
        kind, label, length, tuple(points), edges, thinned and bool(points) and len(points) < length
    )


def _stepped(match: re.Match[str], length: int) -> list[tuple[str, float]]:
    """Points with one distance between them; a date's x is its ordinal number, but for the first and the last."""
    values = [number(value) for value in match[4].split()]
    if len(values) != length:
        return []
    start, step = number(match[1]), number(match[3])
    if start is None or step is None:
        names = [f"point {k}" for k in range(1, length + 1)]
        names[0], names[-1] = match[1], match[2]
    else:
        names = [f"{start + k * step:.10g}" for k in range(length)]
    return [(name, y) for name, y in zip(names, values, strict=True) if y is not None]


def _binned(match: re.Match[str], length: int) -> tuple[list[tuple[str, float]], tuple[float, ...]]:
    start, end = number(match[1]), number(match[2])
    values = [number(value) for value in match[4].split()]
    if start is None or end is None or len(values) != length or None in values:
        return [], ()
    edges = tuple(start + (end - start) * k / length for k in range(length + 1))
    return [(f"{edges[k]:.4g}", value) for k, value in enumerate(values) if value is not None], edges
