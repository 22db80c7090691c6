"""Published payloads in a saved answer, exported by nbconvert and opened in Chromium: nothing runs, and no other host is asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
from hostile import HOSTILE, Dialogs, foreign, payloads
from playwright.sync_api import BrowserContext, expect

from claude_jupyter.answer.model import Answer, Attachment, Block
from claude_jupyter.display.bundle import bundle


def answer(bad: str) -> Answer:
    """An answer that holds a payload in each of its parts."""
    blocks: list[Block] = [
        {"type": "text", "text": bad},
        {"type": "thinking", "text": bad, "seconds": 1.0},
        {
            "type": "tool",
            "name": bad,
            "kind": "python",
            "input": {bad: bad},
            "result": bad,
            "error": None,
            "seconds": 1,
        },
        {"type": "citation", "n": 1, "title": bad, "url": bad, "cited": bad},
        {"type": "citation", "n": 2, "title": "x", "url": "https://example.org/" + bad, "cited": bad},
        {"type": "notice", "level": "warning", "text": bad},
        {"type": "text", "text": f"{bad}\n\n{bad} "},
    ]
    attached = (Attachment(bad, "image", (), bad, 1, (1, 1), bad),)
    return Answer("a", model=bad, chat=bad, blocks=tuple(blocks), attachments=attached, complete=False)


def exported(path: Path, outputs: list[dict[str, Any]]) -> Path:
    """What `jupyter nbconvert --to html` makes of a notebook with these outputs."""
    notebook = nbformat.v4.new_notebook()
    for data in outputs:
        cell = nbformat.v4.new_code_cell("%%claude\nquestion")
        cell.outputs = [nbformat.v4.new_output("display_data", data)]
        notebook.cells.append(cell)
    nbformat.write(notebook, path)
    command = [sys.executable, "-m", "nbconvert", "--to", "html", str(path)]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return path.with_suffix(".html")


def test_no_payload_runs_or_fetches_in_an_exported_notebook(context: BrowserContext, tmp_path: Path):
    asked = foreign(context, "")
    page = context.new_page()
    dialogs = Dialogs(page)

    def show(name: str, outputs: list[dict[str, Any]]) -> set[str]:
        asked.clear()
        end: dict[str, Any] = {"text/markdown": "The end."}
        page.goto(exported(tmp_path / f"{name}.ipynb", [*outputs, end]).as_uri())
        expect(page.locator("body")).to_contain_text("The end.")
        page.wait_for_timeout(500)
        page.keyboard.press("Tab")  # some payloads wait for the focus
        page.mouse.wheel(0, 5000)
        page.wait_for_timeout(300)
        return set(asked)

    usual = show("bare", [])  # nbconvert's own: MathJax, require.js
    assert show("answers", [bundle(answer(bad))[0] for bad in [*HOSTILE, *payloads()]]) <= usual
    assert dialogs == []
    assert page.title() == "answers"
    # The same, had it not been made harmless: this test would see it.
    assert show("as-they-are", [{"text/markdown": bad} for bad in HOSTILE]) > usual
    assert page.title() == "ran"
