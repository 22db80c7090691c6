"""What is worth saying about text: printed lines that differ only in their numbers, and the line a question is nearest to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from claude_jupyter.demo.statements.wording import brief, code, counted, named_in, number, words_of

_NUMBER: Final = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_FEWEST: Final = 2
_LONGEST: Final = 160
_TOLD: Final = 4
_CUT: Final = re.compile(r"\n\[… [^\n]*\]\s*\Z")
_MISSING: Final = frozenset({"NaN", "NaT", "None", "<NA>"})


def sentences(label: str, text: str, prompt: str, printed: bool = False) -> list[str]:
    """A text in a sentence, then what its numbers or its nearest line say.

    Parameters
    ----------
    printed
        Whether it is a cell with what it showed, of which the output is what counts.
    """
    if printed and "\n--- " in f"\n{text}":
        text = re.split(r"(?:^|\n)--- [^\n]*\n", text, maxsplit=1)[-1]
    whole = _CUT.sub("", text)
    if columns := _columns(whole):
        return _table(label, columns, prompt, cut=whole != text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return []
    opening = f"{code(label)} {'shows' if printed else 'has'} {counted(len(lines), 'line')}."
    series = [f"- {text}" for text in _compared(lines)]
    if series:
        return [f"{opening} Compared line by line:", "\n".join(series)]
    nearest = _nearest(lines, prompt)
    return [f"{opening} {nearest}" if nearest else opening]


def _columns(text: str) -> dict[str, list[str]]:
    """The columns of a dataframe as pandas prints it, wide ones in several parts; empty for anything else.

    Names and values end at the same place of their lines.
    """
    columns: dict[str, list[str]] = {}
    for part in re.split(r"\n[ \t]*\n", text.strip("\n")):
        head, *rows = (line.rstrip().removesuffix("\\").rstrip() for line in part.splitlines())
        if not head.startswith(" ") or not rows or any(len(line) > len(head) for line in rows):
            return {}
        start = 0
        for end in (m.end() for m in re.finditer(r"\S+", head)):
            # Before the first column stands the index.
            values = [line[start:end].split()[0 if start else 1 :] for line in rows]
            if not any(values):
                continue  # the first word of a longer name
            if not all(values) or any(line[end : end + 1].strip() for line in rows):
                return {}
            columns[head[start:end].strip()] = [" ".join(value) for value in values]
            start = end
    heights = {len(values) for values in columns.values()}
    return columns if len(columns) > 1 and len(heights) == 1 else {}


def _table(label: str, columns: dict[str, list[str]], prompt: str, *, cut: bool) -> list[str]:
    """How large a printed table is, what is missing in it, and how far its numbers go."""
    first = next(iter(columns.values()))
    rows, width = len(first), counted(len(columns), "column")
    size = (
        f"{width}; {counted(rows, 'row')} of it were sent" if cut else f"{counted(rows, 'row')} and {width}"
    )
    lines = [f"{code(label)} shows a table of {size}."]
    names = first if all(number(value) is None for value in first) and len({*first}) == rows else [""] * rows
    gaps = {name: sum(value in _MISSING for value in values) for name, values in columns.items()}
    lines += [f"- {code(name)} is missing in {n} of {counted(rows, 'row')}." for name, n in gaps.items() if n]
    read = {name: [number(value) for value in values] for name, values in columns.items()}
    sizes = [
        name
        for name, values in read.items()
        if any(value is not None for value in values) and values.count(None) == gaps[name]
    ]
    named = [name for name in sizes if named_in(name, prompt)]
    measured = [name for name in sizes if any("." in value for value in columns[name])]
    lines += [_range(name, read[name], names) for name in (named or measured or sizes)[:_TOLD]]
    return [lines[0], "\n".join(lines[1:])] if lines[1:] else lines


def _range(name: str, values: list[float | None], names: list[str]) -> str:
    """How far a column goes, with the row of an end that occurs once."""
    numbers = [value for value in values if value is not None]
    ends: list[str] = []
    for value in (min(numbers), max(numbers)):
        where = names[values.index(value)] if values.count(value) == 1 else ""
        ends.append(f"{brief(value)} ({where})" if where else brief(value))
    return f"- {code(name)} runs from {' to '.join(ends)}."


def _compared(lines: list[str]) -> Iterator[str]:
    """The extremes of each number in lines of one form (`2012: 52% dry`); the first number or word names the line."""
    form = _NUMBER.sub("#", lines[0])
    alike = [line for line in lines if _NUMBER.sub("#", line) == form]
    places = form.count("#")
    if len(alike) <= _FEWEST or places < 2 or len(alike) * 2 < len(lines):
        return
    rows = [_NUMBER.findall(line) for line in alike]
    pieces = form.split("#")
    for place in range(1, places):
        values = [(number(row[place]) or 0.0, row[0]) for row in rows]
        top, bottom = max(values), min(values)
        if top[0] == bottom[0]:
            continue
        before, after = pieces[place], pieces[place + 1]
        name = _words(after) or _words(before) or f"number {place + 1}"
        before = _words(before.rpartition(",")[2])
        full = f"{before} ({name})" if before and name and before != name else name
        yield f"{full}: highest in {top[1]} ({brief(top[0])}), lowest in {bottom[1]} ({brief(bottom[0])})"


def _words(text: str) -> str:
    return " ".join(text.split(",")[0].replace("|", " ").split()).strip(" :;,-=()")


def _nearest(lines: list[str], prompt: str) -> str:
    """The line that shares the most words with the question."""
    words = {word for word in words_of(prompt) if len(word) > 3}
    best = max(lines, key=lambda line: len(words & words_of(line)))
    if not words & words_of(best):
        return ""
    short = best if len(best) <= _LONGEST else f"{best[: _LONGEST - 1]}…"
    return f"The line that shares the most words with the question: {code(short)}"
