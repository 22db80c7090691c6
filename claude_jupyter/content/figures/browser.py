"""Draws what only a browser can draw (Plotly, Bokeh), with the installed Chrome or Chromium. No page of the network."""

from __future__ import annotations

import asyncio
import base64
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from claude_jupyter.content.guard import all_reasons, guarded
from claude_jupyter.errors import AttachmentError, ClaudeError, MissingExtraError

SECONDS: Final = 60.0

_READY: Final = """(async () => {
  const box = () => {
    const root = document.querySelector("[data-root-id]");
    return (root.firstElementChild ?? root).getBoundingClientRect();
  };
  const idle = () => {
    const views = Object.values(Bokeh.index);
    return views.length > 0 && views.every((view) => view.model.document.is_idle);
  };
  for (let i = 0; i < 500 && !idle(); i++) await new Promise((done) => setTimeout(done, 20));
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const { x, y, width, height } = box();
  return JSON.stringify({ x, y, width, height });
})()"""


def run(function: Callable[[], bytes], label: str, what: str) -> bytes:
    """What `function` draws with a browser; it may be interrupted, and is given up after a minute.

    Raises
    ------
    MissingExtraError
        If there is no browser.
    AttachmentError
        If it fails.
    """

    def drawn() -> bytes:
        try:
            return function()
        except Exception as error:
            raise _clear(error, label, what) from None

    outcome = guarded(drawn, SECONDS)
    if outcome.value is None:
        raise AttachmentError(f"{label} could not be drawn: its browser {outcome.failure}.")
    return outcome.value


def _clear(error: Exception, label: str, what: str) -> ClaudeError:
    chain: BaseException | None = error
    while chain is not None:
        if type(chain).__name__ == "ChromeNotFoundError" or "requires Google Chrome" in str(chain):
            return MissingExtraError(
                f"{label} is {what}, which needs Chrome or Chromium to be drawn, and none was found: install one "
                "(`choreo_get_chrome` gets one), or name it in BROWSER_PATH."
            )
        chain = chain.__cause__ or chain.__context__
    return AttachmentError(f"{label} could not be drawn: {all_reasons(error)}")


def screenshot(page: str) -> bytes:
    """A PNG of the Bokeh root in an HTML page that needs nothing else; not to be called where an event loop runs."""
    with tempfile.TemporaryDirectory(prefix="claude-jupyter-") as folder:
        path = Path(folder, "figure.html")
        path.write_text(page, encoding="utf-8")
        return asyncio.run(_screenshot(path.as_uri()))


async def _screenshot(url: str) -> bytes:
    from choreographer import Browser

    async with Browser(headless=True) as chrome:
        tab = await chrome.create_tab("")
        await tab.send_command("Page.enable")
        loaded = tab.subscribe_once("Page.loadEventFired")
        await tab.send_command("Page.navigate", {"url": url})
        await loaded
        answer = await tab.send_command(
            "Runtime.evaluate", {"expression": _READY, "awaitPromise": True, "returnByValue": True}
        )
        box: dict[str, Any] = json.loads(answer["result"]["result"]["value"])
        shot = await tab.send_command(
            "Page.captureScreenshot",
            {"format": "png", "captureBeyondViewport": True, "clip": {**box, "scale": 1}},
        )
    return base64.b64decode(shot["result"]["data"])
