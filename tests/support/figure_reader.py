"""Reads the text beside a figure back into series, as somebody would who has nothing else: no model, only the words."""

from __future__ import annotations

import re
from dataclasses import dataclass

_HEAD = re.compile(r"^- (?P<kind>[^“,]+?)(?: “(?P<label>.*?)”)?, n=(?P<n>\d+)(?P<rest>.*)$")


@dataclass(frozen=True)
class Read:
    """One series as read."""

    kind: str
    label: str
    length: int
    x: list[str]
    y: list[str]


def series_in(text: str) -> list[Read]:
    """All series that a figure's text tells."""
    series: list[Read] = []
    shared: list[str] = []
    for line in text.splitlines():
        if line.startswith("panel "):
            shared = []
        if places := re.match(r"x of all, n=\d+: (.*)$", line):
            shared = _places(places[1])
        match = _HEAD.match(line)
        if match is None:
            continue
        about, _, values = match["rest"].rpartition(": ")
        pairs = [part.split("→") for part in values.split(", ")] if "→" in values else []
        own = re.search(r"x (.* step .*)$", about)
        xs = [p[0] for p in pairs] if pairs else _places(own[1]) if own else shared
        ys = [p[1] for p in pairs] if pairs else values.split()
        series.append(Read(match["kind"].strip(), match["label"] or "", int(match["n"]), xs, ys))
    return series


def _places(text: str) -> list[str]:
    """`0 to 288 step 24, then 299`, or one by one."""
    match = re.match(r"(?P<first>.+?) to (?P<last>.+?) step (?P<step>.+?)(?:, then (?P<then>.+))?$", text)
    if match is None:
        return text.split(", ")
    then = [match["then"]] if match["then"] else []
    try:
        first, last, step = (float(match[part]) for part in ("first", "last", "step"))
    except ValueError:
        return [match["first"], *then]
    return [f"{first + i * step:.10g}" for i in range(round((last - first) / step) + 1)] + then
