"""One column of a frame, from any library → its counts, extremes, quartiles, most common values (through narwhals and NumPy).

Statistics are exact for the rows given. Numbers are sorted once, and everything else is read off; values that only Python
can compare (Decimal, Period, integers beyond 64 bits) go through Python's own order.
"""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import math
from collections import Counter
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from claude_jupyter.content.dataframes.profile import TOP, Column, cells_of
from claude_jupyter.content.dataframes.time_steps import step_of
from claude_jupyter.content.guard import attempted, guarded, root_module, type_name
from claude_jupyter.content.values.short import rounded

if TYPE_CHECKING:
    import narwhals as nw

KINDS_LOOKED_AT: Final = 1000
SOME: Final = 500
"""If this many texts at the beginning hardly repeat, the column's texts are not counted one by one."""
BY_HAND: Final = 5_000
"""Up to this many values, Python counts the most common ones."""
FEW: Final = 20
"""Numbers with at most this many distinct values are counted value by value."""
DIGITS: Final = 100
"""Precision, in digits, for adding decimals: a database's have up to 76."""
_NUMBERS: Final = (int, float, decimal.Decimal, fractions.Fraction)
_DATES: Final = (dt.datetime, dt.date, dt.time, dt.timedelta)


def column_summary(series: nw.Series[Any], name: str, dtype: str, *, values: bool) -> Column:
    """Counts of one column and, with `values`, its extremes, quartiles or most common values."""
    import narwhals as nw

    column = Column(name=name, dtype=dtype, nulls=0)
    kind = series.dtype
    numbers = _as_numbers(series, column)
    if numbers is not None:
        return _numeric(numbers, column, values)
    column["nulls"] = int(series.null_count())
    if column["nulls"] == len(series):
        return column
    if isinstance(kind, nw.Object | nw.Unknown):
        return _odd(series, column, values)
    if kind.is_nested():
        return _nested(series, column, values)
    if kind == nw.Binary:
        return column
    if kind.is_numeric():
        return _ordered(series.drop_nulls().to_list(), column, values)
    if kind.is_temporal():
        return _temporal(series, column, values)
    return _counted(series, column, values)


def numpy_or_none() -> ModuleType | None:
    """NumPy, which Polars does without."""
    try:
        import numpy
    except ImportError:
        return None
    return numpy


def _as_numbers(series: nw.Series[Any], column: Column) -> Any:
    """The numbers that are there as a NumPy array, nulls counted; None if they are not numbers or NumPy has no such type."""
    import narwhals as nw

    numpy = numpy_or_none()
    own: Any = getattr(series.to_native(), "dtype", None)
    if numpy is None:
        return None
    if isinstance(own, numpy.dtype):  # NaN is how the library writes a missing value
        if own.kind not in "iuf":
            return None
        array = series.to_numpy()
        missing = int(numpy.isnan(array).sum()) if own.kind == "f" else 0
        column["nulls"] = missing
        return array[~numpy.isnan(array)] if missing else array
    if not series.dtype.is_numeric() or isinstance(series.dtype, nw.Decimal | nw.Int128 | nw.UInt128):
        return None
    column["nulls"] = int(series.null_count())
    array = (series.drop_nulls() if column["nulls"] else series).to_numpy()
    return array if array.dtype.kind in "iuf" else None


def _numeric(array: Any, column: Column, values: bool) -> Column:
    """Statistics of a sorted array: distinct, extremes, quartiles, zeros; NaN and infinities counted and left out."""
    import numpy as np

    array = np.sort(array)
    whole = array.dtype.kind != "f"
    nans = 0 if whole else int(np.isnan(array).sum())
    there = array[: len(array) - nans]
    changes = np.flatnonzero(there[1:] != there[:-1])
    column["distinct"] = (len(changes) + 1 if len(there) else 0) + (nans > 0)
    if nans:
        column["nans"] = nans
    if not whole:
        finite = there[np.searchsorted(there, -np.inf, "right") : np.searchsorted(there, np.inf, "left")]
        if len(finite) < len(there):
            column["infinite"] = len(there) - len(finite)
            there, changes = finite, np.flatnonzero(finite[1:] != finite[:-1])
    if not values or not len(there):
        return column
    kind = array.dtype
    column["least"], column["most"] = cells_of([there[0].item(), there[-1].item()], kind)
    column["quartiles"] = _quartiles(there, kind)
    column["mean"], column["std"], column["sum"] = _moments(there)
    negative, upto = (int(n) for n in (np.searchsorted(there, 0, side) for side in ("left", "right")))
    column["negative"], column["zeros"] = negative, upto - negative
    if len(changes) < FEW and len(changes) < len(there) - 1:
        ends = [*changes.tolist(), len(there) - 1]
        counts = [end - start for start, end in zip([-1, *ends], ends, strict=False)]
        column["top"] = _commonest(zip(cells_of(there[ends].tolist(), kind), counts, strict=True))
    return column


def _quartiles(there: Sequence[Any], kind: Any = None) -> tuple[Any, Any, Any]:
    """First quartile, median, third quartile of sorted values, interpolated between neighbors."""
    first, median, third = cells_of([_between(there, quarter) for quarter in (1, 2, 3)], kind)
    return first, median, third


def _between(there: Sequence[Any], quarter: int) -> Any:
    place, rest = divmod((len(there) - 1) * quarter, 4)
    low = _item(there[place])
    high = _item(there[place + 1]) if rest else low
    if low == high:
        return low
    if isinstance(low, int) and isinstance(high, int):
        whole, part = divmod(low * (4 - rest) + high * rest, 4)
        return whole + part / 4 if part and abs(whole) < 2**53 else whole
    if isinstance(low, float) or isinstance(high, float):
        return float(rounded(float(low) * ((4 - rest) / 4) + float(high) * (rest / 4)))
    return low + (high - low) * rest / 4


def _item(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


def _moments(there: Any) -> tuple[float, float | None, Any]:
    """Mean, standard deviation (of a sample), sum; of integers the exact sum."""
    import numpy as np

    count = len(there)
    wide = there.astype("float64", copy=False) if there.dtype.itemsize <= 8 else there
    if there.dtype.kind == "f":
        total: Any = wide.sum()
        mean = total / count if np.isfinite(total) else (wide / count).sum()
    else:
        largest = max(abs(int(there[0])), abs(int(there[-1])))
        total = int(there.sum()) if largest * count < 2**63 else sum(there.tolist())
        mean = total / count
    deviation = float(wide.std(ddof=1)) if count > 1 else None
    return float(mean), deviation, total if isinstance(total, int) else _total(float(total))


def _total(value: float) -> float:
    """A sum of floats without the noise of adding: twelve digits, cents of large ones."""
    if not math.isfinite(value):
        return value
    return float(f"{value:.{max(12, len(str(int(abs(value)))) + 2) if abs(value) < 1e15 else 12}g}")


def _temporal(series: nw.Series[Any], column: Column, values: bool) -> Column:
    """First and last, and how far apart; of a column of times one step after another."""
    ordered = series.drop_nulls().unique().sort()
    column["distinct"] = len(ordered)
    if values:
        column["least"], column["most"] = ordered[0], ordered[-1]
        if len(ordered) > 2 and (step := attempted(lambda: step_of(ordered))):
            column["step"] = step
    return column


def _counted(series: nw.Series[Any], column: Column, values: bool) -> Column:
    """Text, booleans, categories: how many distinct ones, and the most common; if they hardly repeat, the first ones."""
    import narwhals as nw

    there = series.drop_nulls() if column["nulls"] else series
    if len(there) <= BY_HAND:
        return _counted_by_hand(there.to_list(), column, values)
    some = dict.fromkeys(there.head(SOME).to_list())
    if not values or len(some) * 2 > SOME:
        column["distinct"] = there.n_unique()
        if not values:
            return column
        if column["distinct"] * 2 > len(series):
            column["top"] = [(value, 1) for value in list(some)[:2]]
            return column
    counts = there.value_counts(sort=True)
    column["distinct"] = len(counts)
    if isinstance(
        series.dtype, nw.Categorical | nw.Enum
    ):  # some libraries count the categories that are not there
        column["distinct"] = int((counts["count"] > 0).sum())
    if column["distinct"] > max(len(series) / 2, TOP * 10):
        column["top"] = [(value, 1) for value in list(some)[:2]]
    else:
        column["top"] = _top(counts)
    return column


def _counted_by_hand(there: Sequence[Any], column: Column, values: bool) -> Column:
    """Like `_counted`: for few values, Python counts faster than the library."""
    counts = Counter(there)
    column["distinct"] = len(counts)
    if not values:
        return column
    if len(counts) > max((len(there) + column["nulls"]) / 2, TOP * 10):
        column["top"] = [(value, 1) for value in list(counts)[:2]]
    else:
        column["top"] = _commonest(counts.items())
    return column


def _top(counts: nw.DataFrame[Any]) -> list[tuple[Any, int]]:
    return _commonest((row[0], int(row[1])) for row in counts.head(TOP * 10).rows())


def _commonest(counts: Any) -> list[tuple[Any, int]]:
    """The most common values; ties in the same order on every run."""
    there = [(value, count) for value, count in counts if count > 0]
    return sorted(there, key=lambda pair: (-pair[1], str(pair[0])))[:TOP]


def _nested(series: nw.Series[Any], column: Column, values: bool) -> Column:
    import narwhals as nw

    if values and isinstance(series.dtype, nw.List):
        lengths = series.drop_nulls().list.len()
        if len(lengths):
            column["lengths"] = (int(lengths.min()), int(lengths.max()))
    return column


def _odd(series: nw.Series[Any], column: Column, values: bool) -> Column:
    """Python objects, or a dtype narwhals does not know: in their own order where they have one, else what kinds they are."""
    there = series.drop_nulls()
    native = there.to_native()
    own = getattr(native, "dtype", None)
    if type_name(type(own), short=True) in ("PeriodDtype", "IntervalDtype"):
        column["distinct"] = int(native.nunique())
        if values:
            column["least"], column["most"] = native.min(), native.max()
        return column
    objects = there.to_list()
    if _has_order(objects):
        return _ordered(objects, column, values)
    some = objects[:KINDS_LOOKED_AT]
    column["kinds"] = dict(Counter(type_name(type(value), short=True) for value in some).most_common(TOP))
    common = values and len(column["kinds"]) == 1
    counted = guarded(lambda: _counted_objects(there, common)).value
    if counted is not None:
        column["distinct"] = counted[0]
        if counted[1]:
            column["top"] = counted[1]
    return column


def _has_order(objects: Sequence[Any]) -> bool:
    """Whether all are plain numbers, or all dates or times of one kind: nobody's own comparison is run."""
    kinds = {type(value) for value in objects}
    if kinds <= set(_NUMBERS):
        return all(value == value for value in objects) and not {decimal.Decimal, fractions.Fraction} <= kinds
    if len(kinds) != 1:
        return False
    (kind,) = kinds
    if kind not in _DATES and not (root_module(kind) == "pandas" and issubclass(kind, _DATES)):
        return False
    return len({getattr(value, "tzinfo", None) is None for value in objects}) == 1


def _ordered(objects: Sequence[Any], column: Column, values: bool) -> Column:
    """Extremes, and of numbers quartiles, mean and sum, of values that Python can put into order."""
    there = [value for value in objects if not isinstance(value, _NUMBERS) or math.isfinite(value)]
    nans = sum(value != value for value in objects) if len(there) < len(objects) else 0
    column["distinct"] = len({value for value in objects if value == value}) + (nans > 0)
    if nans:
        column["nans"] = nans
    if len(objects) - len(there) - nans:
        column["infinite"] = len(objects) - len(there) - nans
    if not values or not there:
        return column
    if {float, decimal.Decimal} <= {type(value) for value in there}:
        there = [float(value) for value in there]
    there.sort()
    column["least"], column["most"] = there[0], there[-1]
    return _python_numbers(there, column) if isinstance(there[0], _NUMBERS) else column


def _python_numbers(there: Sequence[Any], column: Column) -> Column:
    """As `_numeric`, for sorted numbers that NumPy has no type for."""
    from statistics import stdev  # pulls in a good deal that loading the extension does without

    with decimal.localcontext(prec=DIGITS):
        column["quartiles"] = _quartiles(there)
        total = math.fsum(there) if isinstance(there[0], float) else sum(there)
        column["mean"] = attempted(lambda: float(total / len(there)))
        column["std"] = attempted(lambda: float(stdev(map(float, there))))
    column["sum"] = _total(total) if isinstance(total, float) else total
    column["negative"], column["zeros"] = (
        sum(value < 0 for value in there),
        sum(value == 0 for value in there),
    )
    counts = Counter(there)
    if len(counts) <= FEW and len(counts) < len(there):
        column["top"] = _commonest(counts.items())
    return column


def _counted_objects(there: nw.Series[Any], common: bool) -> tuple[int, list[tuple[Any, int]]]:
    """How many different objects and, where they repeat, the most common: through their own `__hash__` and `__eq__`."""
    distinct = there.n_unique()
    if common and 0 < distinct < len(there) / 2:
        return distinct, _top(there.value_counts(sort=True))
    return distinct, []
