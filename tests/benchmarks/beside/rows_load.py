"""What it costs to load: CPU seconds of the first cell in a warm kernel, and of everything up to the first short answer."""

from __future__ import annotations

import statistics
import time

from .alternatives import Alternative
from .bench import Bench, Measured
from .environments import Home
from .figures import Cannot, Figure, Row
from .kernels import asking, kernel

TIMED = "import time as _time\n_at = _time.process_time()\n{}\nprint('CPU', _time.process_time() - _at)"
SETTLED = 1.0
"""Seconds without a question in which work in the background may end."""


def rows() -> list[Row]:
    """The group's rows."""
    return [
        Row("load", "load in a warm kernel, CPU", "s"),
        Row("first", "load to the end of a first short answer, CPU", "s"),
    ]


def measure(bench: Bench) -> list[Row]:
    """Medians of three kernels (one with `quick`), each new."""

    def one(alternative: Alternative, home: Home) -> Measured:
        loads: list[float] = []
        firsts: list[float] = []
        for _ in range(1 if bench.quick else 3):
            bench.stub.say(200, 0)
            with kernel(alternative, home, bench.stub.url, bench.folder) as running:
                before = running.cpu()
                done = running.must(TIMED.format(alternative.load))
                loads.append(float(done.printed.split("CPU")[-1]))
                if alternative.setup:
                    running.must(alternative.setup)
                running.must(asking(alternative, "Say yes."))
                time.sleep(SETTLED)
                firsts.append(running.cpu() - before)
        load: Figure | Cannot = Figure(statistics.median(loads))
        if reason := alternative.cannot.get("load"):
            load = Cannot(reason)
        return {"load": load, "first": Figure(statistics.median(firsts))}

    return bench.each("start", rows(), one)
