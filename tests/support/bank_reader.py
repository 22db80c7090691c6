"""Answers the bank's questions without a model: from a text alone, whoever wrote it, or from the result of a SELECT.

It knows what a question asks and nothing of the data. It reads profiles, `describe()` and other tables of statistics by column,
and tables of rows, in any of the layouts below, and derives what arithmetic gives (missing = rows − count, sum = mean × count).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from support.bank import Question

_NAMES = {
    "50%": "median",
    "75%": "q3",
    "25%": "q1",
    "unique": "distinct",
    "freq": "top",
    "missing values": "null",
}
_STATISTICS = {"count", "mean", "std", "min", "max", "unique", "top", "freq", "25%", "50%", "75%"}
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d)")


@dataclass
class Reading:
    """What a text says of a frame: facts by (fact, column …), and rows by column."""

    facts: dict[tuple[str, ...], Any] = field(default_factory=dict[tuple[str, ...], Any])
    rows: list[dict[str, str]] = field(default_factory=list[dict[str, str]])


def read(text: str) -> Reading:
    """Everything that can be read in a text."""
    reading = Reading()
    if shape := re.search(r"([\d,]+) rows? [×x] |Number of Rows: (\d+)", text):
        reading.facts["rows",] = number(shape[1] or shape[2])
    if repeated := re.search(r"^duplicate rows: ([\d,]+)", text, re.MULTILINE):
        reading.facts["duplicate rows",] = number(repeated[1])
    for line in re.findall(r"^strongest correlations: (.*)$", text, re.MULTILINE):
        for one, other, r in re.findall(r"(\S+) ~ (\S+) (-?[\d.e-]+)", line):
            reading.facts["corr", one, other] = reading.facts["corr", other, one] = number(r)
    _samples(text, reading)
    for block in re.split(r"\n\s*\n|\n(?=first |last )", text):
        _block([line for line in block.splitlines() if line.strip()], reading)
    return reading


def _block(lines: Sequence[str], reading: Reading) -> None:
    lines = [
        line
        for line in lines
        if not re.fullmatch(r"[\s|:-]+|(?:first|last) .*rows?:|</?attachment.*>|\[.*\]", line)
    ]
    table = [_cells(line) for line in lines]
    if not table:
        return
    header = table[0]
    if header[:2] == ["column", "dtype"]:
        for name, _, *inside in (row for row in table[1:] if len(row) > 2):
            _inside(name, " | ".join(inside), reading)
    elif "Column Name" in header:
        at = header.index("Column Name")
        for row in (row for row in table[1:] if len(row) == len(header)):
            for name, value in zip(header, row, strict=True):
                reading.facts.setdefault((_NAMES.get(name.lower(), name.lower()), row[at]), value)
    elif {row[0] for row in table[1:]} & {"mean", "top"} and {row[0] for row in table[1:]} <= _STATISTICS:
        header = header[-(max(map(len, table)) - 1) :]
        for statistic, *values in table[1:]:
            for name, value in zip(header, values, strict=False):
                if value != "NaN":
                    reading.facts.setdefault((_NAMES.get(statistic, statistic), name), value)
    else:
        for row in table[1:]:  # an index may stand before it
            if row and len(row) in (len(header), len(header) + 1):
                reading.rows.append(dict(zip(header, row[len(row) - len(header) :], strict=True)))


def _samples(text: str, reading: Reading) -> None:
    """Values column by column, first rows first, as marimo and mito send them."""
    columns = re.findall(r"- Column: (.*)\n.*\n +- Sample values: (.*)", text)
    listed = [(name, values.split(", ")) for name, values in columns]
    quoted = re.findall(r"'([^']+)': \{'dtype': '[^']*', 'samples': (\[.*?\])\}", text)
    listed += [(name, [value.strip(" '") for value in values[1:-1].split(",")]) for name, values in quoted]
    if listed:
        names = [name for name, _ in listed]
        rows = zip(*(values for _, values in listed), strict=False)
        reading.rows += [dict(zip(names, row, strict=True)) for row in rows]


def _cells(line: str) -> list[str]:
    if "|" in line:
        cells = [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]
        return cells
    return [
        cell.replace("T", " ", 1) if _STAMP.match(cell.replace("T", " ", 1)) else cell
        for cell in _STAMP.sub(r"\1T\2", line).split()
    ]


def _inside(column: str, line: str, reading: Reading) -> None:
    """A line of our profile: `9 null, 230 distinct, 4.26 … 1825.74, mean 102.0481, …, e.g. a (84), b (68)`."""
    facts = reading.facts
    facts["null", column] = 0
    for count, word in re.findall(r"([\d,]+) (null|distinct|zeros?)\b", line):
        facts[word.replace("zero", "zeros").replace("zeross", "zeros"), column] = number(count)
    facts.setdefault(("zeros", column), 0)
    for word, value in re.findall(r"(mean|median|std|sum) (-?[\d.e+-]+)", line):
        facts[word, column] = value
    if quartiles := re.search(r"quartiles (\S+) … ([^\s,]+)", line):
        facts["q1", column], facts["q3", column] = quartiles[1], quartiles[2]
    if ends := re.search(r"(?:^|, )([^,]+?) … ([^,]+)", line):
        facts["min", column], facts["max", column] = ends[1], ends[2]
    counted = re.findall(r"([^,(]+) \(([\d,]+)\)", line.partition("e.g. ")[2])
    for value, count in counted:
        facts["count of", column, value.strip()] = number(count)
    if counted:
        facts["top", column] = number(counted[0][1])


def from_text(question: Question, reading: Reading) -> Any:
    """The answer that the text gives; None where it gives none."""
    if not question.fact:
        return None
    kind, *about = question.fact
    if kind == "row":
        column, key, value = about
        row = next((row for row in reading.rows if row.get(key) == value), None)
        return None if row is None else number(row.get(column, ""))
    stated = reading.facts.get(question.fact)
    count, mean = (number(reading.facts.get((fact, *about), "")) for fact in ("count", "mean"))
    if stated is None and kind == "null" and count is not None:
        counts = [number(value) or 0 for (fact, *_), value in reading.facts.items() if fact == "count"]
        return reading.facts.get(("rows",), max(counts)) - count
    if stated is None and kind == "sum" and count is not None and mean is not None:
        return mean * count
    if isinstance(question.answer, str) and isinstance(stated, str):
        return stated[:10]
    return number(stated) if isinstance(stated, str) else stated


def from_query(question: Question, query: Callable[[str], str]) -> Any:
    """The answer that the result of the question's SELECT gives."""
    lines = query(question.sql).splitlines()
    value = lines[2] if len(lines) > 3 else ""
    return None if value == "null" else number(value) if number(value) is not None else value


def is_right(value: Any, answer: Any) -> bool:
    """Whether an answer is the known one: numbers to six digits."""
    if value is None or answer is None:
        return value is answer
    if isinstance(answer, str):
        return str(value) == answer
    try:
        return math.isclose(float(value), float(answer), rel_tol=1e-5, abs_tol=1e-9)
    except (TypeError, ValueError):
        return False


def number(text: Any) -> float | None:
    """A number as it is written; None for anything else."""
    try:
        return float(str(text).replace(",", ""))
    except ValueError:
        return None
