"""What one more question costs the kernel after a thousand turns with fifty pictures, beyond writing the request as JSON.

`python tests/benchmarks/bench_turns.py`. CPU time of the thread, medians; prints figures, asserts nothing.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.figures import figure, title
from support.world import Stage, stage

from claude_jupyter.conversation.store.journal import Journal
from claude_jupyter.demo.script import Script
from claude_jupyter.options import Options

RUNS = 15


def spent(work: Callable[[], Any]) -> float:
    """Milliseconds of CPU in this thread, the median of `RUNS`."""
    times: list[float] = []
    for _ in range(RUNS):
        began = time.thread_time()
        work()
        times.append((time.thread_time() - began) * 1000)
    return statistics.median(times)


def talked(s: Stage, turns: int, pictures: int) -> None:
    """A conversation so long, every so many turns with a picture: real answers of the demo server, repeated."""
    import numpy as np

    noise = np.random.default_rng(5)
    s.claude.ask("What is odd about this table? " * 5)
    for _ in range(pictures):
        s.claude.ask("And this?", noise.integers(0, 255, (200, 300, 3), dtype="uint8"))
    plain, *shown = s.claude.turns
    every = turns // pictures
    made = [shown.pop() if n % every == 0 and shown else plain for n in range(1, turns + 1)]
    s.claude._chat.turns = tuple(
        replace(t, answer=replace(t.answer, id=f"t{n}", turn=n), cell=f"c{n}", execution=f"e{n}")
        for n, t in enumerate(made, 1)
    )
    s.claude._chat._newest_number = turns


def main() -> None:
    """Turn 1,000, against the same request's JSON."""
    with tempfile.TemporaryDirectory() as folder, stage(Script(text="An answer of some length. " * 30)) as s:
        s.env.journal = Journal(Path(folder), "k", "a.ipynb", lambda: "on", print)
        talked(s, 1000, 50)
        s.run("new", "e-new")
        title("turn 1,000, with 50 pictures before it")
        answer = s.claude.ask("Next?")
        body = s.bodies[-1]
        written = spent(lambda: json.dumps(body))
        figure(f"the request as JSON, {len(json.dumps(body)) / 1e6:.1f} MB", written, "ms")
        prepared = spent(lambda: s.claude._asker.prepared("Next?", (), Options()))
        figure("preparing it: history, caching, window, estimate", prepared, "ms")
        began, waited = time.thread_time(), time.perf_counter()
        s.claude.ask("And next?")
        whole = (time.thread_time() - began) * 1000
        figure("the whole question in the cell's thread, the answer and keeping it too", whole, "ms")
        figure(
            "  the same by the clock, the server's own time too", (time.perf_counter() - waited) * 1000, "ms"
        )
        figure("bookkeeping beyond the JSON", prepared, "ms", limit=20)
        assert answer.complete


if __name__ == "__main__":
    main()
