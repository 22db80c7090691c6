"""What a new user meets in the first hour, in JupyterLab and in Notebook 7: price and panel, cells that run anywhere, map, types."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from claude_jupyter.demo.script import Say, Script, Wait

LOAD = "%load_ext claude_jupyter"
SOURCES = "() => window.jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.sharedModel.getSource())"


def shoot(page: Page, name: str) -> None:
    """A picture to look at, where SHOTS names a folder."""
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def sources(page: Page) -> Sequence[str]:
    return page.evaluate(SOURCES)


def test_price_and_panel_are_found(open_notebook, service, frontend):
    """By the menu, and by the price that is always in sight."""
    service("Yes.")
    notebook = open_notebook([LOAD, "%%claude\nOne?"])
    page = notebook.page
    notebook.run(0)
    notebook.run(1)
    place = ".jp-NotebookPanel-toolbar" if frontend == "notebook7" else "#jp-main-statusbar"
    price = page.locator(f"{place} .cj-status-item")
    expect(price).to_contain_text("Claude $0.000")
    shoot(page, f"price-{frontend}")
    price.click()
    panel = page.locator(".cj-Panel")
    expect(panel).to_be_visible()
    expect(panel).to_contain_text("One?")
    shoot(page, f"panel-{frontend}")
    page.get_by_role("menuitem", name="Claude", exact=True).click()
    expect(page.locator(".lm-Menu").get_by_text("Ask Claude About This Cell")).to_be_visible()
    shoot(page, f"menu-{frontend}")
    page.keyboard.press("Escape")
    assert notebook.watch.errors == []


def test_a_cell_of_ask_is_one_that_any_kernel_can_run(open_notebook, service):
    """Written where nobody had loaded the extension: magic and question on one line, which is no syntax error anywhere."""
    asked = service("It is 42.")
    notebook = open_notebook(["x = 6 * 7\nx"])
    page = notebook.page
    notebook.run(0)
    page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 0; }")
    page.evaluate("() => void window.jupyterapp.commands.execute('claude-jupyter:ask')")
    page.wait_for_function(f"() => ({SOURCES})().length === 2")
    notebook.cell(1).locator(".cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.type("What is it?\nAnd don't ask why.")
    notebook.run(1)
    expect(notebook.output(1).locator(".cj-Answer")).to_contain_text("It is 42.")
    assert "And don't ask why." in str(asked.requests[-1].body["messages"])
    saved = notebook.save()
    assert saved.cells[1].source.startswith(f"{LOAD}\n%claude --cell ")

    notebook.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )
    notebook.wait_for_kernel()
    notebook.run(1)  # the page still hands over the cell that it points at
    expect(notebook.output(1).locator(".cj-Answer")).to_contain_text("It is 42.")
    assert "x = 6 * 7" in str(asked.requests[-1].body["messages"])


def test_map_tells_how_far_it_is_and_typed_answers_are_values(open_notebook, service):
    def reply(body: dict[str, Any]) -> Any:
        if "format" in str(body.get("output_config")):
            pieces = ['{"value": [{"name": "Ann", "score": 4}', ', {"name": "Bo", "score": 1}', "]}"]
            return Script(pieces=(Say(pieces[0]), Wait(3), Say(pieces[1]), Wait(1), Say(pieces[2])))
        return "good"

    service(reply, first=0.05)
    types = "from typing import TypedDict\nclass Row(TypedDict):\n    name: str\n    score: int"
    notebook = open_notebook(
        [
            f"{LOAD}\n{types}",
            "texts = [f'review {i}' for i in range(40)]\nout = claude.map(texts, 'Good or bad?')",
            "%%claude -r list[Row]\nWho?",
        ]
    )
    page = notebook.page
    notebook.run(0)
    notebook.start(1)
    expect(notebook.output(1).locator("progress")).to_be_visible()
    shoot(page, f"map-{page.viewport_size['width']}")
    notebook.wait_until_done(1)
    expect(notebook.output(1)).to_contain_text("40 rows in ")
    expect(notebook.output(1).locator("progress")).to_have_count(0)
    assert notebook.output(1).locator("[data-mime-type*=stderr]").count() == 0
    shoot(page, "map-done")
    notebook.start(2)
    table = notebook.output(2).locator(".cj-Answer table")
    expect(table).to_contain_text("Ann")
    assert notebook.is_running(2), "while it arrives"
    expect(notebook.output(2)).not_to_contain_text('{"')
    notebook.wait_until_done(2)
    expect(table).to_contain_text("Bo")
    expect(notebook.output(2)).not_to_contain_text('{"')
    shoot(page, "typed")
    assert notebook.watch.errors == []
