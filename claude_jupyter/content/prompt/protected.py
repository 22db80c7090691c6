"""Where braces of a prompt are never touched: fenced code and mathematics.

A pure scanner in linear time; it knows nothing of values. Mathematics follows Pandoc's rule for `$…$` (no blank inside the
dollars, no digit behind the closing one, one paragraph); where rules differ it protects rather more than less, because a
formula must never send a variable.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

Span = tuple[int, int]

_FENCE_OPENS: Final = re.compile(
    r"^[ \t>]*+(?:(?:[-*+]|\d{1,9}[.)])[ \t]++)*+[ \t>]*+(`{3,}+(?=[^`\n]*$)|~{3,}+)[^\n]*$", re.MULTILINE
)
_FENCE_CLOSES: Final = re.compile(r"^[ \t>]*+(`{3,}+|~{3,}+)[ \t\r]*$", re.MULTILINE)
_TOKEN: Final = re.compile(r"\\.|\$|`+", re.DOTALL)
_BLANK_LINE: Final = re.compile(r"\n[ \t\r]*\n")


def protected(text: str) -> list[Span]:
    """Spans (start, end) in order, without overlap."""
    spans: list[Span] = []
    at = 0
    for start, end in fences(text):
        spans += _math(text, at, start)
        spans.append((start, end))
        at = end
    return spans + _math(text, at, len(text))


def fences(text: str) -> Iterator[Span]:
    """Fenced code, also in lists and quotations; one that never closes goes to the end, as in CommonMark."""
    at = 0
    while opening := _FENCE_OPENS.search(text, at):
        fence = opening[1]
        at = opening.end()
        while closing := _FENCE_CLOSES.search(text, at):
            at = closing.end()
            if closing[1][0] == fence[0] and len(closing[1]) >= len(fence):
                break
        else:
            at = len(text)
        yield opening.start(), at


class _Tokens:
    """The dollars, `\\(`, `\\[` and their closers of one stretch of text, and the code spans that part them."""

    def __init__(self, text: str, start: int, end: int) -> None:
        self.dollars: list[int] = []
        self.brackets: list[tuple[int, str]] = []
        ticks: list[Span] = []
        for match in _TOKEN.finditer(text, start, end):
            token = match[0]
            if token == "$":
                self.dollars.append(match.start())
            elif token[0] == "`":
                ticks.append(match.span())
            elif token[1] in "()[]":
                self.brackets.append((match.start(), token[1]))
        self.code = list(_code_spans(text, ticks)) if self.dollars and ticks else []
        self._starts = [span[0] for span in self.code]

    def code_of(self, at: int) -> int:
        """Which code span this place is in, or -1."""
        i = bisect_right(self._starts, at) - 1
        return i if i >= 0 and at < self.code[i][1] else -1


def _code_spans(text: str, ticks: list[Span]) -> Iterator[Span]:
    """Inline code: a run of backticks up to the next run of the same length in the paragraph."""
    following: dict[int, int] = {}
    nearest: list[int | None] = [None] * len(ticks)
    for i in range(len(ticks) - 1, -1, -1):
        length = ticks[i][1] - ticks[i][0]
        nearest[i] = following.get(length)
        following[length] = i
    blanks = [match.start() for match in _BLANK_LINE.finditer(text, ticks[0][0], ticks[-1][1])]
    i = 0
    while i < len(ticks):
        close = nearest[i]
        if close is None or bisect_right(blanks, ticks[i][1]) != bisect_right(blanks, ticks[close][0]):
            i += 1
            continue
        yield ticks[i][0], ticks[close][1]
        i = close + 1


def _math(text: str, start: int, end: int) -> list[Span]:
    tokens = _Tokens(text, start, end)
    spans = sorted([*_bracket_math(tokens.brackets), *_dollar_math(text, tokens)])
    merged: list[Span] = []
    for first, last in spans:
        if merged and first < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def _bracket_math(brackets: list[tuple[int, str]]) -> Iterator[Span]:
    r"""`\(…\)` and `\[…\]`: an opener up to the next closer of its kind."""
    opened: dict[str, int] = {}
    for at, char in brackets:
        if char in "([":
            opened.setdefault(char, at)
        elif (begin := opened.pop("(" if char == ")" else "[", None)) is not None:
            yield begin, at + 2


def _dollar_math(text: str, tokens: _Tokens) -> Iterator[Span]:
    groups: dict[int, list[int]] = {}
    for at in tokens.dollars:
        groups.setdefault(tokens.code_of(at), []).append(at)
    for dollars in groups.values():
        yield from _pairs(text, dollars)


def _pairs(text: str, dollars: list[int]) -> Iterator[Span]:
    double = [i for i in range(len(dollars) - 1) if dollars[i] + 1 == dollars[i + 1]]
    i = 0
    while i < len(dollars) - 1:
        start, close = dollars[i], dollars[i + 1]
        if close == start + 1:
            k = bisect_right(double, i + 1)
            if k < len(double):
                yield start, dollars[double[k]] + 2
                i = double[k] + 2
                continue
        elif _is_inline(text, start, close):
            yield start, close + 1
            i += 2
            continue
        i += 1


def _is_inline(text: str, start: int, close: int) -> bool:
    after = text[close + 1 : close + 2]
    return (
        not text[start + 1].isspace()
        and not text[close - 1].isspace()
        and not after.isdecimal()
        and not _BLANK_LINE.search(text, start, close)
    )
