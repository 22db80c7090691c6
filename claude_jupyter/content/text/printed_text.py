"""Printed text as a person would read it: progress bars at their end, no colors, repeated lines folded, no base64. Pure text."""

from __future__ import annotations

import re
from itertools import groupby
from typing import Final

_ESCAPES: Final = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[@-Z\\-_=>])"
)
_CELL_FILE: Final = re.compile(r"(?<![^\s\"'(])[^\s\"'(]{0,300}ipykernel_\d+[\\/]\d+\.py")
_ADDRESS: Final = re.compile(r"(<[^<>\n]{1,300}?) at 0x[0-9A-Fa-f]{6,16}\b")
_BASE64: Final = re.compile(r"(?:data:[\w.+-]+/[\w.+-]+;base64,)?[A-Za-z0-9+/]{300,}={0,2}")
_NUMBERS: Final = re.compile(r"\d+(?:[.,:]\d+)*|[█▏▎▍▌▋▊▉#=\-.>]{2,}")
FOLD: Final = 12
"""This many similar lines in a row stand as they are; of more, the first and last `KEEP`."""
KEEP: Final = 4


def clean(text: str) -> str:
    """The text as it is on the screen at the end, with repetition folded.

    >>> clean("\\x1b[31m 10%\\r100%\\x1b[0m\\n")
    '100%\\n'
    """
    return fold(plain(text))


def plain(text: str) -> str:
    """The text as it is on the screen at the end, every line of it."""
    text = _ESCAPES.sub("", text).replace("\r\n", "\n")
    if "\r" in text or "\b" in text:
        text = "\n".join(_overwritten(line) for line in text.split("\n"))
    # A cell's file in warnings: a path of this machine, and another one in each kernel.
    if "ipykernel_" in text:
        text = _CELL_FILE.sub("cell", text)
    # `<Line2D at 0x7f…>`: tells Claude nothing, and is another one in each kernel, so that no recording would be found.
    if " at 0x" in text:
        text = _ADDRESS.sub(r"\1", text)
    return without_base64(text)


def short_place(path: str) -> str:
    """A file of a traceback without the folders of this machine: `pandas/core/frame.py`, `model.py`, `cell`."""
    if "ipykernel_" in path or path.startswith("<ipython-input"):
        return "cell"
    if "-packages" in path:
        return re.split(r"(?:site|dist)-packages[\\/]", path)[-1]
    return re.split(r"[\\/]", path)[-1]


def _overwritten(line: str) -> str:
    """What is left of a line that returned to its start: its last writing."""
    visible = next((part for part in reversed(line.split("\r")) if part.strip()), "")
    if "\b" in visible:
        lines: list[str] = []
        for character in visible:
            if character != "\b":
                lines.append(character)
            elif lines:
                lines.pop()
        visible = "".join(lines)
    return visible.rstrip(" ")


def without_base64(text: str) -> str:
    """Long runs of base64 replaced by a word on their length."""

    def word(match: re.Match[str]) -> str:
        run = match[0]
        # A long word of one kind of character (a ruler of zeros, a hash table of hex) is not a picture.
        if len(set(run[:2000])) < 20:
            return run
        return f"[base64 left out: {len(run):,} characters]"

    return _BASE64.sub(word, text) if len(text) >= 300 else text


def fold(text: str) -> str:
    """Runs of more than `FOLD` lines that differ in numbers alone, shortened to their first and last."""
    lines = text.split("\n")
    if len(lines) <= FOLD:
        return text
    folded: list[str] = []
    for shape, run in groupby(lines, key=_shape):
        same = list(run)
        if len(same) > FOLD and shape.strip():
            middle = same[KEEP:-KEEP]
            same = [*same[:KEEP], f"… {len(middle):,} similar lines", *same[-KEEP:]]
        folded.extend(same)
    return "\n".join(folded)


def _shape(line: str) -> str:
    return _NUMBERS.sub("#", line[:300])
