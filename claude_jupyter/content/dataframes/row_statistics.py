"""Statistics over whole rows: duplicate rows, rows with missing values, correlations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from claude_jupyter.content.dataframes.column_statistics import numpy_or_none
from claude_jupyter.content.dataframes.profile import Column
from claude_jupyter.content.guard import attempted
from claude_jupyter.content.values.short import rounded

SOME: Final = 3
"""Rows are first compared by this many columns; only rows that match in them are compared by all."""
CORRELATED: Final = 20
"""At most this many numeric columns are correlated with one another."""
STRONGEST: Final = 3
WORTH_TELLING: Final = 0.1
CHUNK: Final = 10_000


def counts(part: Any, columns: Sequence[Column]) -> list[str]:
    """How many rows repeat an earlier one, and how many have a missing value, as facts; nothing if the library cannot say."""
    facts: list[str] = []
    if len(columns) > 1:
        repeated = attempted(lambda: _repeated(part, columns))
        if repeated is not None:
            facts.append(f"duplicate rows: {repeated:,}")
    if sum(column["nulls"] > 0 for column in columns) > 1:
        missing = attempted(lambda: _incomplete(part, columns))
        if missing:
            facts.append(f"rows with a missing value: {missing:,}")
    return facts


def _repeated(part: Any, columns: Sequence[Column]) -> int:
    """Rows that are the same in every column as one before them."""
    rows = len(part)
    most = sorted(range(len(columns)), key=lambda p: -columns[p].get("distinct", 0))
    if rows < 2 or not most or any(column.get("distinct") == rows for column in columns):
        return 0
    keys = part.columns
    some = [keys[p] for p in most[:SOME]]
    if len(some) < len(keys):
        part = part.filter(part.select(some).is_duplicated())
    return len(part) - len(part.unique()) if len(part) else 0


def _incomplete(part: Any, columns: Sequence[Column]) -> int:
    import narwhals as nw

    keys = [key for key, column in zip(part.columns, columns, strict=True) if column["nulls"]]
    return int(part.select(nw.any_horizontal(nw.col(*keys).is_null(), ignore_nulls=True).sum()).item())


def correlations(part: Any, columns: Sequence[Column]) -> list[str]:
    """The strongest linear correlations (Pearson's) between columns of numbers, as one fact."""
    numpy = numpy_or_none()
    pairs = zip(part.schema.items(), columns, strict=True)
    chosen = [(key, c) for (key, dtype), c in pairs if c.get("std") and dtype.is_numeric()][:CORRELATED]
    if numpy is None or len(chosen) < 2 or len(part) < 3:
        return []
    strongest = attempted(lambda: _strongest(part, chosen))
    if not strongest:
        return []
    return ["strongest correlations: " + ", ".join(f"{a} ~ {b} {rounded(r)}" for a, b, r in strongest)]


def _strongest(part: Any, chosen: Sequence[tuple[str, Column]]) -> list[tuple[str, str, float]]:
    """Over the rows where both are there: sums of products, a few thousand rows at a time."""
    import numpy as np

    arrays = [part[key].to_numpy() for key, _ in chosen]
    means = np.array([column.get("mean", 0.0) for _, column in chosen])[:, None]
    spreads = np.array([column.get("std", 1.0) for _, column in chosen])[:, None]
    complete = not any(c["nulls"] or c.get("nans") or c.get("infinite") for _, c in chosen)
    sums = np.zeros((4, len(chosen), len(chosen)))
    for start in range(0, len(part), CHUNK):
        # In standard deviations from the mean, so that sums of squares lose nothing.
        numbers = (np.array([a[start : start + CHUNK] for a in arrays], "float64") - means) / spreads
        if complete:
            sums[3] += numbers @ numbers.T
            continue
        there = np.isfinite(numbers).astype("float64")
        numbers[there == 0] = 0
        sums += [there @ there.T, numbers @ there.T, numbers**2 @ there.T, numbers @ numbers.T]
    return _pairs(sums[3] / (len(part) - 1) if complete else _pairwise(sums), [c["name"] for _, c in chosen])


def _pairwise(sums: Any) -> Any:
    """The matrix of correlations from the sums over the rows that each pair has."""
    import numpy as np

    count, total, squares, products = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = squares - total**2 / count
        matrix = (products - total * total.T / count) / np.sqrt(spread * spread.T)
    return np.where(count > 2, matrix, 0)


def _pairs(matrix: Any, names: Sequence[str]) -> list[tuple[str, str, float]]:
    pairs = [
        (first, second, min(max(float(matrix[a, b]), -1.0), 1.0))
        for a, first in enumerate(names)
        for b, second in enumerate(names[a + 1 :], a + 1)
        if abs(matrix[a, b]) >= WORTH_TELLING
    ]
    return sorted(pairs, key=lambda pair: -abs(pair[2]))[:STRONGEST]
