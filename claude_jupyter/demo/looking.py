"""How the demo model looks around: by simple rules, it calls the look tools it is offered and reports their results.

It reads the inventory that came with the question: a frame's name or column in the question, with a word for an aggregate, makes a
query; a variable's name alone is shown; a cell's number, an error or "how do I" have their tools. Nothing is understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from claude_jupyter.demo.request_reader import ParsedRequest
from claude_jupyter.demo.script import Call

NAMES: Final = ("variables", "show", "query", "cells", "help")
KIND: Final = "inventory"
_VARIABLE: Final = re.compile(r"^(\w+): (.+?)(?:: (.*))?$", re.MULTILINE)
_FRAME: Final = re.compile(r"DataFrame|LazyFrame|Table|Relation")
_AGGREGATES: Final[Mapping[str, str]] = {
    "average": "avg", "mean": "avg", "avg": "avg", "total": "sum", "sum": "sum", "highest": "max", "largest": "max",
    "median": "median", "maximum": "max", "max": "max", "lowest": "min", "smallest": "min", "minimum": "min", "min": "min",
}  # fmt: skip
_COUNTED: Final = re.compile(r"\bhow many\b|\bcount\b|\bnumber of\b", re.IGNORECASE)
_BY: Final = re.compile(r"\b(?:by|per|each|every)\s+(\w+)", re.IGNORECASE)
_WHICH: Final = re.compile(r"\b(?:which|what|when|where|who)\b", re.IGNORECASE)
_CELL: Final = re.compile(r"\b(?:cell|In)\s*\[?(\d+)\]?", re.IGNORECASE)
_HELP: Final = re.compile(
    r"\b(?:what does|how do i use|signature of|help (?:on|with|for))\s+`?([\w.]+)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class ListedVariable:
    """A variable as the inventory tells it."""

    name: str
    kind: str
    columns: tuple[str, ...]

    @property
    def is_frame(self) -> bool:
        """Whether SQL can read it."""
        return _FRAME.search(self.kind) is not None


def offered(tools: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the look tools are among these."""
    return set(NAMES) <= {str(tool.get("name")) for tool in tools}


def calls(request: ParsedRequest) -> list[Call]:
    """What to look at for this question: one call, or none where it is about nothing in the kernel."""
    prompt, listed = request.prompt, list(variables(request))
    if match := _CELL.search(prompt):
        return [Call("cells", {"count": int(match[1])})]
    values = {v.name for v in listed if not v.kind.startswith(("function", "class"))}
    if (match := _HELP.search(prompt)) and match[1].partition(".")[0] not in values:
        return [Call("help", {"name": match[1].rstrip(".")})]
    words = re.findall(r"\w+", prompt)
    frame = _frame(words, listed)
    if frame is not None and (sql := _sql(prompt, words, frame)):
        return [Call("query", {"sql": sql})]
    named = next((v for v in listed if v.name in words), None)
    if named is not None:
        part = re.search(rf"\b{named.name}(?:\[(?:\d+|'[^']*'|\"[^\"]*\")\]|\.[A-Za-z]\w*)*", prompt)
        return [Call("show", {"expression": part[0] if part else named.name})]
    return [Call("variables", {})]


def variables(request: ParsedRequest) -> Iterator[ListedVariable]:
    """The variables of the inventory that came with the question."""
    for text in request.texts:
        if text.kind == KIND:
            for name, kind, columns in _VARIABLE.findall(text.text.partition("cells that ran")[0]):
                yield ListedVariable(
                    name, kind, tuple(c.strip() for c in (columns or "").split(",") if c.strip())
                )


def _frame(words: Sequence[str], variables: Sequence[ListedVariable]) -> ListedVariable | None:
    """The frame that the question names, else the one that has a column of which it speaks."""
    frames = [v for v in variables if v.is_frame]
    named = next((v for v in frames if v.name in words), None)
    spoken = {word.lower() for word in words}
    return named or next((v for v in frames if spoken & {c.lower() for c in v.columns}), None)


def _sql(prompt: str, words: Sequence[str], frame: ListedVariable) -> str:
    lower = {column.lower(): column for column in frame.columns}
    spoken = [lower[word.lower()] for word in words if word.lower() in lower]
    at = next((i for i, w in enumerate(words) if w.lower() in _AGGREGATES), len(words))
    function = _AGGREGATES[words[at].lower()] if at < len(words) else ""
    by = _BY.search(prompt)
    group = lower.get(by[1].lower()) if by else None
    if by and group is None:
        return ""
    before, behind = (
        [lower[w.lower()] for w in part if w.lower() in lower] for part in (words[:at], words[at:])
    )
    if function in ("max", "min") and _WHICH.search(prompt) and before and behind:
        order = "DESC NULLS LAST" if function == "max" else "ASC"
        return f'SELECT "{before[-1]}", "{behind[0]}" FROM "{frame.name}" ORDER BY 2 {order} LIMIT 1'
    measured = next((column for column in (*behind, *spoken) if column != group), None)
    if function and measured:
        value = f'{function}("{measured}")'
    elif _COUNTED.search(prompt):
        value = "count(*)"
    else:
        return ""
    if group is None:
        return f'SELECT {value} FROM "{frame.name}"'
    return f'SELECT "{group}", {value} FROM "{frame.name}" GROUP BY "{group}" ORDER BY 2 DESC LIMIT 10'
