"""What the ledger adds to a question: the median of its writes, each with its commit."""

from __future__ import annotations

import statistics

from benchmarks.bench_ledger import write

from .alternatives import Alternative
from .bench import Bench, Measured
from .environments import Home
from .figures import Figure, Row


def rows() -> list[Row]:
    """The group's rows."""
    return [Row("ledger", "a ledger write, with its commit", "ms")]


def measure(bench: Bench) -> list[Row]:
    """500 questions, two writes each, by one kernel alone."""

    def one(alternative: Alternative, home: Home) -> Measured:
        times = write(bench.folder / "ledger.db", "alone", 100 if bench.quick else 500, 0)[20:]
        return {"ledger": Figure(statistics.median(times) * 1000)}

    return bench.each("ledger", rows(), one)
