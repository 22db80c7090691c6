"""Figures of the ledger: a write alone and among fifty writers, the footer's totals and a report over a million rows.

`python tests/benchmarks/bench_ledger.py [ROWS]`; prints, judges nothing.
"""

import contextlib
import multiprocessing
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from claude_jupyter.costs.ledger.calls import Call, CallOutcome, Reserve
from claude_jupyter.costs.ledger.sqlite_ledger import Ledger
from claude_jupyter.costs.prices import price
from claude_jupyter.costs.reports import table
from claude_jupyter.costs.reports.report import report
from claude_jupyter.costs.reports.summary import BY
from claude_jupyter.costs.usage import Usage

MODEL = "claude-sonnet-5-5"
USAGE = Usage(input=1_200, output=800, cache_read=9_000, cache_write_5m=500)
WIRE = {
    "input_tokens": 1_200,
    "output_tokens": 800,
    "cache_read_input_tokens": 9_000,
    "service_tier": "standard",
}


def timed(times: list[float], work: Callable[[], Any]) -> Any:
    begun = time.perf_counter()
    result = work()
    times.append(time.perf_counter() - begun)
    return result


def write(path: Path, kernel: str, count: int, pause: float, result: Any = None) -> list[float]:
    """Write rows as a kernel does, with pauses between questions; the times of its writes."""
    ledger = Ledger(path, warn=print, kernel=kernel)
    done = CallOutcome(USAGE, price(USAGE, MODEL), complete=True, seconds=2.0, usage_json=WIRE)
    times: list[float] = []
    rng = random.Random(kernel)
    for n in range(count):
        time.sleep(rng.random() * 2 * pause)
        call = Call(
            MODEL, user="ada", kernel=kernel, notebook="n.ipynb", cell=f"c{n % 9}", chat="main", turn=n
        )
        row = timed(times, lambda call=call: ledger.start(call, lambda spent: Reserve()))
        time.sleep(rng.random() * 2 * pause)
        timed(times, lambda row=row: ledger.finish(row, done))
    ledger.close()
    if result is not None:
        result.put(times)
    return times


def show(what: str, times: list[float]) -> None:
    ordered = sorted(times)
    p95, worst = ordered[int(len(ordered) * 0.95)], ordered[-1]
    print(
        f"{what:<58} median {statistics.median(times) * 1e3:8.2f} ms   95 % {p95 * 1e3:8.2f}   worst {worst * 1e3:8.2f}"
    )


def writers(path: Path, count: int, rows: int, pause: float) -> list[float]:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    kernels = [
        context.Process(target=write, args=(path, f"w{n}", rows, pause, results)) for n in range(count)
    ]
    for kernel in kernels:
        kernel.start()
    times = [t for _ in kernels for t in results.get()]
    for kernel in kernels:
        kernel.join()
    return times


def fill(path: Path, rows: int) -> None:
    """A year of many notebooks, through the triggers as any writer."""
    Ledger(path, warn=print).start(Call(MODEL))
    rng = random.Random(7)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA synchronous=OFF")
        begun = time.time() - 365 * 86400

        def row(n: int) -> tuple[Any, ...]:
            notebook = rng.randrange(60)
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(begun + n * 365 * 86400 / rows))
            return (f"{n:032x}", at, "ada", f"kernel-{notebook}-{n * 50 // rows}", f"work/notebook-{notebook}.ipynb",
                    f"{notebook}-{rng.randrange(80):016x}", rng.choice(("main", "main", "side")), rng.randrange(400),
                    "anthropic", rng.choice((MODEL, "claude-opus-5-5", "claude-haiku-5-5")), rng.randrange(9_000),
                    rng.randrange(2_000), rng.randrange(40_000), rng.randrange(3_000), str(rng.randrange(10**9) / 10**9),
                    "2026-11-10", 1, "end_turn", 3.2, "standard", str(WIRE))  # fmt: skip

        db.executemany(
            "INSERT INTO calls(id, at, user, kernel, notebook, cell, chat, turn, provider, model, input_tokens,"
            " cache_write_5m, cache_read, output_tokens, cost_usd, price_date, complete, stop_reason, seconds,"
            f" service_tier, usage_json) VALUES ({', '.join('?' * 21)})",
            (row(n) for n in range(rows)),
        )
        db.commit()


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        show("a write (start or finish, with commit), alone", write(path, "alone", 500, 0)[20:])
        show("the same, 50 kernels asking every 1 s on average", writers(path, 50, 10, 0.5))
        show("the same, 50 kernels without a pause", writers(path, 50, 20, 0))

        path = Path(folder) / "big.db"
        begun = time.perf_counter()
        fill(path, rows)
        size = path.stat().st_size / 1e6
        print(f"\n{rows:,} rows: {size:,.0f} MB, filled in {time.perf_counter() - begun:.0f} s")
        show("a write", write(path, "alone", 300, 0)[20:])
        ledger = Ledger(path, warn=print, kernel="kernel-1-1")
        ledger.start(Call(MODEL))
        times: list[float] = []
        for _ in range(300):
            timed(
                times, lambda: ledger.spent(kernel="kernel-1-1", notebook="work/notebook-1.ipynb", user="ada")
            )
        show("totals of kernel, notebook and day (the footer)", times)
        year = datetime.now(UTC) - timedelta(days=400)
        for since in (None, datetime.now(UTC) - timedelta(days=30), year):
            when = "" if since is None else f" of the last {(datetime.now(UTC) - since).days} days"
            for by in BY:
                times = []
                for _ in range(3):
                    timed(times, lambda by=by, since=since: table.to_text(report(ledger, by=by, since=since)))
                show(f"a report over all rows{when}, by {by}", times)
        ledger.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
