"""What an answer costs the page: busy share, longest task, lag and frames at 80 KB, beside `update_display(Markdown(whole))`.

Main-thread times are told twice: on the wall clock, and as CPU time of the thread, because others may use the machine.
`python tests/benchmarks/bench_paint.py [stream] [large] [open] [start] [size]` measures only those; `--whole` adds the rival at 80 KB.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import nbformat
from paint_page import SCROLL, WATCH, Trace, text_of, traced
from playwright.sync_api import Browser, Page, TimeoutError, sync_playwright
from support.figures import figure, median, title
from support.kernel_fixtures import environment
from support.lab import Notebook, Server, chromium, jupyter_server
from support.raw_server import Play, RawServer, raw_server, text_events

from claude_jupyter.answer.model import Answer
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.display.bundle import bundle

UPDATES = 100  # a second
SECONDS = float(os.environ.get("PAINT_SECONDS", "30"))
KEEP = os.environ.get("PAINT_TRACE")
CELLS = ["%load_ext claude_jupyter", "%%claude --once\nWrite."]
RIVAL = """import time
from IPython.display import Markdown, display
handle, step = display(Markdown(""), display_id=True), max(1, len(text) // {updates})
for end in range(step, len(text) + step, step):
    began = time.perf_counter()
    handle.update(Markdown(text[:end]))
    time.sleep(max(0, 0.01 - (time.perf_counter() - began)))
handle.update(Markdown(text + "\\n\\nNEEDLE"))
ended = time.time()"""
OFFSET = time.time() - time.monotonic()


def stream(text: str, needle: str, updates: int) -> Play:
    """The answer in so many deltas, 100 a second; the needle is the last word."""
    events = text_events(f"{text}\n\n{needle}", size=max(1, len(text) // updates))
    head, tail = events[:-4], b"".join(events[-4:])
    return Play([*(part for event in head for part in (event, 1 / UPDATES)), tail])


def tell(what: str, trace: Trace, idle: Trace, idle_for: float, took: float) -> None:
    figure(
        f"{what}: busy beyond idle, of the wall clock",
        100 * (trace.wall / took - idle.wall / idle_for),
        "%",
        limit=20,
    )
    figure(
        f"{what}: busy beyond idle, CPU of the thread",
        100 * (trace.cpu / took - idle.cpu / idle_for),
        "%",
        limit=20,
    )
    wall, cpu = trace.longest()
    figure(f"{what}: longest task, CPU of the thread", cpu, "ms", limit=50)
    figure(f"{what}: the same task on the wall clock", wall, "ms")
    figure(f"{what}: longest task on the wall clock", trace.worst_wall, "ms", limit=50)
    over = trace.over(0.05)
    print(f"{what}: tasks over 50 ms: {over[0]} on the wall clock, {over[1]} in CPU time", flush=True)


def ours(
    browser: Browser, jupyter: Server, server: RawServer, what: str, size: int, *, frames: bool = True
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    notebook = Notebook(page, jupyter, jupyter.write(f"{abs(hash(what))}.ipynb", [*CELLS, *["1"] * 3])).open()
    notebook.run(0)
    server.reset(Play(text_events("Warm: $x^2$\n\n```python\nx\n```\n")))
    notebook.run(1)
    page.wait_for_timeout(1500)
    with traced(browser, page) as idle:
        page.wait_for_timeout(4000)
    text = text_of(size)
    updates = int(SECONDS * UPDATES)
    server.reset(stream(text, "NEEDLE", updates))
    page.evaluate(WATCH, "NEEDLE")
    began = time.monotonic()
    with traced(browser, page, KEEP) as trace:
        notebook.start(1)
        page.wait_for_function("() => window.painted !== null", timeout=300_000, polling=100)
        took = time.monotonic() - began
        notebook.wait_until_done(1)
        page.wait_for_timeout(1500)  # the end is looked at, too
    lag = page.evaluate("() => window.painted") - (server.last_byte + OFFSET) * 1000
    tell(what, trace, idle, 4.0, took)
    figure(f"{what}: lag after the last token", lag, "ms", limit=100)
    if frames:
        tell_frames(notebook, server, what, text, updates)
    page.close()


def tell_frames(notebook: Notebook, server: RawServer, what: str, text: str, updates: int) -> None:
    page = notebook.page
    server.reset(stream(text[: len(text) // 2], "NEEDLE", updates // 2))
    notebook.start(1)
    page.wait_for_timeout(int(250 * SECONDS / 2))
    page.evaluate(SCROLL)
    page.wait_for_timeout(int(500 * SECONDS / 2))
    page.evaluate("() => { window.scrolling = false; }")
    times = page.evaluate("() => window.frameTimes")
    gaps = [b - a for a, b in pairwise(times)]
    rate = 1000 * len(gaps) / sum(gaps)
    print(
        f"{what}: scrolling meanwhile: {rate:.1f} frames a second (at least 50), worst gap {max(gaps):.0f} ms"
    )
    notebook.wait_until_done(1)


def rival(browser: Browser, jupyter: Server, size: int) -> None:
    """As most libraries do it."""
    what = f"update_display(Markdown(whole)), {size // 1000} KB"
    updates = int(SECONDS * UPDATES)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    cells = [f"text = {text_of(size)!r}", RIVAL.format(updates=updates), "print(ended)"]
    notebook = Notebook(page, jupyter, jupyter.write(f"rival{size}.ipynb", cells)).open()
    notebook.run(0)
    page.evaluate(WATCH, "NEEDLE")
    began = time.monotonic()
    with traced(browser, page) as trace:
        notebook.start(1)
        try:
            page.wait_for_function(
                "() => window.painted !== null", timeout=(SECONDS + 60) * 1000, polling=250
            )
        except TimeoutError:
            print(f"{what}: not drawn {60} s after its stream's time", flush=True)
        took = time.monotonic() - began
    tell(what, trace, Trace(), 1.0, took)
    print(f"{what}: {took - SECONDS:.1f} s behind a stream of {SECONDS:.0f} s", flush=True)
    page.close()


# -- Saved answers ------------------------------------------------------------------------------------------------------------


def saved(jupyter: Server, name: str, plain: bool) -> str:
    """A notebook of 200 answers of 1.5 KB, or of the same Markdown alone."""
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    answer = Answer(
        "a0",
        model="claude-sonnet-5-5",
        usage=Usage(input=5528, output=418),
        cost=Cost({"output": Decimal("0.01")}),
    )
    for n in range(200):
        block = {"type": "text", "text": text_of(60_000)[300 * n : 300 * n + 1500]}
        data, _ = bundle(
            replace(
                answer, id=f"a{n}", blocks=(block,), started=datetime.now(UTC), seconds=9.1, complete=True
            )
        )
        if plain:
            data = {kind: data[kind] for kind in ("text/markdown", "text/plain")}
        cell = nbformat.v4.new_code_cell("%%claude\nWhat does this say?", execution_count=n + 1)
        cell.outputs = [nbformat.v4.new_output("display_data", data=data)]
        notebook.cells.append(cell)
    nbformat.write(notebook, jupyter.root / name)
    return name


OPEN = """async name => {
    const app = window.jupyterapp;
    const began = performance.now();
    const widget = await app.commands.execute('docmanager:open', { path: name });
    await widget.context.ready; await widget.revealed;
    const quiet = () => new Promise(done => requestIdleCallback(done));
    while (!widget.node.querySelector('.jp-OutputArea-output')?.textContent) await new Promise(requestAnimationFrame);
    const shown = performance.now() - began;
    for (let i = 0; i < 5; i++) await quiet();
    const all = performance.now() - began;
    await new Promise(done => setTimeout(done, 3000));
    await widget.context.save(); widget.close();
    await new Promise(done => setTimeout(done, 700));
    return [shown, all];
}"""


def opening(browser: Browser, jupyter: Server, rounds: int) -> None:
    names = {kind: saved(jupyter, f"{kind}.ipynb", kind == "plain") for kind in ("answers", "plain")}
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    Notebook(page, jupyter, jupyter.write("first.ipynb", ["1"])).open()
    shown: dict[str, list[float]] = {"answers": [], "plain": []}
    cpu: dict[str, list[float]] = {"answers": [], "plain": []}
    worst: dict[str, list[float]] = {"answers": [], "plain": []}
    for turn in range(rounds + 1):
        for kind in ("answers", "plain") if turn % 2 else ("plain", "answers"):
            with traced(browser, page) as trace:
                first, _ = page.evaluate(OPEN, names[kind])
            if turn:  # the first warms up
                shown[kind].append(first)
                cpu[kind].append(1000 * trace.cpu)
            worst[kind].append(trace.longest()[1])
    figure(
        "200 saved answers: until the first is shown, of plain Markdown",
        median(shown["answers"]),
        "ms",
        of=median(shown["plain"]),
        limit=1.2,
    )
    figure(
        "200 saved answers: CPU of the thread, of plain Markdown",
        median(cpu["answers"]),
        "ms",
        of=median(cpu["plain"]),
        limit=1.2,
    )
    figure(
        "200 saved answers: longest task, CPU, of plain Markdown",
        max(worst["answers"]),
        "ms",
        of=max(worst["plain"]),
    )
    page.close()


def lab_start(page: Page, server: Server, browser: Browser) -> tuple[float, float]:
    with traced(browser, page) as trace:
        began = time.monotonic()
        page.goto(f"{server.url}/lab?reset&token=tests")
        page.wait_for_function("() => window.jupyterapp?.restored", timeout=60_000)
        page.evaluate("() => window.jupyterapp.restored")
        took = time.monotonic() - began
        page.wait_for_timeout(1500)
    return took, trace.cpu


def starting(browser: Browser, servers: dict[bool, Server], rounds: int) -> None:
    page = browser.new_page()
    took: dict[bool, list[float]] = {True: [], False: []}
    cpu: dict[bool, list[float]] = {True: [], False: []}
    for turn in range(rounds + 1):
        for extension in (True, False) if turn % 2 else (False, True):
            wall, busy = lab_start(page, servers[extension], browser)
            if turn:
                took[extension].append(wall)
                cpu[extension].append(busy)
    figure(
        "JupyterLab's start, of the same without the extension",
        median(took[True]),
        "s",
        of=median(took[False]),
    )
    figure("  CPU of the main thread", median(cpu[True]), "s", of=median(cpu[False]))
    page.close()


def bundle_size() -> None:
    import claude_jupyter

    static = Path(claude_jupyter.__file__).parent / "labextension" / "static"
    figure(
        "the extension's bundle", sum(p.stat().st_size for p in static.glob("*.js")) / 1024, "KB", limit=150
    )


def main(parts: Sequence[str], rounds: int = 3) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(raw_server())
        playwright = stack.enter_context(sync_playwright())
        browser = chromium(playwright)
        title("Painting an answer")
        bundle_size()
        env = environment(server.url)
        jupyter = {
            on: stack.enter_context(jupyter_server("lab", folder / f"extension-{on}", env, extension=on))
            for on in (True, False)
        }
        for size, name in ((80_000, "stream"), (800_000, "large")):
            if name in parts:
                ours(
                    browser,
                    jupyter[True],
                    server,
                    f"extension, {size // 1000} KB",
                    size,
                    frames=name == "stream",
                )
                ours(
                    browser,
                    jupyter[False],
                    server,
                    f"widget alone, {size // 1000} KB",
                    size,
                    frames=name == "stream",
                )
        if "stream" in parts:
            rival(browser, jupyter[True], 80_000 if "--whole" in parts else 8_000)
        if "open" in parts:
            opening(browser, jupyter[True], rounds)
        if "start" in parts:
            starting(browser, jupyter, rounds)
        browser.close()


if __name__ == "__main__":
    named = [word for word in sys.argv[1:] if not word.startswith("-")] or [
        "stream",
        "large",
        "open",
        "start",
    ]
    main([*named, *(word for word in sys.argv[1:] if word.startswith("-"))])
