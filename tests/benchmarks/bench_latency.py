"""In the browser: first byte to first paint, last token to last paint at 80 KB, and how soon Stop takes effect."""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright
from support.figures import figure, median, title
from support.kernel_fixtures import environment
from support.lab import Frontend, Notebook, Server, chromium, jupyter_server
from support.raw_server import End, Play, RawServer, raw_server, text_events

WATCH = """([index, needle]) => {
    const cell = document.querySelectorAll('.jp-Notebook .jp-Cell')[index];
    window.seen = null;
    const look = () => {
        if (window.seen === null && cell.textContent.includes(needle)) {
            observer.disconnect();
            // The frame is on the screen when the task after its animation frame runs.
            requestAnimationFrame(() => { const c = new MessageChannel();
                c.port1.onmessage = () => { window.seen = performance.timeOrigin + performance.now(); };
                c.port2.postMessage(0); });
        }
    };
    const observer = new MutationObserver(look);
    observer.observe(cell, { subtree: true, childList: true, characterData: true });
    look();
}"""
CLICK = (
    """element => { const at = performance.timeOrigin + performance.now(); element.click(); return at; }"""
)
PARAGRAPH = "Some prose with *emphasis* and `code`, as answers have it. " * 6 + "\n\n"
CELLS = ["%load_ext claude_jupyter", "%%claude --once\nWrite."]
OFFSET = time.time() - time.monotonic()
"""Epoch seconds of the monotonic clock's zero: the browser's clock is the epoch."""


def milliseconds(epoch_ms: float, monotonic: float) -> float:
    """How long after a moment of our clock something was on the page."""
    return epoch_ms - (monotonic + OFFSET) * 1000


def seen(notebook: Notebook, timeout: float = 120) -> float:
    notebook.page.wait_for_function("() => window.seen !== null", timeout=timeout * 1000)
    return float(notebook.page.evaluate("() => window.seen"))


def first_paint(notebook: Notebook, server: RawServer, needle: str) -> float:
    events = text_events(f"{needle} and then nothing much.", size=16)
    server.reset(Play([b"".join(events[:4]), 1.0, b"".join(events[4:])]))
    notebook.page.evaluate(WATCH, [1, needle])
    notebook.start(1)
    at = seen(notebook)
    notebook.wait_until_done(1)
    return milliseconds(at, server.first_byte)


def last_paint(notebook: Notebook, server: RawServer, needle: str, size: int) -> float:
    text = (PARAGRAPH * (size // len(PARAGRAPH) + 1))[: size // 16 * 16] + needle.rjust(16)
    events = text_events(text, size=16)
    head, tail = events[:-4], b"".join(events[-4:])  # the tail: the last delta and what closes the message
    step = max(1, len(head) // 1000)
    pieces = [b"".join(head[i : i + step]) for i in range(0, len(head), step)]
    server.reset(Play([*(part for piece in pieces for part in (piece, 0.01)), tail]))
    notebook.page.evaluate(WATCH, [1, needle])
    notebook.start(1)
    at = seen(notebook)
    notebook.wait_until_done(1)
    return milliseconds(at, server.last_byte)


def stop(notebook: Notebook, server: RawServer) -> tuple[float, float]:
    """Click to connection closed, and click to cell ended; nothing arrives meanwhile."""
    events = text_events("Some words, then silence.")
    server.reset(Play([b"".join(events[:8]), End.HANG]))
    notebook.start(1)
    button = notebook.output(1).get_by_role("button", name=re.compile("stop", re.IGNORECASE))
    button.wait_for()
    time.sleep(1.0)
    clicked = float(button.evaluate(CLICK))
    notebook.page.wait_for_function("() => window.testRuns[1].done")
    ended = float(notebook.page.evaluate("() => performance.timeOrigin + performance.now()"))
    while not server.disconnects:
        time.sleep(0.01)
    return -milliseconds(clicked, server.disconnects[0]), ended - clicked


def measure(browser: Browser, jupyter: Server, server: RawServer, rounds: int) -> None:
    page = browser.new_page()
    notebook = Notebook(page, jupyter, jupyter.write("bench.ipynb", CELLS)).open()
    notebook.run(0)
    server.reset(Play(text_events("Warm.")))
    notebook.run(1)
    firsts = [first_paint(notebook, server, f"FIRST{i}") for i in range(rounds)]
    busy = notebook.metrics()["TaskDuration"]
    lasts = [last_paint(notebook, server, f"LAST{i}", 80_000) for i in range(max(1, rounds // 2))]
    busy = (notebook.metrics()["TaskDuration"] - busy) / len(lasts)
    stops = [stop(notebook, server) for _ in range(rounds)]
    figure(f"first SSE byte -> first paint, median of {rounds}", median(firsts), "ms", limit=150)
    figure("first SSE byte -> first paint, worst", max(firsts), "ms")
    figure("last token -> last paint at 80 KB, median", median(lasts), "ms", limit=200)
    figure("main thread busy for 80 KB", busy, "s")
    figure(
        "Stop -> connection closed, nothing arriving, median", median([s for s, _ in stops]), "ms", limit=200
    )
    figure("Stop -> cell ended, nothing arriving, median", median([e for _, e in stops]), "ms", limit=200)
    page.close()


def main(frontends: Sequence[Frontend], rounds: int = 5) -> None:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(raw_server())
        playwright = stack.enter_context(sync_playwright())
        browser = chromium(playwright)
        for frontend in frontends:
            for extension in (True, False):
                place = folder / f"{frontend}-{extension}"
                env = environment(server.url)
                title(f"{frontend}, {'with the extension' if extension else 'the widget alone'}")
                with jupyter_server(frontend, place, env, extension=extension) as jupyter:
                    measure(browser, jupyter, server, rounds)
        browser.close()


if __name__ == "__main__":
    main([name for name in ("lab", "notebook7") if name in sys.argv[1:]] or ["lab", "notebook7"])
