"""Splits SQL into tokens, as far as `query` needs it: which frames a statement names, and what it may not contain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from claude_jupyter.errors import UsageError

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)
    |(?P<string>'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")*")
    |(?P<number>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)
    |(?P<word>[^\W\d]\w*)
    |(?P<mark><>|!=|<=|>=|\|\||::|.)""",
    re.VERBOSE | re.DOTALL,
)
LONGEST: Final = 20_000


class Token(NamedTuple):
    """One word of a statement: its kind, its text, and for a name the name itself."""

    kind: str
    text: str

    @property
    def name(self) -> str:
        """A quoted name without its quotes."""
        return self.text[1:-1].replace('""', '"') if self.kind == "quoted" else self.text

    @property
    def upper(self) -> str:
        """A keyword in capitals."""
        return self.text.upper() if self.kind == "word" else self.text


def tokens(sql: str) -> list[Token]:
    """The words of one statement, comments left out.

    Raises
    ------
    UsageError
        For several statements, or one that is no SELECT.
    """
    if len(sql) > LONGEST:
        raise UsageError(f"The SQL is longer than {LONGEST:,} characters.")
    result = [Token(str(m.lastgroup), m[0]) for m in _TOKEN.finditer(sql) if m.lastgroup != "space"]
    while result and result[-1].text == ";":
        result.pop()
    if any(token.text == ";" for token in result):
        raise UsageError("query takes one statement.")
    if not result or result[0].upper not in ("SELECT", "WITH", "FROM", "("):
        raise UsageError("query takes a SELECT and nothing else: it reads and never changes anything.")
    return result


def statement(sql: str) -> str:
    """The statement without a semicolon at its end, as it can be in parentheses."""
    return sql.strip().rstrip(";").rstrip()


def named_frames(words: list[Token], frames: Mapping[str, Any]) -> dict[str, Any]:
    """The frames whose names are in the statement."""
    lower: dict[str, list[str]] = {}
    for name in frames:
        lower.setdefault(name.lower(), []).append(name)
    named: dict[str, Any] = {}
    for token in words:
        if token.kind not in ("word", "quoted"):
            continue
        name = token.name
        alike = lower.get(name.lower(), [])
        if name in frames:
            named[name] = frames[name]
        elif token.kind == "word" and len(alike) == 1:
            named[alike[0]] = frames[alike[0]]
    return named


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'
