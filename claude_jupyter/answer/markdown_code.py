"""Extracts from Markdown the code that a cell can run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_OPENS: Final = re.compile(r"([ \t]*)(`{3,}(?=[^`]*$)|~{3,})[ \t]*([\w+#.-]*)")
_PYTHON: Final = frozenset(("python", "python3", "py", "py3", "ipython", "ipython3"))


def codes(text: str) -> tuple[str, ...]:
    """The code of each fenced block that is Python; if none is marked so, of those without a mark, else of all."""
    blocks = list(_blocks(text))
    python = [code for language, code in blocks if language in _PYTHON]
    unmarked = [code for language, code in blocks if not language]
    return tuple(python or unmarked or [code for _, code in blocks])


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Language and code of each block, without the indentation of the list item it is in; one that is cut short is none."""
    opener: re.Match[str] | None = None
    lines: list[str] = []
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip(" \t"))
        if opener is None:
            opener, lines = _OPENS.match(line), []
        elif _closes(line[indent:].rstrip(), indent, opener):
            yield opener[3].lower(), "\n".join(lines).rstrip("\n")
            opener = None
        else:
            lines.append(line[min(indent, len(opener[1])) :])


def _closes(marks: str, indent: int, opener: re.Match[str]) -> bool:
    """A fence at least as long closes it, indented by at most three more: a docstring's own does not (CommonMark, section 4.5)."""
    return len(marks) >= len(opener[2]) and set(marks) == {opener[2][0]} and indent <= len(opener[1]) + 3
