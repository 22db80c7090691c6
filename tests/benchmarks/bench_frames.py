"""What a profile costs: time and extra memory by library and number of rows. Prints figures, asserts nothing.

`python tests/benchmarks/bench_frames.py [ROWS]` (default 10 million; by 20 columns).
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
import polars as pl
import psutil
import pyarrow as pa
from beside.work import columns

from claude_jupyter.content import attach
from claude_jupyter.content.rules import Rules


@contextmanager
def peak() -> Iterator[Callable[[], float]]:
    """Megabytes that the process grew by at most, looked at every 2 ms."""
    process = psutil.Process()
    before = process.memory_info().rss
    most = before
    done = threading.Event()

    def look() -> None:
        nonlocal most
        while not done.wait(0.002):
            most = max(most, process.memory_info().rss)

    thread = threading.Thread(target=look)
    thread.start()
    yield lambda: (most - before) / 1e6
    done.set()
    thread.join()


def measure(frame: Any) -> tuple[float, float]:
    """Seconds and megabytes of one profile."""
    with peak() as grown:
        start = time.perf_counter()
        attach(frame, "frame", Rules())
        seconds = time.perf_counter() - start
        return seconds, grown()


def main(rows: int) -> None:
    """Print seconds and megabytes for 1,000 rows, a tenth of `rows`, and `rows`."""
    for makes, name in ((pl.DataFrame, "polars"), (pa.table, "pyarrow"), (pd.DataFrame, "pandas")):
        attach(makes(columns(10)), "warm", Rules())
        times = []
        for count in (1000, rows // 10, rows):
            frame = makes(columns(count))
            seconds, grown = measure(frame)
            times.append(seconds)
            print(f"{name:8} {count:>12,} × 20: {seconds * 1000:8.1f} ms, {grown:6.1f} MB extra")
            del frame
        print(f"{name:8} {rows:,} rows cost {times[2] / times[1]:.2f} times a tenth of them")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000)
