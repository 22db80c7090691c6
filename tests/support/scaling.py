"""How a cost grows with what it depends on: counted at several sizes, fitted as `size ** exponent`, and shown as a table.

What can be counted is counted: calls of functions, steps of SQLite's machine, bytes, messages. That is the same on every machine
and under any load. Copying of long strings hides from such counts, so where that matters the processor's time of this thread is
taken besides: the least of several runs, and only its ratio between sizes is judged, with so much room that noise cannot
fail it and a quadratic cost cannot pass.
"""

from __future__ import annotations

import gc
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

FLAT, LINEAR = 0.1, 1.1
"""Largest exponents for counts: what does not depend on the size, and what grows with it; a fixed share only lowers them."""
_ENOUGH = 0.05
"""Seconds of processor time by which the least of several runs is known."""
LINEAR_BY_CLOCK = 1.55
"""Largest exponent for processor time: at 8 times the size 25 times the time, where quadratic is 64 times."""

TIMES = 8 if os.environ.get("SCALING") == "full" else 1
Work = Callable[[], object]


def upto(largest: int, count: int = 3, factor: int = 8) -> tuple[int, ...]:
    """Sizes that end at `largest`, each so many times the one before."""
    return tuple(largest * TIMES // factor**n for n in reversed(range(count)))


@dataclass(slots=True)
class Curve:
    """One cost by size."""

    what: str
    unit: str
    sizes: tuple[int, ...]
    costs: tuple[float, ...]
    at_most: float

    @property
    def exponent(self) -> float:
        """The slope of the least-squares line through the logarithms."""
        xs = [math.log(size) for size in self.sizes]
        ys = [math.log(max(cost, 1e-9)) for cost in self.costs]
        x, y = sum(xs) / len(xs), sum(ys) / len(ys)
        return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)

    def __str__(self) -> str:
        costs = " → ".join(f"{cost:,.0f}" if cost >= 10 else f"{cost:.3g}" for cost in self.costs)
        sizes = " → ".join(f"{size:,}" for size in self.sizes)
        return f"{self.what:<58} {self.exponent:>6.2f} {self.at_most:>6.2f}   {costs} {self.unit} at {sizes}"


@dataclass(slots=True)
class Curves:
    """All that was measured in this run."""

    curves: list[Curve] = field(default_factory=list[Curve])

    def judge(
        self,
        what: str,
        unit: str,
        sizes: Sequence[int],
        cost: Callable[[int], float],
        at_most: float = LINEAR,
    ) -> None:
        """Measure `cost` at each size; it may not grow faster than `size ** at_most`."""
        curve = Curve(what, unit, tuple(sizes), tuple(cost(size) for size in sizes), at_most)
        self.curves.append(curve)
        assert curve.exponent <= at_most, f"{curve}"

    def by_clock(self, what: str, sizes: tuple[int, ...], make: Callable[[int], Callable[[], Work]]) -> None:
        """The same by processor time, which also sees the copying of text.

        The largest comes first: the process then has the memory for all, and getting it is not taken for growth.
        """
        costs = {n: milliseconds(make(n), 3) for n in sorted(sizes, reverse=True)}
        self.judge(what, "ms", sizes, costs.__getitem__, LINEAR_BY_CLOCK)

    def table(self) -> str:
        """Everything measured, a line each."""
        head = f"{'cost':<58} {'fitted':>6} {'limit':>6}   measured"
        return "\n".join([head, "-" * len(head), *map(str, self.curves)])


def calls(work: Work) -> int:
    """How many functions are called, Python's own and C's, while `work` runs on this thread."""
    count = 0

    def note(_frame: Any, event: str, _arg: Any) -> None:
        nonlocal count
        if event in ("call", "c_call"):
            count += 1

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def milliseconds(make: Callable[[], Work], runs: int = 5) -> float:
    """The least processor time of this thread that `work = make()` takes, without the garbage collector.

    Of `runs`, and of more where one is so short that whatever else the machine does would be most of it.
    """
    best, spent = math.inf, 0.0
    while runs > 0 or spent < _ENOUGH:
        work = make()
        gc.disable()
        began = time.thread_time()
        try:
            work()
        finally:
            took = time.thread_time() - began
            gc.enable()
        best, spent, runs = min(best, took), spent + max(took, _ENOUGH / 100), runs - 1
    return best * 1e3


def steps(connection: Any, work: Work, every: int = 1) -> int:
    """Instructions of SQLite's machine on one connection while `work` runs."""
    count = 0

    def note() -> None:
        nonlocal count
        count += 1

    connection.set_progress_handler(note, every)
    try:
        work()
    finally:
        connection.set_progress_handler(None, 0)
    return count * every
