"""What the fault matrix tried and what passed, a row for each fault and a column for each way; printed at the end of the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

TRIED: Counter[tuple[str, str]] = Counter()
PASSED: Counter[tuple[str, str]] = Counter()


@contextmanager
def cell(fault: str, way: str) -> Iterator[None]:
    """One try: it has passed when the block ends without an exception."""
    TRIED[fault, way] += 1
    yield
    PASSED[fault, way] += 1


def table() -> list[str]:
    """The table, and below it the sums."""
    faults = list(dict.fromkeys(fault for fault, _ in TRIED))
    ways = list(dict.fromkeys(way for _, way in TRIED))
    width = max(map(len, faults), default=0)
    widths = [max(len(way), 6) for way in ways]
    lines = [" " * width + "".join(f"  {way:>{w}}" for way, w in zip(ways, widths, strict=True))]
    for fault in faults:
        cells = "".join(f"  {_cell(fault, way):>{w}}" for way, w in zip(ways, widths, strict=True))
        tried, passed = (sum(n for (f, _), n in c.items() if f == fault) for c in (TRIED, PASSED))
        lines.append(f"{fault:<{width}}{cells}  {tried:,} tried, {passed:,} passed")
    lines.append(
        f"{len(faults)} faults, {len(ways)} ways: {TRIED.total():,} tried, {PASSED.total():,} passed"
    )
    return lines


def _cell(fault: str, way: str) -> str:
    tried, passed = TRIED[fault, way], PASSED[fault, way]
    return f"{passed:,}" if passed == tried and tried else f"{passed:,}/{tried:,}" if tried else "-"
