"""A column of dates or times → how far apart they are: `daily, 2 gaps`, `monthly`, `every 15 min`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import narwhals as nw

DAY: Final = 86_400_000_000
_WORDS: Final = {DAY: "daily", 7 * DAY: "weekly", 3_600_000_000: "hourly"}
_CALENDAR: Final = (("monthly", 28, 31), ("quarterly", 90, 92), ("yearly", 365, 366))
"""(word, fewest days, most days) of the steps whose length the calendar varies."""
_UNITS: Final = (
    (DAY, "days"),
    (3_600_000_000, "h"),
    (60_000_000, "min"),
    (1_000_000, "s"),
    (1000, "ms"),
    (1, "µs"),
)
MOST_KINDS: Final = 50


def step_of(ordered: nw.Series[Any]) -> str:
    """The step of sorted, different dates or times, and how often one is longer; empty if there is none."""
    import narwhals as nw

    if ordered.dtype == nw.Date:
        ordered = ordered.cast(nw.Datetime("us"))
    if ordered.dtype != nw.Datetime:
        return ""
    counts = ordered.diff().drop_nulls().value_counts(sort=True)
    if len(counts) > MOST_KINDS * 10:
        return ""
    steps = [(_microseconds(step), int(count)) for step, count in counts.rows()]
    zone = getattr(ordered.dtype, "time_zone", None)
    days = ordered.dt.replace_time_zone(None) if zone else ordered
    if all(step % DAY == 0 for step, _ in steps) and int(days.dt.weekday().max()) <= 5:
        return _weekdays(steps) or name_of(steps)
    return name_of(steps)


def _microseconds(step: dt.timedelta) -> int:
    return step // dt.timedelta(microseconds=1)


def _weekdays(steps: Sequence[tuple[int, int]]) -> str:
    """Where no Saturday or Sunday is there: days on end with weekends between them."""
    counts = dict(steps)
    total = sum(counts.values())
    if counts.get(DAY, 0) < total / 2 or not counts.get(3 * DAY):
        return ""
    return _with_gaps("weekdays", total - counts[DAY] - counts[3 * DAY])


def name_of(steps: Sequence[tuple[int, int]]) -> str:
    """The name of the step among (microseconds, how often), the most common first."""
    total = sum(count for _, count in steps)
    for word, fewest, most in _CALENDAR:
        regular = [(step, count) for step, count in steps if fewest * DAY <= step <= most * DAY]
        longer = sum(count for step, count in steps if step > most * DAY)
        count = sum(count for _, count in regular)
        if count * 2 > total and count + longer == total and (len(regular) > 1 or regular[0][0] != 28 * DAY):
            return _with_gaps(word, longer)
    step, count = steps[0]
    hour = 3_600_000_000
    if step == DAY:  # a day on which the clocks change
        count += sum(n for other, n in steps if other in (DAY - hour, DAY + hour))
        steps = [(other, n) for other, n in steps if other not in (DAY - hour, DAY + hour)]
    if count * 2 <= total or any(other % step for other, _ in steps):
        return ""
    return _with_gaps(_WORDS.get(step) or f"every {_length(step)}", total - count)


def _length(step: int) -> str:
    size, unit = next((size, unit) for size, unit in _UNITS if step % size == 0)
    return f"{step // size:,} {unit}"


def _with_gaps(word: str, gaps: int) -> str:
    return word if not gaps else f"{word}, {gaps:,} gap{'s' * (gaps != 1)}"
