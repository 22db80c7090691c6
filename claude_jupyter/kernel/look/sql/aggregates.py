"""What a query may return when no cell values may be sent: aggregates over at least ten rows of one frame.

A grammar of its own, small enough to be checked by reading: `SELECT f(column) [AS name], … FROM frame [WHERE comparisons]` with the
functions below. Whatever is not understood is refused, and what runs is written anew from what was understood. No groups, joins,
subqueries, expressions or filters on a function: each of them can make one row's value come out as an "aggregate".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from claude_jupyter.errors import UsageError
from claude_jupyter.kernel.look.sql.statement import Token, quoted

LEAST: Final = 10
FUNCTIONS: Final[Mapping[str, int]] = {
    "COUNT": 1, "SUM": 1, "AVG": 1, "STDDEV": 1, "STDDEV_SAMP": 1, "STDDEV_POP": 1, "VAR": 1, "VAR_SAMP": 1, "VAR_POP": 1,
    "VARIANCE": 1, "CORR": 2,
}  # fmt: skip
"""Allowed functions and how many columns each takes."""
_COMPARISONS: Final = frozenset({"=", "<>", "!=", "<", "<=", ">", ">="})
_RULE: Final = (
    "Under --rows none only aggregates are allowed: SELECT count, sum, avg, stddev, var or corr of plain columns FROM one frame "
    f"[WHERE column compared with constants], over at least {LEAST} rows. No min, max, median, groups, joins or subqueries."
)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One output column."""

    function: str
    columns: tuple[str, ...]
    label: str
    distinct: bool = False

    @property
    def sql(self) -> str:
        """As it is run."""
        inside = ", ".join(map(quoted, self.columns)) or "*"
        name = "VAR_SAMP" if self.function == "VAR" else self.function
        return f"{name}({'DISTINCT ' if self.distinct else ''}{inside})"

    @property
    def rows(self) -> str:
        """How many rows it is over: a value that is missing is none."""
        if self.function == "COUNT":
            return "COUNT(*)"
        present = " AND ".join(f"{quoted(column)} IS NOT NULL" for column in self.columns)
        return f"SUM(CASE WHEN {present} THEN 1 ELSE 0 END)"


@dataclass(frozen=True, slots=True)
class Aggregates:
    """A statement that was understood."""

    columns: tuple[Aggregate, ...]
    frame: str
    where: str = ""

    @property
    def sql(self) -> str:
        """The statement, each aggregate followed by the number of rows it is over."""
        parts = [f"{column.sql} AS a{i}, {column.rows} AS n{i}" for i, column in enumerate(self.columns)]
        return f"SELECT {', '.join(parts)} FROM {quoted(self.frame)}" + (
            f" WHERE {self.where}" if self.where else ""
        )

    def checked(self, row: Sequence[Any]) -> list[Any]:
        """The aggregates of the one row that came back.

        Raises
        ------
        UsageError
            If one of them is over too few rows.
        """
        if any(int(count or 0) < LEAST for count in row[1::2]):
            raise UsageError(f"Refused: an aggregate would be over fewer than {LEAST} rows (--rows none).")
        return list(row[0::2])


def understood(words: Sequence[Token], frames: Mapping[str, Any]) -> Aggregates:
    """The statement as aggregates of one frame.

    Raises
    ------
    UsageError
        For any other.
    """
    reader = _Reader(list(words))
    reader.keyword("SELECT")
    columns = [reader.aggregate()]
    while reader.accept(","):
        columns.append(reader.aggregate())
    reader.keyword("FROM")
    frame = reader.name()
    if frame not in frames:
        alike = [name for name in frames if name.lower() == frame.lower()]
        if len(alike) != 1:
            raise UsageError(_RULE)
        frame = alike[0]
    where = reader.condition() if reader.accept("WHERE") else ""
    if reader.rest:
        raise UsageError(_RULE)
    return Aggregates(tuple(columns), frame, where)


class _Reader:
    def __init__(self, words: list[Token]) -> None:
        self.rest = words

    def next(self) -> Token:
        if not self.rest:
            raise UsageError(_RULE)
        return self.rest.pop(0)

    def accept(self, text: str) -> bool:
        if self.rest and self.rest[0].kind in ("word", "mark") and self.rest[0].upper == text:
            self.rest.pop(0)
            return True
        return False

    def keyword(self, text: str) -> None:
        if not self.accept(text):
            raise UsageError(_RULE)

    def name(self) -> str:
        token = self.next()
        if token.kind not in ("word", "quoted"):
            raise UsageError(_RULE)
        return token.name

    def aggregate(self) -> Aggregate:
        function = self.next().upper
        if function not in FUNCTIONS:
            raise UsageError(_RULE)
        self.keyword("(")
        columns: list[str] = []
        distinct = function == "COUNT" and self.accept("DISTINCT")
        if not (function == "COUNT" and not distinct and self.accept("*")):
            columns.append(self.name())
            for _ in range(FUNCTIONS[function] - 1):
                self.keyword(",")
                columns.append(self.name())
        self.keyword(")")
        label = f"{function.lower()}({'distinct ' if distinct else ''}{', '.join(columns) or '*'})"
        if self.accept("AS") or (self.rest and self.rest[0].kind != "mark" and self.rest[0].upper != "FROM"):
            label = self.name()
        return Aggregate(function, tuple(columns), label, distinct)

    def condition(self) -> str:
        parts = [self.comparison()]
        while self.rest and self.rest[0].upper in ("AND", "OR"):
            parts.append(self.next().upper)
            parts.append(self.comparison())
        return " ".join(parts)

    def comparison(self) -> str:
        column = quoted(self.name())
        if self.accept("IS"):
            negated = "NOT " if self.accept("NOT") else ""
            self.keyword("NULL")
            return f"{column} IS {negated}NULL"
        negated = "NOT " if self.accept("NOT") else ""
        if self.accept("IN"):
            self.keyword("(")
            constants = [self.constant()]
            while self.accept(","):
                constants.append(self.constant())
            self.keyword(")")
            return f"{column} {negated}IN ({', '.join(constants)})"
        if self.accept("BETWEEN"):
            low = self.constant()
            self.keyword("AND")
            return f"{column} {negated}BETWEEN {low} AND {self.constant()}"
        operator = self.next()
        if negated or operator.text not in _COMPARISONS:
            raise UsageError(_RULE)
        return f"{column} {operator.text} {self.constant()}"

    def constant(self) -> str:
        sign = "-" if self.accept("-") else ""
        token = self.next()
        if token.upper in ("TRUE", "FALSE") and token.kind == "word" and not sign:
            return token.upper
        if token.kind not in ("number",) and (sign or token.kind != "string"):
            raise UsageError(_RULE)
        return sign + token.text
