"""A notebook of 500 cells, half of them prompts with saved answers: a key typed costs the extension the same as in a small one."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest
from playwright.sync_api import CDPSession, expect
from support.lab import Notebook

from claude_jupyter.answer.model import Answer
from claude_jupyter.display.bundle import bundle

pytestmark = pytest.mark.parametrize("frontend", ["lab"], indirect=True)

CELLS = 500
ASK = "%%claude sales -m opus\nWhy does {region} dip in **March**? " + "A long line of prose. " * 20
KEYS = "and why does it dip in {month} then"


def notebook_of(cells: int) -> nbformat.NotebookNode:
    """Half prompts with answers, half code."""
    made = []
    for n in range(cells):
        cell = nbformat.v4.new_code_cell(ASK if n % 2 else f"x = {n}")
        if n % 2:
            answer = Answer(
                f"a{n}", model="claude-sonnet-5-5", blocks=({"type": "text", "text": f"Answer *{n}*."},)
            )
            cell.outputs = [nbformat.v4.new_output("display_data", bundle(answer)[0])]
        made.append(cell)
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=made, metadata={"kernelspec": spec})


def calls(session: CDPSession) -> int:
    """Calls of our functions since the last look."""
    scripts: list[dict[str, Any]] = session.send("Profiler.takePreciseCoverage")["result"]
    ours = [script for script in scripts if "/extensions/claude-jupyter/" in script["url"]]
    assert ours, "our scripts are on the page"
    return sum(r["ranges"][0]["count"] for script in ours for r in script["functions"])


def typed(notebook: Notebook, session: CDPSession, cell: int) -> tuple[float, float]:
    """Calls of our functions, and style recalculations, for each key typed into a cell."""
    editor = notebook.cell(cell).locator(".cm-content")
    editor.click()
    notebook.page.keyboard.type("x ")
    notebook.page.wait_for_timeout(500)
    calls(session)
    before = notebook.metrics()
    notebook.page.keyboard.type(KEYS)
    expect(editor).to_contain_text(KEYS)
    after = notebook.metrics()
    return calls(session) / len(KEYS), (after["RecalcStyleCount"] - before["RecalcStyleCount"]) / len(KEYS)


def test_typing_costs_the_same_in_a_notebook_of_500_cells(open_notebook, jupyter):
    server = jupyter("lab")
    figures: dict[int, list[tuple[float, float]]] = {}
    for cells in (4, CELLS):
        path = server.root / f"cells-{cells}.ipynb"
        nbformat.write(notebook_of(cells), path)
        notebook = open_notebook(path)
        expect(notebook.output(1).locator(".cj-Answer")).to_contain_text("Answer 1.")
        session = notebook.page.context.new_cdp_session(notebook.page)
        session.send("Profiler.enable")
        session.send("Profiler.startPreciseCoverage", {"callCount": True, "detailed": False})
        figures[cells] = [typed(notebook, session, cell) for cell in (0, 1)]
        session.detach()
        assert notebook.watch.errors == []
    # About 15 calls and 3 recalculations; looking at each cell once would be 500 calls.
    for cells, both in figures.items():
        for ours, styles in both:
            assert ours < 60, f"{ours} calls a key among {cells} cells: {figures}"
            assert styles < 12, f"{styles} style recalculations a key among {cells} cells: {figures}"
