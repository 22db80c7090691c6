"""Under `--rows none`: whether a text is a table or a list of records in some notation, determined by its beginning."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from typing import Any, Final

from claude_jupyter.content.text import markup, printed_tables

LITERAL: Final = 1_000_000
LINES: Final = 50
_MARKED: Final = re.compile(
    r"\A\s*<\?xml|\A\s*<(?!(?i:html|body|head|div|span|p|a|b|i|em|strong|h\d|ul|ol|li|pre|code|section|svg|math)\b)[A-Za-z][\w.:-]*[^<>]*>\s*<[A-Za-z]"
    r"|(?m:^([ \t]*)- [\w\"' .-]+:.*\n\1  [\w\"'.-]+:\s)|\\begin\{(?:tabular|longtable|array)|(?i:\bINSERT\s+INTO\b[^;]{1,2000}?\bVALUES\b)"
)
_ITEM: Final = re.compile(r"^\s*- [\w\"' .-]+:(?:\s|$)", re.MULTILINE)
_ALIGNED: Final = re.compile(r"\s*\S.*?\s{2,}\S")
CODE: Final = frozenset(
    {".py", ".pyi", ".js", ".ts", ".tsx", ".jsx", ".r", ".jl", ".java", ".c", ".h", ".cpp", ".rs", ".go", ".sh", ".toml", ".css"}
)  # fmt: skip
"""Suffixes of source, in which what looks like a table is the user's own code."""


def parsed(text: str) -> Any:
    """The list or dict that a text writes down as JSON, JSON lines or a Python literal; None for any other text."""
    start = text.lstrip("\ufeff \t\r\n")
    if start[:1] not in ("[", "{", "("):
        return None
    try:
        data = json.loads(start)
    except (ValueError, RecursionError):
        data = _lines(start)
        if data is None and len(start) <= LITERAL:
            data = _literal(start)
    return data if isinstance(data, list | dict | tuple | set) else None


def _lines(text: str) -> list[Any] | None:
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        return None


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def holds_rows(text: str) -> bool:
    """Whether a text is laid out as rows: a printed, drawn, Markdown, HTML, LaTeX or XML table, delimited lines, YAML items, SQL."""
    if markup.has_table(text) or _MARKED.search(text) or len(_ITEM.findall(text[:20_000])) > 1:
        return True
    if re.match(r"\s*(?:\[\s*[\[({]|\{\s*[\"'])", text):  # records, cut off or with other things among them
        return True
    lines = [line for line in text.splitlines()[: LINES * 2] if line.strip()][:LINES]
    return _delimited(lines) or _columns(lines) or printed_tables.looks_like_table(text)


def _delimited(lines: list[str]) -> bool:
    """Whether nearly all lines have the same number of a delimiter, without the blank that follows one in prose."""
    if len(lines) < 2:
        return False
    for mark in ("\t", ";", ",", "|"):
        counts = Counter(line.count(mark) for line in lines)
        count, alike = counts.most_common(1)[0]
        prose = (
            sum(f"{mark} " in line or line.rstrip().endswith(mark) for line in lines) if mark != "\t" else 0
        )
        if count and alike >= 0.8 * len(lines) and prose < 0.5 * len(lines):
            return True
    return False


def _columns(lines: list[str]) -> bool:
    """Whether every line has two parts with a gap between them, as a series prints."""
    return len(lines) > 1 and all(_ALIGNED.match(line) for line in lines)
