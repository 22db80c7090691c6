"""The conversation follows the page: cells that are moved, deleted, brought back, copied, split and merged; quotes of documents."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from claude_jupyter.demo.replies import DemoReplies

pytestmark = pytest.mark.parametrize("frontend", ["lab"], indirect=True)

LOAD = "%load_ext claude_jupyter"
SOURCES = "() => window.jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.sharedModel.getSource())"
ACTIVATE = """index => {
  const { content } = window.jupyterapp.shell.currentWidget;
  content.deselectAll();
  content.activeCellIndex = index;
}"""
COMMAND = "id => window.jupyterapp.commands.execute(id).then(() => null)"
CURSOR = """at => {
  const { editor } = window.jupyterapp.shell.currentWidget.content.activeCell;
  editor.setCursorPosition(editor.getPositionAt(at));
}"""
LOG = "Shift report.\n\nThe pump failed at 14:02 on 3 March. It was replaced at 15:10.\nNobody was hurt.\n"


def questions(service: Any) -> list[str]:
    """What the newest request asks, oldest first."""
    messages = service.requests[-1].body["messages"]
    return [m["content"][-1]["text"].strip() for m in messages if m["role"] == "user"]


def test_the_history_of_a_question_is_that_of_the_cells_above_it(open_notebook, service):
    asked = service("Fine.")
    notebook = open_notebook([LOAD, "%%claude\none", "%%claude\ntwo", "%%claude\nthree"])
    page = notebook.page

    def command(index: int, *names: str) -> None:
        page.evaluate(ACTIVATE, index)
        for name in names:
            page.evaluate(COMMAND, f"notebook:{name}")

    for cell in range(4):
        notebook.run(cell)
    assert questions(asked) == ["one", "two", "three"]
    command(3, "move-cell-up", "move-cell-up")  # three, one, two
    notebook.run(2)
    assert questions(asked) == ["three", "one"]
    page.wait_for_timeout(700)  # the document takes what comes within half a second for one step of undo
    command(1, "delete-cell")  # one, two
    notebook.run(2)
    assert questions(asked) == ["one", "two"]
    command(1, "undo-cell-action")
    page.wait_for_function("() => window.jupyterapp.shell.currentWidget.content.widgets.length >= 4")
    notebook.run(3)
    assert questions(asked) == ["three", "one", "two"]
    command(1, "copy-cell", "paste-cell-below")  # three, its copy, one, two
    notebook.run(2)
    assert questions(asked) == ["three", "three"]
    assert notebook.watch.errors == []


def test_what_merged_cells_asked_is_sent_until_their_cell_asks_itself(open_notebook, service):
    asked = service("Fine.")
    notebook = open_notebook([LOAD, "%%claude\none", "%%claude\ntwo", "%%claude\nthree"])
    page = notebook.page
    for cell in range(4):
        notebook.run(cell)
    page.evaluate(ACTIVATE, 2)
    page.evaluate(COMMAND, "notebook:merge-cell-above")
    assert page.evaluate(SOURCES)[1:] == ["%%claude\none\n\ntwo", "%%claude\nthree"]
    notebook.run(2)
    assert questions(asked) == ["one", "two", "three"]
    notebook.run(1)
    assert questions(asked) == ["one\n\ntwo"]
    notebook.run(2)
    assert questions(asked) == ["one\n\ntwo", "three"]
    assert notebook.watch.errors == []


def test_prompts_stay_prompts_when_they_are_split_and_merged(open_notebook, service):
    service("never")
    notebook = open_notebook([LOAD, "%%claude sales\nFirst part.\n\nSecond part."])
    page = notebook.page
    notebook.cell(1).locator(".cj-prompt").wait_for()
    page.evaluate(ACTIVATE, 1)
    page.evaluate(CURSOR, len("%%claude sales\nFirst part.\n"))
    page.evaluate(COMMAND, "notebook:split-cell-at-cursor")
    assert page.evaluate(SOURCES)[1:] == ["%%claude sales\nFirst part.", "%%claude sales\nSecond part."]
    expect(notebook.cell(2).locator(".cj-prompt")).to_have_count(1)
    page.evaluate(ACTIVATE, 2)
    page.evaluate(COMMAND, "notebook:merge-cell-above")
    assert page.evaluate(SOURCES)[1:] == ["%%claude sales\nFirst part.\n\nSecond part."]


def test_a_quote_of_a_document_is_folded_below_the_paragraph_that_cites_it(open_notebook, service, tmp_path):
    asked = service(DemoReplies())
    (tmp_path / "log.txt").write_text(LOG)
    notebook = open_notebook([LOAD, f'%%claude -f "{tmp_path}/log.txt"\nWhen did the pump fail?'])
    notebook.run(0)
    notebook.run(1)
    (document,) = [b for b in asked.requests[-1].body["messages"][0]["content"] if b["type"] == "document"]
    assert document["citations"] == {"enabled": True} and document["source"]["data"] == LOG
    quote = notebook.output(1).locator("details.cj-quote")
    expect(quote.locator("summary")).to_have_text("log.txt, characters 16–51")
    expect(quote.locator("blockquote")).to_be_hidden()
    quote.locator("summary").click()
    expect(quote.locator("blockquote")).to_have_text("The pump failed at 14:02 on 3 March.")
    saved = notebook.save()
    assert "> “The pump failed at 14:02 on 3 March.” — *log.txt*, characters 16–51" in str(
        saved.cells[1].outputs[0].data
    )
    assert notebook.watch.errors == []
