"""What is worth saying about a dataframe, from its profile: size, gaps, doubtful values, groups, ranges, correlations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from operator import itemgetter
from typing import Final

from claude_jupyter.demo.statements.profile_text import Column, Frame
from claude_jupyter.demo.statements.wording import (
    DOUBT,
    brief,
    code,
    counted,
    listed,
    named_in,
    number,
    percent,
)

_MOST: Final = 5
"""Statements that are read; more are skimmed."""
_CODES: Final = frozenset((-99.0, -999.0, -9999.0, 999.0, 9999.0, 99999.0))
"""Numbers that often stand for a missing value."""
_DATE: Final = re.compile(r"\d{4}-\d\d?-\d\d?|\d\d?[/.]\d\d?[/.]\d{2,4}")
_FAR: Final = 3
"""Interquartile ranges beyond the quartiles from which a value is called far."""
_STRONG, _WEAK = 0.7, 0.3


def sentences(frame: Frame, prompt: str, sent_before: bool = False) -> list[str]:
    """The frame in a sentence, then a list of what stands out, that which the question names first.

    Parameters
    ----------
    sent_before
        Whether the frame was sent and described earlier: only what the question names is told again.
    """
    if sent_before and (named := [c for c in frame.columns if named_in(c.name, prompt)]):
        again = [text for c in named for text in (*_extreme_rows(frame, [c]), _description(frame, c)) if text]
        return ["\n".join(f"- {text}" for text in again[:_MOST])] if again else []
    lines = list(_ranked(frame, prompt))[:_MOST]
    return [_opening(frame), "\n".join(f"- {text}" for text in lines)] if lines else [_opening(frame)]


def outlying(column: Column) -> tuple[float, bool] | None:
    """The limit beyond which values of a column are far from the rest, and whether they lie above it."""
    low, high = column.low, column.high
    if column.quartiles is None or low is None or high is None:
        return None
    first, third = column.quartiles
    reach = _FAR * (third - first)
    if reach <= 0:
        return None
    if high > third + reach:
        return third + reach, True
    return (first - reach, False) if low < first - reach else None


def _opening(frame: Frame) -> str:
    size = f"{frame.rows} × {counted(int(frame.width.replace(',', '')), 'column')}"
    time = next((c for c in (*frame.index, *frame.columns) if c.is_time and c.span), None)
    if time is not None and time.span is not None:
        gaps = f", with {counted(time.gaps, 'gap')}" if time.gaps else " without a gap" if time.step else ""
        size += f", {time.step + ' ' if time.step else ''}from {time.span[0]} to {time.span[1]}{gaps}"
    text = f"{code(frame.label)} has {size}."
    if not frame.columns:
        return text
    if not any(c.nulls for c in frame.columns):
        text += " Nothing is missing" + (", and no row is duplicated." if frame.duplicates == 0 else ".")
    elif frame.duplicates == 0:
        text += " No row is duplicated."
    if frame.sampled:
        text += f" (The figures below are {frame.sampled}.)"
    if frame.withheld:
        text += " Its values were withheld (`--rows none`), so only names, types and counts are known here."
    return text


def _ranked(frame: Frame, prompt: str) -> Iterator[str]:
    """Statements, the most telling first; each column has one turn before any has a second."""
    named = [c for c in frame.columns if named_in(c.name, prompt)]
    others = [c for c in frame.columns if c not in named]
    doubts = [text for c in (*named, *others) for text in (_doubt(frame, c),) if text]
    if frame.duplicates:
        doubts.insert(0, f"{counted(frame.duplicates, 'row')} repeat{'s' * (frame.duplicates == 1)} another.")
    about = [text for c in named for text in (_description(frame, c),) if text]
    rows = list(_extreme_rows(frame, named or others))
    relation = [text for text in (_correlation(frame),) if text]
    rest = [text for c in sorted(others, key=_dullness) for text in (_description(frame, c),) if text]
    order = (doubts, about, rows, rest) if DOUBT.search(prompt) else (about, rows, doubts[:2], relation, rest)
    seen: set[str] = set()
    for text in (t for group in order for t in group):
        if text not in seen:
            seen.add(text)
            yield text


def _dullness(column: Column) -> int:
    """Groups are told before numbers, the others last."""
    return 0 if column.common and not column.is_number else 1 if column.is_number else 2


def _doubt(frame: Frame, column: Column) -> str:
    for rule in (_missing, _code, _constant, _wrong_type, _far):
        if text := rule(frame, column):
            return text
    return ""


def _missing(frame: Frame, column: Column) -> str:
    total = frame.count
    if not column.nulls or not total:
        return ""
    verb = "is" if column.nulls == 1 else "are"
    return f"{code(column.name)}: {column.nulls:,} of {total:,} values {verb} missing ({percent(column.nulls, total)})."


def _code(_frame: Frame, column: Column) -> str:
    counts = dict(column.common)
    for edge in column.span or () if column.is_number else ():
        if number(edge) in _CODES:
            often = f" and occurs {counts[edge]:,} times" if counts.get(edge, 0) > 1 else ""
            return f"{code(column.name)} ends at {edge}{often}: this number often stands for a missing value."
    return ""


def _constant(frame: Frame, column: Column) -> str:
    if column.distinct == 1 and (frame.count or 0) > 1 and not column.nulls:
        return f"{code(column.name)} has the same value in every row."
    return ""


def _wrong_type(_frame: Frame, column: Column) -> str:
    if column.is_number or column.is_time or not column.examples or not column.is_text:
        return ""
    if all(_DATE.fullmatch(value) for value in column.examples):
        return f"{code(column.name)} stores dates as text ({code(column.examples[0])}): parse it before sorting or grouping by time."
    numeric = [value for value in column.examples if number(value) is not None]
    if len(numeric) * 2 >= len(column.examples) and numeric:
        odd = [value for value in column.examples if number(value) is None]
        but = f", but also {listed(odd[:2])}" if odd else ""
        return f"{code(column.name)} stores numbers as text ({listed(numeric[:2])}{but})."
    return ""


def _far(_frame: Frame, column: Column) -> str:
    outliers = outlying(column)
    if outliers is None or column.quartiles is None or column.span is None:
        return ""
    _, above = outliers
    value, quartile = (
        (column.span[1], column.quartiles[1]) if above else (column.span[0], column.quartiles[0])
    )
    reach, side = ("reaches", "above") if above else ("goes down to", "below")
    return (
        f"{code(column.name)} {reach} {value}, far {side} its {'upper' if above else 'lower'} quartile "
        f"{brief(quartile)}."
    )


def _description(frame: Frame, column: Column) -> str:
    if column.is_number and column.span is not None:
        return _range(frame, column)
    if column.common:
        return _groups(frame, column)
    if column.is_time and column.span is not None:
        return f"{code(column.name)} runs from {column.span[0]} to {column.span[1]}."
    if column.distinct < 10**9 and frame.count:
        return f"{code(column.name)} ({column.dtype}) has {counted(column.distinct, 'distinct value')}."
    return ""


def _range(frame: Frame, column: Column) -> str:
    assert column.span is not None
    low, high = column.span
    text = f"{code(column.name)} runs from {low} to {high}"
    if column.quartiles is not None:
        text += f", half of it between {brief(column.quartiles[0])} and {brief(column.quartiles[1])}"
    if column.mean is not None and column.median is not None:
        text += f"; mean {brief(column.mean)}, median {brief(column.median)}"
        if column.std and abs(column.mean - column.median) > 0.3 * column.std:
            text += f" (skewed to the {'right' if column.mean > column.median else 'left'})"
    total = frame.count
    if column.zeros and total and column.zeros * 10 > total:
        text += f"; {column.zeros:,} of {total:,} values are 0 ({percent(column.zeros, total)})"
    return f"{text}."


def _groups(frame: Frame, column: Column) -> str:
    (first, count), *others = column.common
    total = frame.count
    share = f", {percent(count, total)}" if total else ""
    if not others:
        return f"{code(column.name)} is most often {code(first)} ({count:,} rows{share})."
    if others[0][1] == count:
        return f"{code(column.name)} has {counted(column.distinct, 'group')}, the largest of {count:,} rows."
    text = f"{code(first)} is the largest of {counted(column.distinct, 'group')} in {code(column.name)} ({count:,} rows{share})"
    last, fewest = others[-1]
    if column.distinct == len(column.common) and len(others) > 1 and fewest < others[-2][1]:
        text += f", {code(last)} the smallest ({fewest:,})"
    return f"{text}."


def _correlation(frame: Frame) -> str:
    for left, right, value in frame.correlations:
        if abs(value) >= _WEAK:
            how = "rise together" if value > 0 else "move in opposite directions"
            strength = "" if abs(value) >= _STRONG else ", loosely"
            return f"{code(left)} and {code(right)} {how}{strength} (correlation {value:.2f})."
    return ""


def _extreme_rows(frame: Frame, columns: list[Column]) -> Iterator[str]:
    """Where a small table was sent whole: which of its rows has the most and the least."""
    if not frame.whole or len(frame.whole) < 3:
        return
    names = list(frame.whole[0])
    key = next((n for n in names if n not in {c.name for c in frame.columns if c.is_number}), None)
    key = key or (names[0] if names[0] not in {c.name for c in frame.columns} else None)
    if key is None:
        return
    for column in [c for c in columns if c.is_number][:4]:
        read = ((number(row[column.name]), row[key]) for row in frame.whole if column.name in row)
        pairs = [(value, label) for value, label in read if value is not None]
        if len(pairs) < 3 or len({value for value, _ in pairs}) == 1:
            continue
        top, bottom = max(pairs, key=itemgetter(0)), min(pairs, key=itemgetter(0))
        yield (
            f"{code(column.name)} is highest for {code(top[1])} ({brief(top[0])}) and lowest for "
            f"{code(bottom[1])} ({brief(bottom[0])})."
        )
