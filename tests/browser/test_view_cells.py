"""Prompt cells are edited as prose, and stay so."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

KINDS = "() => window.jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.mimeType)"
SOURCES = KINDS.replace("mimeType", "sharedModel.getSource()")
PROMPT, CODE = "text/x-claude-prompt", "text/x-ipython"
ASK = "%%claude sales -m opus\nWhy does {region} dip in **March**? " + "A long line of prose. " * 20


def _wait_for_kinds(notebook, *kinds: str) -> None:
    notebook.page.wait_for_function(
        f"kinds => JSON.stringify(({KINDS})()) === JSON.stringify(kinds)", arg=list(kinds)
    )


def test_a_prompt_is_prose_and_stays_prose(open_notebook):
    notebook = open_notebook(["x = 1", ASK])
    _wait_for_kinds(notebook, CODE, PROMPT)
    editor = notebook.cell(1).locator(".cm-content")
    assert editor.get_attribute("spellcheck") == "true"
    assert editor.locator(".cj-magic").inner_text() == "%%claude"
    assert editor.locator(".cj-value").inner_text() == "{region}"
    assert editor.bounding_box()["height"] > 60, "wrapped"
    assert notebook.watch.errors == []  # a restart has JupyterLab complain of its own requests
    notebook.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )
    notebook.wait_for_kernel()
    notebook.page.wait_for_timeout(500)
    _wait_for_kinds(notebook, CODE, PROMPT)
    notebook.page.evaluate(
        "() => { const [a, b] = window.jupyterapp.shell.currentWidget.content.widgets;"
        " a.model.sharedModel.setSource('%%claude\\nhello'); b.model.sharedModel.setSource('y = 2'); }"
    )
    _wait_for_kinds(notebook, PROMPT, CODE)
    notebook.save()
    notebook.open()
    _wait_for_kinds(notebook, PROMPT, CODE)


@pytest.mark.parametrize("frontend", ["lab"], indirect=True)
def test_a_notebook_of_500_cells_is_typed_in(open_notebook):
    notebook = open_notebook([ASK if n % 2 else "x = 1" for n in range(500)])
    editor = notebook.cell(1).locator(".cm-content")
    editor.click()
    notebook.page.keyboard.type("and why does it dip")
    expect(editor).to_contain_text("and why does it dip")
    expect(editor).to_have_class(re.compile("cj-prompt"))
    assert notebook.watch.errors == []


@pytest.mark.parametrize("frontend", ["lab"], indirect=True)
def test_prose_is_not_completed_but_what_stands_in_braces_is(open_notebook):
    notebook = open_notebook(
        ["%load_ext claude_jupyter\nregion = 'North'", "%%claude\n**March** fell, and **May** too "]
    )
    notebook.run(0)
    page, shown = notebook.page, notebook.page.locator(".jp-Completer-item")
    notebook.cell(1).locator(".cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.press("Tab")
    page.wait_for_timeout(1000)
    expect(shown).to_have_count(0)
    page.keyboard.type("{reg")
    page.keyboard.press("Tab")
    expect(shown).to_contain_text(["region"])
    expect(shown).to_have_count(1)
    page.keyboard.press("Enter")
    page.wait_for_function(f"() => ({SOURCES})()[1].endsWith('too {{region')")


@pytest.mark.parametrize("frontend", ["lab"], indirect=True)
def test_cells_are_split_merged_and_changed_without_a_complaint(open_notebook):
    notebook = open_notebook(["print(1)", ASK, "y = 2"])
    page = notebook.page
    notebook.run(0)
    notebook.cell(1).locator(".jp-InputPrompt").click()
    for key in ("Shift+ArrowUp", "Shift+m", "m", "y", "c", "v", "z", "z"):
        page.keyboard.press(key)
        page.wait_for_timeout(700)  # what comes within half a second is undone together
    page.wait_for_function(f"() => ({SOURCES})().length === 2")
    page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.widgets[0].model.sharedModel.setSource('%%claude\\nAsk')"
    )
    _wait_for_kinds(notebook, PROMPT, CODE)
    expect(
        notebook.cell(0).locator(".jp-cell-toolbar").get_by_role("button", name="Ask Claude")
    ).to_have_count(0)
    assert notebook.watch.errors == []
