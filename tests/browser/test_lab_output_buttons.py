"""Fix and Explain stand on the outputs themselves, by pointer and by keyboard; they write a visible cell and ask nothing."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

CELLS = "() => window.jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.sharedModel.getSource())"
ACTIVATE = "index => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = index; }"
PICTURE = """import io
from IPython.display import Image, display
from PIL import Image as Picture
Picture.new("RGB", (80, 40), "teal").save(drawn := io.BytesIO(), "PNG")
display(Image(drawn.getvalue()))"""
LOAD = "%load_ext claude_jupyter"


def test_each_output_has_the_button_that_fits(open_notebook, service):
    asked = service("never")
    notebook = open_notebook([LOAD, "1/0", PICTURE, "print('words')", "[1, 2, 3]"])
    for cell in range(5):
        notebook.run(cell)
    page = notebook.page

    def button(cell: int, name: str):
        notebook.output(cell).locator(".jp-OutputArea-child").first.hover()
        found = notebook.output(cell).get_by_role("button", name=name)
        expect(found).to_have_css("opacity", "1")
        return found

    button(4, "Explain this output").click()
    button(3, "Explain this output").click()
    button(2, "Explain this output").click()
    button(1, "Fix this error").click()
    sources = page.evaluate(CELLS)
    said = {
        "1/0": r"%claude_fix --cell [\w-]+",
        PICTURE: r"%%claude --cell [\w-]+:1\nExplain this picture\.",
        "print('words')": r"%%claude --cell [\w-]+:1\nExplain this output\.",
        "[1, 2, 3]": r"%%claude --cell [\w-]+:1\nExplain this output\.",
    }
    for source, written in said.items():
        assert re.fullmatch(written, sources[sources.index(source) + 1])
    assert sources.count(LOAD) == 1
    assert list(asked.requests) == []
    assert notebook.watch.errors == []


@pytest.mark.parametrize("frontend", ["lab"], indirect=True)
def test_the_keyboard_reaches_it_and_an_empty_cell_is_filled(open_notebook, service):
    service("never")
    notebook = open_notebook(["1/0", "", "2"])
    notebook.run(0)
    page = notebook.page
    page.evaluate(ACTIVATE, 2)
    page.evaluate(ACTIVATE, 0)
    fix = notebook.output(0).get_by_role("button", name="Fix this error")
    fix.focus()
    expect(fix).to_have_css("opacity", "1")
    page.keyboard.press("Enter")
    sources = page.evaluate(CELLS)
    assert sources[1].startswith(f"{LOAD}\n%claude_fix --cell "), "the empty cell is filled"
    assert sources[2] == "2"


@pytest.mark.parametrize("frontend", ["lab"], indirect=True)
def test_answers_and_tables_of_ours_have_no_such_button(open_notebook, service):
    service("An answer.")
    notebook = open_notebook([LOAD, "%%claude\nHello", "%claude_cost", "claude.models"])
    for cell in range(4):
        notebook.run(cell)
    for cell in (1, 2, 3):
        notebook.output(cell).locator(".jp-OutputArea-child").first.hover()
        expect(notebook.output(cell).locator(".cj-about")).to_have_count(0)
