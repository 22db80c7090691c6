"""What an answer costs on its way to the page: kernel CPU, messages and bytes on iopub, and how late its letters leave the kernel."""

from __future__ import annotations

import statistics
from typing import Final

from .alternatives import OURS, Alternative
from .bench import Bench, Measured
from .environments import Home
from .figures import Cannot, Figure, Row
from .kernels import BenchKernel, Run, asking, ready
from .stub import Answer, Stub

PACES: Final = {8: 2.0, 80: 6.0, 800: 10.0}
"""Seconds by kilobytes: 4, 13 and 80 KB a second, the last far above what models reach today."""
ROUNDS = 3
LATE = 10.0
"""Seconds after the answer's own end at which a cell is interrupted."""
WHOLE = "does not stream: all comes at the end"
TICK = 0.01
"""Seconds: the grain in which a system tells a process's CPU time."""
LIVE_CODE = 20_000
"""Bytes above which a `comm_open` is a view's code, sent once a kernel, and not the answer's."""


def rows() -> list[Row]:
    """The group's rows."""
    return [
        *(Row(f"bytes-{kb}", f"sent to the page for {kb} KB", "KB") for kb in PACES),
        *(Row(f"messages-{kb}", f"messages for {kb} KB", "") for kb in PACES),
        Row("cpu", "kernel CPU for 1,000 tokens, at 80 KB", "ms"),
        Row("first-out", "first token to the kernel's output", "ms"),
        Row("last-out", "last token to the kernel's output, 8 KB", "ms"),
        Row("last-out-80", "last token to the kernel's output, 80 KB", "ms"),
        Row("code", "sent once a kernel: the view's code", "KB"),
    ]


def ask(
    running: BenchKernel, alternative: Alternative, stub: Stub, kb: int
) -> tuple[Answer, Run, float, float]:
    """One answer: what was said, what the cell did, and how late its first and last letters came out (ms, -1 if never)."""
    if alternative.forget:
        running.must(alternative.forget)
    answer = stub.say(kb * 1000, PACES[kb])
    done = running.run(
        asking(alternative, "Write."), marks=(answer.first, answer.last), longest=PACES[kb] + LATE
    )
    if done.error:
        raise RuntimeError(done.error)
    told = stub.told()
    if not told.requests:
        raise RuntimeError(f"asked nothing of the server: {done.printed[-120:] or done.messages[-1:]}")
    first = (done.marks[answer.first] - told.first) * 1000 if answer.first in done.marks else -1.0
    last = (done.marks[answer.last] - told.last) * 1000 if answer.last in done.marks else -1.0
    return answer, done, first, last


def measure(bench: Bench) -> list[Row]:
    """One answer of each size; the latencies at 8 KB are medians of three."""

    def one(alternative: Alternative, home: Home) -> Measured:
        told: dict[str, Figure | Cannot] = {}
        with ready(alternative, home, bench.stub, bench.folder) as running:
            code = sum(m.size for m in running.opening if m.type == "comm_open" and m.size > LIVE_CODE)
            told["code"] = Figure(code / 1000)
            rounds = [ask(running, alternative, bench.stub, 8) for _ in range(2 if bench.quick else ROUNDS)]
            told |= _latencies(rounds)
            whole = WHOLE if statistics.median(r[2] for r in rounds) > PACES[8] * 900 else ""
            for kb in PACES:
                if bench.quick and kb > 80:
                    told[f"bytes-{kb}"] = told[f"messages-{kb}"] = Cannot("left out by --quick")
                    continue
                answer, done, _, last = rounds[-1] if kb == 8 else ask(running, alternative, bench.stub, kb)
                note = f"{kb} KB: interrupted {LATE:.0f} s after the answer's end" if done.stopped else whole
                sizes = [m.size for m in done.shown if not (m.type == "comm_open" and m.size > LIVE_CODE)]
                told[f"bytes-{kb}"] = Figure(sum(sizes) / 1000, note, at_least=done.stopped)
                told[f"messages-{kb}"] = Figure(len(sizes), note, at_least=done.stopped)
                if kb == 80:
                    told["cpu"] = _cpu(done, answer, note)
                    told["last-out-80"] = Figure(last) if last >= 0 else Cannot("never came out")
        return told

    told = bench.each("answer", rows(), one)
    for row in told:
        if row.id == "code":  # the others have no view of their own: nothing to compare
            row.cells = {OURS: row.cells[OURS]}
    return told


def _cpu(done: Run, answer: Answer, note: str) -> Figure:
    """By 1,000 tokens of four characters."""
    cpu = max(done.cpu, TICK) * 1000 / (len(answer.text) / 4000)
    return Figure(cpu, note, at_least=done.stopped, at_most=done.cpu < TICK)


def _latencies(rounds: list[tuple[Answer, Run, float, float]]) -> dict[str, Figure | Cannot]:
    firsts, lasts = [r[2] for r in rounds], [r[3] for r in rounds]
    if min(*firsts, *lasts) < 0:
        return {
            "first-out": Cannot("the text came out changed"),
            "last-out": Cannot("the text came out changed"),
        }
    first = statistics.median(firsts)
    note = WHOLE if first > PACES[8] * 900 else ""
    return {"first-out": Figure(first, note), "last-out": Figure(statistics.median(lasts), note)}
