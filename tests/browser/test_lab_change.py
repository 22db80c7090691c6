"""*Change this cell…*: the new source is a diff in the cell, taken whole or by pieces, by keyboard; nothing is ever run."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from support.lab import Notebook, Server

from claude_jupyter.answer.model import cell_hash

pytestmark = pytest.mark.parametrize("frontend", ["lab"], indirect=True)

CELL = "window.jupyterapp.shell.currentWidget.content.widgets[0].model"
BEFORE = "top = 1\nmiddle = 2\nmore = 3\nend = 4\ntop + end"
AFTER = BEFORE.replace("1", "10").replace("4", "40")


def shoot(page: Page, name: str) -> None:
    """A picture to look at, where SHOTS names a folder."""
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def source(notebook: Notebook) -> str:
    return notebook.page.evaluate(f"() => {CELL}.sharedModel.getSource()")


def ask(notebook: Notebook, wish: str) -> Locator:
    """By keyboard alone: the shortcut, the wish, Enter."""
    notebook.page.evaluate(
        """() => {
            const { content } = window.jupyterapp.shell.currentWidget;
            content.activeCellIndex = 0;
            content.mode = 'command';
            content.activate();
        }"""
    )
    notebook.page.keyboard.press("Alt+Shift+K")
    bar = notebook.cell(0).locator(".cj-change")
    expect(bar.get_by_role("textbox", name="What should change in this cell")).to_be_focused()
    notebook.page.keyboard.type(wish)
    notebook.page.keyboard.press("Enter")
    return bar


def rows(server: Server) -> list[tuple[Any, ...]]:
    with sqlite3.connect(server.root.parent / "claude_jupyter" / "ledger.db") as ledger:
        return ledger.execute("select cell, chat, complete, output_tokens from calls").fetchall()


def test_the_whole_change_by_keyboard_and_one_undo(open_notebook, service):
    """In a notebook that never loaded us; the ledger's row has the cell's own hash, and the conversation knows nothing of it."""
    asked = service(f"```python\n{AFTER}\n```")
    notebook = open_notebook([BEFORE, "secret = 'not to be sent'"])
    page = notebook.page
    notebook.run(0)
    notebook.run(1)
    bar = ask(notebook, "ten times as much")
    expect(bar).to_contain_text("2 changes to review")
    expect(bar.locator(".cm-deletedChunk")).to_have_count(2)
    assert source(notebook) == BEFORE, "nothing is changed before it is taken"
    shoot(page, "change")
    page.keyboard.press("Control+Enter")
    expect(bar).to_have_count(0)
    assert source(notebook) == AFTER
    count = page.evaluate(f"() => [{CELL}.executionCount, {CELL}.outputs.length]")
    assert count == [1, 1], "the cell was not run"
    notebook.cell(0).locator(".cm-content").click()
    page.keyboard.press("Control+z")
    assert source(notebook) == BEFORE, "one undo"

    (request,) = [r for r in asked.requests if r.path.startswith("/v1/messages")]
    sent = str(request.body["messages"])
    assert "ten times as much" in sent and "more = 3" in sent and "secret" in sent
    assert "not to be sent" not in sent
    cell = page.evaluate(f"() => {CELL}.id")
    (row,) = [row for row in rows(notebook.server) if row[0] == cell_hash(cell)]
    assert row[2] == 1 and row[3] > 0
    assert notebook.watch.errors == []


def test_the_error_of_a_cell_that_failed_before_we_were_loaded_goes_along(open_notebook, service):
    asked = service("```python\nprint(1)\n```")
    notebook = open_notebook(["pritn(1)"])
    notebook.run(0)
    expect(ask(notebook, "fix the name")).to_contain_text("to review")
    assert "NameError: name 'pritn' is not defined" in str(asked.requests[-1].body["messages"])
    assert notebook.watch.errors == []


def test_pieces_are_taken_and_rejected_and_escape_rejects_all(open_notebook, service):
    service(f"```python\n{AFTER}\n```")
    notebook = open_notebook([BEFORE])
    page = notebook.page
    bar = ask(notebook, "ten times as much")
    expect(bar).to_contain_text("2 changes to review")
    page.keyboard.press("Escape")
    expect(bar).to_have_count(0)
    assert source(notebook) == BEFORE

    bar = ask(notebook, "ten times as much")
    expect(bar).to_contain_text("2 changes to review")
    page.keyboard.press("Alt+Enter")
    expect(bar).to_contain_text("1 change to review")
    page.keyboard.press("Alt+ArrowDown")
    page.keyboard.press("Alt+Backspace")
    expect(bar).to_contain_text("0 changes to review")
    page.keyboard.press("Control+Enter")
    assert source(notebook) == BEFORE.replace("1", "10")

    bar = ask(notebook, "and again")
    expect(bar.locator(".cm-chunkButtons").first).to_be_visible()
    bar.locator(".cm-chunkButtons").first.get_by_role("button", name="Accept").click()
    bar.get_by_role("button", name="Accept Ctrl").click()
    assert source(notebook) == AFTER
    assert notebook.watch.errors == []


def test_while_the_kernel_is_busy_it_waits_and_says_so(open_notebook, service, tmp_path):
    asked = service(f"```python\n{AFTER}\n```")
    gate = tmp_path / "gate"
    wait = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.1)"
    notebook = open_notebook([BEFORE, wait])
    notebook.start(1)
    bar = ask(notebook, "ten times as much")
    expect(bar).to_contain_text("Waiting until the kernel is free")
    shoot(notebook.page, "change-waits")
    assert list(asked.requests) == []
    gate.touch()
    expect(bar).to_contain_text("2 changes to review")
    bar.get_by_role("button", name="Reject Esc").click()
    expect(bar).to_have_count(0)
    assert source(notebook) == BEFORE


def test_what_goes_wrong_is_said_and_the_wish_stays(open_notebook, service):
    service(["I would rather not.", f"```python\n{AFTER}\n```"])
    notebook = open_notebook([BEFORE])
    bar = ask(notebook, "ten times as much")
    expect(bar.get_by_role("status")).to_contain_text("the answer contains no cell")
    line = bar.get_by_role("textbox", name="What should change in this cell")
    expect(line).to_have_value("ten times as much")
    line.press("Enter")
    expect(bar).to_contain_text("2 changes to review")
    notebook.page.evaluate(f"() => {CELL}.sharedModel.setSource('top = 5')")
    bar.get_by_role("button", name="Accept Ctrl").click()
    expect(bar).to_contain_text("The cell has been edited since")
    assert source(notebook) == "top = 5"
    bar.get_by_role("button", name="Accept Ctrl").click()
    assert source(notebook) == AFTER
