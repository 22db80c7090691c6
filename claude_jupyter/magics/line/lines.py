"""Input transformers that take `%claude` lines and `%%claude` cells whole, before IPython reads `?`, `$` or `{}` in them.

Only where the text goes is decided here, not what it means (`parse.py`). Cells that hold neither magic pass unchanged.
`%claude?` and `%%claude?` stay IPython's help.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

Lines = list[str]

# A no-break space is what a French or Mac keyboard, or a web page, gives for a space.
_BLANK: Final = r"[ \t\xa0\u2007\u202f\u3000]"
_CELL: Final = re.compile(rf"[ \t]*%%claude(?:{_BLANK}|\r?$)")
_ABOVE: Final = re.compile(r"\s*(?:#.*)?$")
_LOAD: Final = re.compile(r"[ \t]*%load_ext[ \t]+claude_jupyter[ \t]*$")
_OURS: Final = re.compile(r"[ \t]*%{1,2}claude(?:_\w+)?(?![\w?])")
_STATEMENT: Final = re.compile(rf"[ \t]*%claude(?:{_BLANK}+|(?=\r?\n|$))")
_AFTER_ASSIGN: Final = re.compile(rf"=[ \t]*%claude(?:{_BLANK}+|(?=\r?\n|$))")
_QUOTED_OR_BLANK: Final = re.compile(r"(\"[^\"]*\"|'[^']*')|[\xa0\u2007\u202f\u3000]")
_CANDIDATE: Final = re.compile(r"(?:^|=)[ \t]*+%claude(?![\w?])", re.MULTILINE)
_OTHER_SYNTAX: Final = re.compile(r"[ \t]*(?:[%!?]|,|;|/)|[^=#\"'()]*=[ \t]*[%!]")
_BEFORE_EQUALS: Final = frozenset("=!<>+-*/%&|^@:")
_QUOTE: Final = re.compile(r"\"\"\"|'''|\"|'")


def install(ip: Any) -> None:
    """Put the transformers in, in place of earlier ones of ours."""
    uninstall(ip)
    transforms: list[Callable[[Lines], Lines]] = ip.input_transformer_manager.cleanup_transforms
    transforms[:0] = [without_load, bare_cell, taken_cell]
    transforms.append(taken_lines)


def uninstall(ip: Any) -> None:
    """Take them out again, also those of an earlier import of this module."""
    transforms: list[Callable[[Lines], Lines]] = ip.input_transformer_manager.cleanup_transforms
    transforms[:] = [t for t in transforms if getattr(t, "__module__", None) != __name__]


def without_load(lines: Lines) -> Lines:
    """A cell that loads the extension and then asks: it is loaded, and `%%claude` has to be the first line that says something."""
    code_lines = (number for number, line in enumerate(lines) if not _ABOVE.match(line))
    load, magic = next(code_lines, None), next(code_lines, None)
    if load is None or magic is None or not _LOAD.match(lines[load]) or not _OURS.match(lines[magic]):
        return lines
    return [*lines[:load], "\n", *lines[load + 1 :]]


def bare_cell(lines: Lines) -> Lines:
    """`%%claude` at the very top: comments and blank lines above it and its indentation dropped, the body untouched."""
    top = _top(lines)
    if top is None or (top == 0 and lines[0].startswith("%%")):
        return lines
    return [lines[top].lstrip(" \t"), *lines[top + 1 :]]


def taken_cell(lines: Lines) -> Lines:
    """The whole `%%claude` cell as one call, its first line and body byte for byte; without a body it gets an empty one."""
    if _top(lines) != 0:
        return lines
    first, _, body = "".join(lines).lstrip(" \t").partition("\n")
    arguments = _QUOTED_OR_BLANK.sub(
        lambda m: m[1] or " ", first.removesuffix("\r")[len("%%claude") :]
    ).lstrip(" \t")
    return [f"get_ipython().run_cell_magic('claude', {arguments!r}, {body or chr(10)!r});\n"]


# IPython leaves such a transformer out when it asks whether a cell is complete: in a terminal a blank line ends the body.
taken_cell.has_side_effects = True  # type: ignore[attr-defined]


def taken_lines(lines: Lines) -> Lines:
    """Each `%claude …` and `x = %claude …` as a call with the rest of the line byte for byte."""
    if not lines or lines[0].startswith(("%%", "get_ipython().run_cell_magic(")):
        return lines
    text = "".join(lines)
    if not _CANDIDATE.search(text):
        return lines
    source = text.split("\n")
    magics = dict(_magics(source))
    if not magics:
        return lines
    result: Lines = []
    at = 0
    while at < len(source):
        column, start = magics.get(at, (0, 0))
        if not start:
            result.append(source[at])
            at += 1
            continue
        last = _last_line(source, at)
        arguments = _joined([source[at][start:], *source[at + 1 : last + 1]])
        before = source[at][:column]
        quiet = "" if before.strip() else ";"  # the cell shows its answer once: not again as its value
        result.append(f"{before}get_ipython().run_line_magic('claude', {arguments!r}){quiet}")
        result += [""] * (last - at)  # line numbers of what follows stay
        at = last + 1
    return "\n".join(result).splitlines(keepends=True)


def _top(lines: Lines) -> int | None:
    """The line of `%%claude`, if nothing but comments and blank lines is above it."""
    for number, line in enumerate(lines):
        if _CELL.match(line):
            return number
        if not _ABOVE.match(line):
            return None
    return None


def _last_line(source: list[str], at: int) -> int:
    """The last line of a statement that continues behind a backslash; one before a blank line or the end is text."""
    while at + 1 < len(source) and _goes_on(source[at]) and source[at + 1].strip():
        at += 1
    return at


def _goes_on(line: str) -> bool:
    line = line.removesuffix("\r")
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _joined(parts: list[str]) -> str:
    *before, last = parts
    return "".join(part.rstrip("\r")[:-1].rstrip() + " " for part in before) + (
        last.lstrip() if before else last
    ).removesuffix("\r")


def _magics(source: list[str]) -> Iterator[tuple[int, tuple[int, int]]]:
    """Where magics are in Python source: line → (column of the `%`, where the rest begins).

    Strings and brackets that span lines are followed, so that what only looks like a magic there stays.
    """
    state = _State()
    at = 0
    while at < len(source):
        line = source[at]
        if state.at_statement:
            match = _STATEMENT.match(line)
            if match is None and "%claude" in line and (equals := state.assigned(line)) is not None:
                match = _AFTER_ASSIGN.match(line, equals)
            if match is not None:
                yield at, (line.index("%", match.start()), match.end())
                at = _last_line(source, at) + 1
                continue
            if _OTHER_SYNTAX.match(line):
                at = _last_line(source, at) + 1
                continue
        state.read(line)
        at += 1


class _State:
    """What Python would be inside of at the beginning of a line: a string, brackets, a continued line."""

    def __init__(self) -> None:
        self.string = ""
        self.depth = 0
        self.continued = False

    @property
    def at_statement(self) -> bool:
        return not self.string and not self.depth and not self.continued

    def assigned(self, line: str) -> int | None:
        """The column of a plain `=` outside strings and brackets that a magic follows."""
        for column, char, depth in _code(line):
            plain = char == "=" and depth == 0 and line[column - 1 : column] not in _BEFORE_EQUALS
            if plain and _AFTER_ASSIGN.match(line, column):
                return column
        return None

    def read(self, line: str) -> None:
        """Go through one line."""
        at = 0
        self.continued = False
        while at < len(line):
            if self.string:
                at = _behind(line, at, self.string)
                if at == -1:
                    self.string = self._still(line, self.string)
                    return
                self.string = ""
                continue
            char = line[at]
            if char == "#":
                return
            if quote := _QUOTE.match(line, at):
                at = _behind(line, quote.end(), quote[0])
                if at == -1:
                    self.string = self._still(line, quote[0])
                    return
                continue
            if char in "([{":
                self.depth += 1
            elif char in ")]}":
                self.depth = max(0, self.depth - 1)
            at += 1
        self.continued = _goes_on(line)

    @staticmethod
    def _still(line: str, quote: str) -> str:
        return quote if len(quote) == 3 or _goes_on(line) else ""


def _behind(line: str, at: int, quote: str) -> int:
    """Behind the closing quote, or -1 where it is not on this line."""
    while at < len(line):
        if line[at] == "\\":
            at += 2
        elif line.startswith(quote, at):
            return at + len(quote)
        else:
            at += 1
    return -1


def _code(line: str) -> Iterator[tuple[int, str, int]]:
    """The characters of a line that are code, with how many brackets are open."""
    at = depth = 0
    while at < len(line) and line[at] != "#":
        if quote := _QUOTE.match(line, at):
            at = _behind(line, quote.end(), quote[0])
            if at == -1:
                return
            continue
        depth += (line[at] in "([{") - (line[at] in ")]}")
        yield at, line[at], depth
        at += 1
