"""How many rows a statement's joins can have at most.

Polars can neither be stopped in the midst of a join nor be limited in its memory, so a join that may become too large must not
begin. Understood are joins of frames by equal columns (`JOIN frame ON a.x = b.y AND …`, `USING (x)`); others are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from claude_jupyter.errors import UsageError
from claude_jupyter.kernel.look.sql.statement import Token

MOST: Final = 5_000_000
"""Rows of a join that may have more than the largest frame has."""
_RULE: Final = (
    "A JOIN of lazy frames, or without DuckDB, is taken only by equal columns of frames (JOIN b ON a.k = b.k, or USING (k)): its "
    "memory cannot be limited. Aggregate first, or query one frame at a time."
)
_END: Final = frozenset(
    {"WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "OFFSET", "UNION", "INTERSECT", "EXCEPT", "QUALIFY", "WINDOW", ")", ";", ","}
    | {"JOIN", "INNER", "LEFT", "RIGHT", "FULL", "OUTER", "CROSS", "NATURAL", "SEMI", "ANTI"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Join:
    """A frame that is joined, and the columns of it that must be equal to something."""

    frame: str
    keys: tuple[str, ...]


def joins(words: Sequence[Token], columns: Mapping[str, Sequence[str]]) -> list[Join]:
    """The joins of a statement.

    Parameters
    ----------
    columns
        The names of each frame's columns.

    Raises
    ------
    UsageError
        For a join whose size cannot be determined.
    """
    result: list[Join] = []
    for at, word in enumerate(words):
        if word.upper == "FROM" and _comma_after(words, at + 1):
            raise UsageError(_RULE)
        if word.upper == "JOIN":
            before = {w.upper for w in words[max(at - 2, 0) : at]}
            if before & {"CROSS", "NATURAL"}:
                raise UsageError(_RULE)
            if not before & {"SEMI", "ANTI"}:
                result.append(_joined(words, at + 1, columns))
    return result


def refuse_too_large(joins: Sequence[Join], rows: int, repeats: Callable[[Join], int]) -> None:
    """Refuse joins that may have too many rows.

    Parameters
    ----------
    rows
        Rows of the largest frame.
    repeats
        How often the most common values of a join's columns occur.

    Raises
    ------
    UsageError
        With the number of rows.
    """
    most = rows
    for join in joins:
        most *= max(repeats(join), 1)
        if most > max(MOST, rows):
            raise UsageError(
                f"Refused: by {', '.join(join.keys)} each row may match many rows of {join.frame}, and the join may have "
                f"{most:,} rows. Join by columns that are unique there, or aggregate first."
            )


def _table(words: Sequence[Token], at: int) -> tuple[str, str, int]:
    """A table with its alias, and where what comes next begins; no name for a subquery."""
    if at >= len(words) or words[at].kind not in ("word", "quoted"):
        return "", "", at
    name = alias = words[at].name
    at += 1
    if at < len(words) and words[at].upper == "AS":
        at += 1
    if (
        at < len(words)
        and words[at].kind in ("word", "quoted")
        and words[at].upper not in _END | {"ON", "USING"}
    ):
        alias = words[at].name
        at += 1
    return name, alias, at


def _comma_after(words: Sequence[Token], at: int) -> bool:
    """Whether a list of tables begins there; `EXTRACT(day FROM x)` is none."""
    if at < len(words) and words[at].text == "(":
        depth = 1
        while depth and (at := at + 1) < len(words):
            depth += {"(": 1, ")": -1}.get(words[at].text, 0)
        at += 1
        if at < len(words) and words[at].upper == "AS":
            at += 1
        at += at < len(words) and words[at].kind in ("word", "quoted") and words[at].upper not in _END
    else:
        _, _, at = _table(words, at)
    return at < len(words) and words[at].text == ","


def _joined(words: Sequence[Token], at: int, columns: Mapping[str, Sequence[str]]) -> Join:
    name, alias, at = _table(words, at)
    if name not in columns or at >= len(words):
        raise UsageError(_RULE)
    if words[at].upper == "USING":
        keys = [w.name for w in _until(words, at + 1, {")"}) if w.kind in ("word", "quoted")]
    elif words[at].upper == "ON":
        keys = _keys(_until(words, at + 1, _END - {",", ")"}), {name.lower(), alias.lower()}, columns[name])
    else:
        keys = []
    if not keys:
        raise UsageError(_RULE)
    return Join(name, tuple(keys))


def _until(words: Sequence[Token], at: int, ends: frozenset[str] | set[str]) -> list[Token]:
    """The words up to one of these, or to the parenthesis that closes what is around them."""
    tokens: list[Token] = []
    depth = 0
    for word in words[at:]:
        depth += {"(": 1, ")": -1}.get(word.text, 0)
        if depth < 0 or (word.upper in ends and depth <= (1 if ")" in ends else 0) and word.text != "("):
            break
        tokens.append(word)
    return tokens


def _keys(condition: Sequence[Token], names: set[str], columns: Sequence[str]) -> list[str]:
    """The joined frame's columns in equalities that all must hold."""
    if any(word.upper in ("OR", "NOT", "CASE") for word in condition):
        return []
    words = [word for word in condition if word.text not in "()"]
    keys: list[str] = []
    for at, word in enumerate(words):
        if word.text == "=":
            for side in (_column_before(words, at), _column_after(words, at)):
                if side is not None and (side[0] in names or (not side[0] and side[1] in columns)):
                    keys.append(side[1])
                    break
    return keys


def _column_before(words: Sequence[Token], at: int) -> tuple[str, str] | None:
    if at < 1 or words[at - 1].kind not in ("word", "quoted"):
        return None
    qualified = at >= 3 and words[at - 2].text == "."
    return (words[at - 3].name.lower() if qualified else "", words[at - 1].name)


def _column_after(words: Sequence[Token], at: int) -> tuple[str, str] | None:
    names = [word.name for word in words[at + 1 : at + 4] if word.kind in ("word", "quoted")]
    if not names or words[at + 1].kind not in ("word", "quoted"):
        return None
    qualified = len(words) > at + 3 and words[at + 2].text == "."
    return (names[0].lower(), words[at + 3].name) if qualified else ("", names[0])
