"""Splits a magic's line into words: at spaces, keeping quotes and brackets together.

IPython's `arg_split` and `shlex` lose backslashes and the quotes of `x["a b"]`; what the words mean is `parse.py`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple


class Word(NamedTuple):
    """A word of the line as typed, quotes included, and where it ends."""

    text: str
    end: int


_CLOSING: Final = {"(": ")", "[": "]", "{": "}"}
_REACH: Final = 10_000


def words(line: str) -> Iterator[Word]:
    """The words of a line: parted by blanks, quotes and brackets kept together (`x["a b"]`, `"my plot.png"`).

    An apostrophe within a word is not a quote, a backslash no escape, and what never closes counts as plain text.
    """
    at = skip_blanks(line, 0)
    while (word := word_at(line, at)) is not None:
        yield word
        at = skip_blanks(line, word.end)


def skip_blanks(line: str, at: int) -> int:
    """Where the next word begins."""
    while at < len(line) and line[at] in " \t\r\n":
        at += 1
    return at


def word_at(line: str, start: int) -> Word | None:
    """The word that begins at `start`, or None at the end of the line."""
    at = start
    while at < len(line) and line[at] not in " \t\r\n":
        char = line[at]
        end = None
        if char in "\"'" and _may_open(line, start, at):
            end = _quote_end(line, at)
        elif char in _CLOSING:
            end = _bracket_end(line, at)
        at = end or at + 1
    return Word(line[start:at], at) if at > start else None


def _may_open(line: str, start: int, at: int) -> bool:
    attached_to_letter = at == start + 2 and line[start] == "-" and line[start + 1].isalpha()
    return at == start or line[at - 1] == "=" or attached_to_letter


def _quote_end(line: str, at: int) -> int | None:
    """Behind the quote that closes the one at `at`: the next of its kind that a blank or the end follows."""
    close = line.find(line[at], at + 1)
    while close != -1 and close + 1 < len(line) and line[close + 1] not in " \t\r\n":
        close = line.find(line[at], close + 1)
    return close + 1 or None


def _bracket_end(line: str, at: int) -> int | None:
    expected: list[str] = []
    stop = min(len(line), at + _REACH)
    while at < stop:
        char = line[at]
        if char in _CLOSING:
            expected.append(_CLOSING[char])
        elif char in "\"'":
            string = _STRING.match(line, at, stop)
            if string is None:
                return None
            at = string.end() - 1
        elif char in ")]}":
            if expected.pop() != char:
                return None
            if not expected:
                return at + 1
        at += 1
    return None


_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*+"|\'(?:[^\'\\]|\\.)*+\'', re.DOTALL)


def unquoted(text: str) -> str:
    """A word without the quotes around it; backslashes stay, as in `"C:\\tmp"`."""
    return text[1:-1] if len(text) > 1 and text[0] in "\"'" and text[-1] == text[0] else text
