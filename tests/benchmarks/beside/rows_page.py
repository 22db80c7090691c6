"""What the page feels, in JupyterLab in Chromium: when letters are on the screen, and how long the main thread is kept from the user."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat

from .alternatives import OURS, Alternative
from .bench import Bench, Measured
from .environments import Home
from .figures import Cannot, Figure, Row
from .kernels import asking, spec_name, variables, write_spec
from .rows_answer import PACES, WHOLE

PATIENCE = 20.0
"""Seconds after the answer's end that the page is waited for."""
ROUNDS = 3
WAIT = 0.5
"""Seconds: about what a model takes before its first token."""
SHORTEST = 50.0
"""Milliseconds of a task that Chromium calls long."""
OFFSET = time.time() - time.monotonic()
"""Epoch seconds of the monotonic clock's zero: the browser's clock is the epoch."""
WATCH = """([index, needles]) => {
    const cell = document.querySelectorAll('.jp-Notebook .jp-Cell')[index];
    window.seen = {};
    window.longTasks = [];
    window.taskObserver?.disconnect();
    window.taskObserver = new PerformanceObserver(list => {
        for (const task of list.getEntries()) window.longTasks.push(task.duration);
    });
    window.taskObserver.observe({ type: 'longtask' });
    // Once a frame at most, so that looking costs all alike; the frame is on the screen when the task after it runs.
    const look = () => {
        const text = cell.textContent;
        for (const needle of needles.filter(n => !(n in window.seen) && text.includes(n))) {
            window.seen[needle] = 0;
            const channel = new MessageChannel();
            channel.port1.onmessage = () => { window.seen[needle] = performance.timeOrigin + performance.now(); };
            channel.port2.postMessage(0);
        }
        if (needles.some(n => !window.seen[n])) requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
}"""
DROPPED = "data rate exceeded"


def rows() -> list[Row]:
    """The group's rows."""
    return [
        Row("first-paint", "first token to the screen, sent at once", "ms"),
        Row("first-paint-later", f"first token to the screen, sent {WAIT:g} s after the question", "ms"),
        Row("last-paint", "last token to the screen, 8 KB", "ms"),
        Row("last-paint-80", "last token to the screen, 80 KB", "ms"),
        Row("busy", "browser's main thread busy, 80 KB", "s"),
        Row("longest", "longest task of the main thread, 80 KB", "ms"),
    ]


def measure(bench: Bench) -> list[Row]:
    """Ours with its extension, and all the others in the same JupyterLab without it."""
    from playwright.sync_api import sync_playwright
    from support.lab import chromium, jupyter_server

    with sync_playwright() as playwright:
        browser = chromium(playwright)

        def one(alternative: Alternative, home: Home) -> Measured:
            place = bench.folder / f"lab-{spec_name(alternative)}"
            write_spec(
                place / "data" / "kernels",
                spec_name(alternative),
                home,
                variables(alternative, bench.stub.url, place),
            )
            with jupyter_server("lab", place, extension=alternative.name == OURS) as server:
                return _measure(bench, browser, server, alternative)

        try:
            return bench.each("page", rows(), one)
        finally:
            browser.close()


@contextmanager
def _notebook(browser: Any, server: Any, alternative: Alternative) -> Iterator[Any]:
    """A notebook of three cells on the alternative's kernel: load, forget, ask."""
    from support.lab import Notebook

    start = f"{alternative.load}\n{alternative.setup}"
    cells = [start, alternative.forget or "0", asking(alternative, "Write.")]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    name = spec_name(alternative)
    notebook.metadata["kernelspec"] = {"name": name, "display_name": name, "language": "python"}
    path: Path = server.root / "bench.ipynb"
    nbformat.write(notebook, path)
    page = browser.new_page()
    try:
        yield Notebook(page, server, path).open()
    finally:
        page.close()


def _measure(bench: Bench, browser: Any, server: Any, alternative: Alternative) -> Measured:
    with _notebook(browser, server, alternative) as notebook:
        notebook.run(0, timeout=90)
        warm = bench.stub.say(200, 0)
        notebook.run(2, timeout=90)
        _must_show(notebook, warm.last)
        rounds = [_ask(bench, notebook, 8) for _ in range(1 if bench.quick else ROUNDS)]
        firsts, lasts = [r[0] for r in rounds if r[0] is not None], [r[1] for r in rounds if r[1] is not None]
        told: dict[str, Figure | Cannot] = {}
        late = Cannot(f"not on the screen {PATIENCE:.0f} s after the answer's end")
        note = WHOLE if firsts and statistics.median(firsts) > PACES[8] * 900 else ""
        told["first-paint"] = Figure(statistics.median(firsts), note) if firsts else late
        later = [_ask(bench, notebook, 8, WAIT)[0] for _ in range(1 if bench.quick else ROUNDS)]
        come = [ms for ms in later if ms is not None]
        told["first-paint-later"] = Figure(statistics.median(come), note) if come else late
        told["last-paint"] = _median(lasts, len(rounds), notebook)
        busy = notebook.metrics()["TaskDuration"]
        _, last = _ask(bench, notebook, 80)
        never = last is None
        why = _why(notebook) if never else note
        told["last-paint-80"] = _median([] if last is None else [last], 1, notebook)
        told["busy"] = Figure(notebook.metrics()["TaskDuration"] - busy, why, at_least=never)
        tasks = notebook.page.evaluate("() => window.longTasks")
        told["longest"] = Figure(
            max(tasks, default=SHORTEST), why, at_least=never, at_most=not tasks and not never
        )
        return told


def _must_show(notebook: Any, mark: str) -> None:
    for _ in range(50):
        told = notebook.output(2).text_content() or ""
        if mark in told:
            return
        notebook.page.wait_for_timeout(100)
    raise RuntimeError(f"no answer on the page: {told[-120:]}")


def _median(values: list[float], wanted: int, notebook: Any) -> Figure | Cannot:
    if len(values) == wanted:
        return Figure(statistics.median(values))
    return Figure(PATIENCE * 1000, _why(notebook), at_least=True)


def _why(notebook: Any) -> str:
    """Why the end is not there: the server's own limit on output, or the page is behind."""
    told = notebook.output(2).text_content(timeout=60_000) or ""
    if DROPPED in told:
        return "Jupyter's server drops the output (IOPub data rate exceeded): the end never comes"
    return f"the page was still behind {PATIENCE:.0f} s after the answer's end"


def _ask(bench: Bench, notebook: Any, kb: int, wait: float = 0) -> tuple[float | None, float | None]:
    """How late the first and the last letters are on the screen, in ms; None if they did not come in time."""
    from playwright.sync_api import TimeoutError as NotInTime

    notebook.run(1, timeout=90)
    answer = bench.stub.say(kb * 1000, PACES[kb], wait=wait)
    notebook.page.evaluate(WATCH, [2, [answer.first, answer.last]])
    notebook.start(2)
    done = "([first, last]) => window.seen[last] > 0"
    try:
        notebook.page.wait_for_function(
            done, arg=[answer.first, answer.last], timeout=(wait + PACES[kb] + PATIENCE) * 1000, polling=200
        )
        notebook.wait_until_done(2, timeout=60)
    except NotInTime:
        pass
    seen = notebook.page.evaluate("() => window.seen")
    told = bench.stub.told()

    def late(mark: str, sent: float) -> float | None:
        return seen[mark] - (sent + OFFSET) * 1000 if seen.get(mark) else None

    return late(answer.first, told.first), late(answer.last, told.last)
