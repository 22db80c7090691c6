"""Where Markdown is code and where it is text, as far as every parser must agree. Says nothing about what is in the text.

A fence is *clean* when all parsers open and close it at the same lines. Whatever they may read differently makes it and all
later fences unclean (JupyterLab issues and the payloads are in tests/inert/fragments.py): what is in those is written
so that it is harmless as code and as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from claude_jupyter.display.inert.code import fence_block, plain_info

_FENCE: Final = re.compile(r"( *)(`{3,}(?=[^`]*+$)|~{3,})(.*)$")
_RUN: Final = re.compile(r"`{3}|~{3}")
_MARKER: Final = re.compile(r"( *)(?:[-*+]|\d{1,9}[.)])( +|$)")
_BLOCK: Final = re.compile(r"[ \t]*(?:[#>|:=*+-]|\d{1,9}[.)])")
_DISPLAY: Final = re.compile(r"(?<!\\)\$\$|\\\\[\[\]]|\\(?:begin|end)\{[a-zA-Z]*\*?\}")
_OPENS_MATH: Final = re.compile(r"\$|\\\\[(\[]|\\begin\b|&(?:#|dollar)")
_CLOSES_MATH: Final = re.compile(r"\$|\\\\[)\]]|\\end\b")
_DEFINES: Final = re.compile(r"[ \t]*:[ \t]")
ODD: Final = str.maketrans({"\0": "\ufffd", **dict.fromkeys("\x0b\x0c\x1c\x1d\x1e\x1f\x85\u2028\u2029", " ")})
"""What some parsers take for a line's end and others do not."""


@dataclass(frozen=True, slots=True)
class Region:
    """Lines that belong together.

    Attributes
    ----------
    fence
        A fenced block, already harmless; else lines of text, blank ones among them only at the end.
    before_fence
        A fence follows on the next line.
    doubt
        Parsers may disagree by now about what is code.
    apart
        A blank line must be before it, so that no parser's mathematics reaches across.
    """

    lines: Sequence[str]
    fence: bool = False
    before_fence: bool = False
    doubt: bool = False
    apart: bool = False


def lines_of(markdown: str) -> list[str]:
    """The lines, in the one way that all parsers divide them."""
    return markdown.replace("\r\n", "\n").replace("\r", "\n").translate(ODD).split("\n")


def regions(lines: Sequence[str], state: State) -> Iterator[Region]:
    """Fences and the pieces of text between them and between blank lines, in order.

    `state` is what came before in the same document, and afterwards what came up to here.
    """
    scan = _Scan(lines, state)
    start = at = 0
    apart = False
    while at < len(lines):
        line = lines[at]
        opener = _FENCE.match(line)
        if opener is None:
            scan.text_line(line)
            at += 1
            if _blank(line) and (at >= len(lines) or not _blank(lines[at])):
                yield Region(lines[start:at], doubt=state.doubt, apart=apart)
                start, apart = at, False
            continue
        end, fence_lines, before, after = scan.fence(at, opener, lines[start:at])
        if start < at:
            # Where it is not a fence for everyone, its backticks may be the paragraph's: hence the doubt of after it.
            yield Region(lines[start:at], before_fence=True, doubt=state.doubt, apart=apart)
        yield Region(fence_lines, fence=True, apart=before)
        apart = after
        start = at = end
    if start < len(lines):
        yield Region(lines[start:], doubt=state.doubt, apart=apart)
    scan.text_line("")


def _blank(line: str) -> bool:
    return not line.strip(" \t")


def _closing(lines: Sequence[str]) -> list[bool]:
    """For each line, whether mathematics can end in it or in those after it, up to the next blank one."""
    closes = [False] * (len(lines) + 1)
    for n in range(len(lines) - 1, -1, -1):
        closes[n] = not _blank(lines[n]) and (closes[n + 1] or _CLOSES_MATH.search(lines[n]) is not None)
    return closes


@dataclass(slots=True)
class State:
    """What has been seen so far that decides how the next fence is read.

    Attributes
    ----------
    doubt
        Whether parsers may disagree by now about what is code.
    offsets
        Columns at which the open list items' text begins.
    math, math_indent
        What closes the display mathematics that is open, and how far its first line was indented.
    """

    doubt: bool = False
    offsets: list[int] = field(default_factory=list[int])
    math: str | None = None
    math_indent: int = 0


class _Scan:
    """Reads lines and keeps the state."""

    def __init__(self, lines: Sequence[str], state: State) -> None:
        self.lines = lines
        self.closes = _closing(lines)
        self.state = state

    def text_line(self, line: str) -> None:
        """Keep track of lists and of display mathematics, which mistune looks for before anything else."""
        state = self.state
        if _RUN.search(line):
            state.doubt = True
        if _blank(line):
            state.doubt |= state.math is not None
            return
        indent = len(line) - len(line.lstrip(" "))
        while state.offsets and indent < state.offsets[-1]:
            state.offsets.pop()
        marker = _MARKER.match(line)
        if marker and line[marker.end() :].strip():
            # Parsers disagree about what continues in an item that begins with nothing.
            state.offsets.append(len(marker[0]))
        block = _BLOCK.match(line) is not None
        if state.math is not None and (block or indent < state.math_indent):
            state.doubt = True
        for token in _DISPLAY.findall(line):
            self._display(token, indent)
        if state.math is not None and block:
            state.doubt = True

    def _display(self, token: str, indent: int) -> None:
        state = self.state
        if state.math is None:
            if token.startswith(("\\end", "\\\\]")):
                return
            state.math_indent = indent
            state.math = {"$$": "$$", "\\\\[": "\\\\]"}.get(token) or token.replace("begin", "end")
        elif token == state.math:
            state.math = None

    def fence(
        self, at: int, opener: re.Match[str], before: Sequence[str]
    ) -> tuple[int, list[str], bool, bool]:
        """The fence that opens at a line: where it ends, its lines made harmless, whether a blank line must be
        before it, and after it, so that no parser takes its first or last line for part of a formula."""
        state = self.state
        indent, run = len(opener[1]), opener[2]
        end, closed, agreed = self._closer(at + 1, indent, run)
        content = self.lines[at + 1 : end]
        whole = "\n".join(content)
        math = _OPENS_MATH.search("\n".join(before)) is not None
        opens = re.search(r"\\begin\b|\\\\[(\[]", whole) is not None or (indent > 0 and "$" in whole)
        agreed = agreed and state.math is None and self._fits(indent)
        mixed = indent > 0 and (opens or math or "\t" in whole or any("\t" in line for line in before))
        state.doubt |= not agreed
        defines = any(_DEFINES.match(line) for line in content)
        after = end + (closed is not None)
        reached = (opens or (state.doubt and "$" in whole)) and self.closes[after]
        fence_lines = [
            opener[1] + run + plain_info(opener[3], None if state.doubt else whole),
            *fence_block(content, clean=not state.doubt and not mixed),
            opener[1] + run if closed is None else closed,
        ]
        return after, fence_lines, math or defines, math or reached

    def _fits(self, indent: int) -> bool:
        state = self.state
        # Four or more columns beyond the list item are indented code, fewer than its own end the item.
        while state.offsets and indent < state.offsets[-1]:
            state.offsets.pop()
        return 0 <= indent - (state.offsets[-1] if state.offsets else 0) <= 3

    def _closer(self, at: int, indent: int, run: str) -> tuple[int, str | None, bool]:
        clean = True
        for n in range(at, len(self.lines)):
            line = self.lines[n]
            bare = line.strip(" \t")
            if bare.startswith(run) and not bare.strip("`~ \t"):
                stripped = line.rstrip(" ")
                same = stripped == " " * indent + run[0] * len(bare) and (
                    run[0] == "`" or len(bare) == len(run)
                )
                return n, stripped, clean and same
            clean &= _blank(line) or len(line) - len(line.lstrip(" ")) >= indent
        return len(self.lines), None, clean
