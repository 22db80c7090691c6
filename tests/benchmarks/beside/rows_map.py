"""Many rows at once: answers a second against a server that lets fifty in at a time and takes half a second for each."""

from __future__ import annotations

from .alternatives import Alternative
from .bench import Bench, Measured
from .environments import Home
from .figures import Figure, Row
from .kernels import kernel

AT_ONCE = 50
SECONDS = 0.5
TIMED = (
    "import time as _time\n_at = _time.monotonic()\n{}\nprint('TOOK', _time.monotonic() - _at, len(answers))"
)


def rows() -> list[Row]:
    """The group's rows."""
    return [
        Row("map", f"answers a second, {AT_ONCE / SECONDS:.0f} possible", "", more=True),
        Row("map-cpu", "CPU for one of them", "ms"),
    ]


def measure(bench: Bench) -> list[Row]:
    """500 rows (100 with `quick`), after a few that load what is needed."""
    count = 100 if bench.quick else 500

    def one(alternative: Alternative, home: Home) -> Measured:
        with kernel(alternative, home, bench.stub.url, bench.folder) as running:
            running.must(alternative.load)
            running.must(alternative.setup or "0")
            running.must("rows = ['warm', 'warmer']")
            bench.stub.say(30, 0)
            running.must(alternative.bulk)
            running.must(f"rows = [f'review number {{i}}: it was fine, thank you' for i in range({count})]")
            bench.stub.say(30, SECONDS, at_once=AT_ONCE)
            done = running.must(TIMED.format(alternative.bulk))
        took, answers = done.printed.split("TOOK")[-1].split()[:2]
        told = bench.stub.told()
        if int(answers) != count or told.requests - told.refused != count:
            raise RuntimeError(f"{answers} answers, {told.requests} requests for {count} rows")
        note = f"{told.refused} requests refused (429) and sent again" if told.refused else ""
        return {"map": Figure(count / float(took), note), "map-cpu": Figure(done.cpu * 1000 / count)}

    return bench.each("map", rows(), one)
