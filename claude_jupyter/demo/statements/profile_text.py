"""A dataframe's profile, as it is sent, read back into values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from claude_jupyter.demo.statements.wording import number

_TITLE: Final = re.compile(r"^(.+?): ([\d,]+ rows?|row count unknown) × ([\d,]+) columns?$", re.MULTILINE)
_COLUMNS: Final = re.compile(r"^column \| dtype \| what is in it\n((?:.+\n?)*)", re.MULTILINE)
_INDEX: Final = re.compile(r"^index: (?:(?:\w+) named (.+?), dtype (\S+)|(\d.*))$", re.MULTILINE)
_WHOLE: Final = re.compile(r"^all [\d,]+ rows:\n((?:.+\n?)*)", re.MULTILINE)
_DUPLICATES: Final = re.compile(r"^duplicate rows: ([\d,]+)", re.MULTILINE)
_CORRELATIONS: Final = re.compile(r"^strongest correlations: (.+)$", re.MULTILINE)
_SAMPLED: Final = re.compile(r"^statistics (from the first [\d,]+ rows)", re.MULTILINE)
_TALLY: Final = re.compile(r"(.+?) \(([\d,]+)\)(?:, |$)")


@dataclass(frozen=True)
class Column:
    """A column as a dataframe's profile tells it."""

    name: str
    dtype: str
    about: str

    @property
    def is_number(self) -> bool:
        """Whether it can be averaged."""
        return bool(re.match(r"(u?int|float|double|decimal)", self.dtype, re.IGNORECASE))

    @property
    def is_time(self) -> bool:
        """Whether it holds dates or times."""
        return bool(re.match(r"(datetime|date|timestamp)", self.dtype, re.IGNORECASE))

    @property
    def is_text(self) -> bool:
        """Whether it holds strings."""
        return bool(re.match(r"(str|object|utf8|large_string|varchar|category)", self.dtype, re.IGNORECASE))

    @cached_property
    def _facts(self) -> str:
        return f", {self.about.partition('e.g. ')[0]}"

    @property
    def distinct(self) -> int:
        """How many values it has, where the profile says so; else very many."""
        match = re.search(r"([\d,]+) distinct", self.about)
        return int(match[1].replace(",", "")) if match else 10**9

    @property
    def nulls(self) -> int:
        """How many values are missing."""
        return self._count("null")

    @property
    def zeros(self) -> int:
        """How many values are 0."""
        return self._count("zeros?")

    @property
    def mean(self) -> float | None:
        """Its mean, if it is given."""
        return self._statistic("mean")

    @property
    def median(self) -> float | None:
        """Its median, if it is given."""
        return self._statistic("median")

    @property
    def std(self) -> float | None:
        """Its standard deviation, if it is given."""
        return self._statistic("std")

    @property
    def span(self) -> tuple[str, str] | None:
        """The least and the greatest value as texts."""
        match = re.search(r", (?!quartiles )([^,]+?) … ([^,]+)", self._facts)
        return (match[1], match[2].strip()) if match else None

    @property
    def low(self) -> float | None:
        """The least number."""
        return number(self.span[0]) if self.span else None

    @property
    def high(self) -> float | None:
        """The greatest number."""
        return number(self.span[1]) if self.span else None

    @property
    def quartiles(self) -> tuple[float, float] | None:
        """The first and the third."""
        match = re.search(r", quartiles (\S+) … ([^,\s]+)", self._facts)
        low, high = (number(match[1]), number(match[2])) if match else (None, None)
        return None if low is None or high is None else (low, high)

    @property
    def step(self) -> str:
        """`daily`, `every 3 hours`, …; empty if there is no regular step."""
        parts = [p.strip() for p in self._facts.split(",")]
        words = r"(?:(?:half-)?hourly|daily|weekly|monthly|quarterly|yearly|every .+|business days?|.+ly)"
        return next((p for p in parts if re.fullmatch(words, p)), "") if self.is_time else ""

    @property
    def gaps(self) -> int:
        """How often a regular step is missed."""
        return self._count("gaps?")

    @property
    def common(self) -> tuple[tuple[str, int], ...]:
        """The most frequent values and how often each occurs."""
        tallies = _TALLY.findall(self.about.partition("e.g. ")[2])
        return tuple((value, int(count.replace(",", ""))) for value, count in tallies)

    @property
    def examples(self) -> tuple[str, ...]:
        """Some of its values."""
        tail = self.about.partition("e.g. ")[2]
        return tuple(v for v, _ in self.common) or tuple(v for v in tail.split(", ") if v)

    def _count(self, noun: str) -> int:
        match = re.search(rf", ([\d,]+) {noun}(?:,|$| )", f"{self._facts.rstrip()},")
        return int(match[1].replace(",", "")) if match else 0

    def _statistic(self, name: str) -> float | None:
        match = re.search(rf", {name} ([^,\s]+)", self._facts)
        return number(match[1]) if match else None


@dataclass(frozen=True, slots=True)
class Frame:
    """A dataframe as its profile tells it.

    Attributes
    ----------
    index
        Its index as a column, if it is a named one.
    whole
        Every row as texts by column, where all were sent.
    duplicates
        How many rows repeat another; None if it is not told.
    sampled
        `from the first 100,000 rows`, where the statistics are.
    withheld
        Whether its values were kept back.
    """

    label: str
    title: str
    rows: str
    width: str
    columns: tuple[Column, ...]
    index: tuple[Column, ...] = ()
    whole: tuple[Mapping[str, str], ...] = ()
    duplicates: int | None = None
    correlations: tuple[tuple[str, str, float], ...] = ()
    sampled: str = ""
    withheld: bool = False

    @property
    def library(self) -> str:
        """`pandas`, `polars`, …"""
        return self.title.split()[0].lower()

    @property
    def count(self) -> int | None:
        """How many rows the statistics are of."""
        match = re.search(r"[\d,]+", self.sampled or self.rows)
        return int(match[0].replace(",", "")) if match else None


def frame_of(label: str, text: str) -> Frame | None:
    """The profile in an attachment's text; None if it is none."""
    title = _TITLE.match(text)
    if title is None:
        return None
    head = text[: at.start()] if (at := _COLUMNS.search(text)) else text
    table = at[1].splitlines() if at else []
    cells = [line.split(" | ", 2) for line in table if line]
    columns = tuple(Column(*row) for row in cells if len(row) == 3)
    duplicates = _DUPLICATES.search(head)
    sampled = _SAMPLED.search(head)
    return Frame(
        label,
        title[1],
        title[2],
        title[3],
        columns,
        index=_index(head),
        whole=_whole(text),
        duplicates=int(duplicates[1].replace(",", "")) if duplicates else None,
        correlations=_correlations(head, {c.name for c in columns}),
        sampled=sampled[1] if sampled else "",
        withheld="withheld" in head,
    )


def _index(head: str) -> tuple[Column, ...]:
    name, dtype, about = "", "", ""
    for match in _INDEX.finditer(head):
        name, dtype, about = match[1] or name, match[2] or dtype, match[3] or about
    return (Column(name, dtype, about),) if name and about else ()


def _whole(text: str) -> tuple[Mapping[str, str], ...]:
    match = _WHOLE.search(text)
    lines = match[1].splitlines() if match else []
    if not lines:
        return ()
    names = lines[0].split(" | ")
    rows = [line.split(" | ") for line in lines[1:]]
    if len(set(names)) < len(names) or any(len(row) != len(names) for row in rows):
        return ()
    return tuple(dict(zip(names, row, strict=True)) for row in rows)


def _correlations(head: str, names: set[str]) -> tuple[tuple[str, str, float], ...]:
    match = _CORRELATIONS.search(head)
    pairs: list[tuple[str, str, float]] = []
    for part in match[1].split(", ") if match else ():
        left, _, rest = part.partition(" ~ ")
        right, _, value = rest.rpartition(" ")
        amount = number(value)
        if left in names and right in names and amount is not None:
            pairs.append((left, right, amount))
    return tuple(pairs)
