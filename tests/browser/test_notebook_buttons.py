"""Every button and command, in Notebook 7 as in JupyterLab: they write visible cells, and nothing is asked but by who runs them."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect
from support.lab import TOKEN, Notebook, Server

from claude_jupyter.demo.script import Say, Script, Wait

LOAD = "%load_ext claude_jupyter"
CELLS = "() => window.jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.sharedModel.getSource())"
ACTIVE = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"
ACTIVATE = """index => {
    const { content } = window.jupyterapp.shell.currentWidget;
    content.activeCellIndex = index;
    content.mode = 'command';
    content.activate();
}"""
EXECUTE = "command => void window.jupyterapp.commands.execute(command)"


def cells(notebook: Notebook) -> list[str]:
    return notebook.page.evaluate(CELLS)


def test_toolbar_menu_and_shortcut_write_cells(open_notebook, service):
    asked = service("never")
    notebook = open_notebook(["1/0", "'hello'", "x = 1", "y = 2"])
    page = notebook.page
    for cell in range(4):
        notebook.run(cell)

    page.evaluate(ACTIVATE, 3)
    page.keyboard.press("Alt+Shift+Q")
    page.wait_for_function(f"() => ({CELLS})().length === 5")
    page.evaluate(ACTIVATE, 2)
    notebook.cell(2).locator(".jp-cell-toolbar").get_by_role("button", name="Ask Claude").click()
    page.evaluate(ACTIVATE, 1)
    notebook.cell(1).locator(".jp-InputPrompt").click(button="right")
    page.locator(".lm-Menu-item", has_text="Explain With Claude").click()
    page.evaluate(ACTIVATE, 0)
    notebook.cell(0).locator(".jp-cell-toolbar").get_by_role("button", name="Fix").click()

    written = cells(notebook)
    kinds = [re.sub(rf"(?s)^{LOAD}\n%.*", "ask", source) for source in written]
    assert kinds == ["1/0", "ask", "'hello'", "ask", "x = 1", "ask", "y = 2", "ask"]
    assert "%claude_fix --cell " in written[1] and "Explain" in written[3]
    saved = notebook.save()
    assert all(cell.execution_count is None for cell in saved.cells if cell.source.startswith("%"))
    assert list(asked.requests) == []
    assert notebook.watch.errors == []


def test_the_menu_is_about_the_cell_it_was_opened_on(open_notebook):
    notebook = open_notebook(["'hello'", "1/0", "x = 1"])
    page = notebook.page
    for cell in (0, 1, 2):
        notebook.run(cell)
    page.evaluate(ACTIVATE, 2)
    notebook.cell(0).locator(".cm-content").click(button="right")
    expect(page.locator(".lm-Menu-item", has_text="Fix With Claude")).to_be_hidden()
    page.keyboard.press("Escape")
    page.evaluate(ACTIVATE, 2)
    notebook.cell(1).locator(".cm-content").click(button="right")
    page.locator(".lm-Menu-item", has_text="Fix With Claude").click()
    page.wait_for_function(f"() => ({CELLS})().length === 4")
    assert cells(notebook)[1] == "1/0" and "%claude_fix --cell " in cells(notebook)[2]
    assert notebook.watch.errors == []


def put_settings(server: Server, raw: str) -> None:
    """As the settings editor saves them."""
    address = f"{server.url}/lab/api/settings/claude-jupyter:plugin?token={TOKEN}"
    body = json.dumps({"raw": raw}).encode()
    with urllib.request.urlopen(urllib.request.Request(address, body, method="PUT"), timeout=10):
        pass


@pytest.fixture
def runs_at_once(jupyter, frontend) -> Iterator[None]:
    """The setting that questions of buttons are run as well."""
    put_settings(jupyter(frontend), '{"run": true}')
    yield
    put_settings(jupyter(frontend), "{}")


@pytest.mark.parametrize("frontend", ["notebook7"], indirect=True)
def test_where_the_setting_says_so_the_question_is_run(open_notebook, service, runs_at_once):
    asked = service("Divide by something else.")
    notebook = open_notebook(["1/0"])
    notebook.run(0)
    notebook.cell(0).locator(".jp-cell-toolbar").get_by_role("button", name="Fix").click()
    expect(notebook.output(1).locator(".cj-Answer")).to_contain_text("Divide by something else.")
    assert cells(notebook)[1].startswith(LOAD)
    assert len([r for r in asked.requests if r.path.startswith("/v1/messages")]) == 1


@pytest.mark.parametrize("frontend", ["notebook7"], indirect=True)
def test_the_panel_in_notebook_7(open_notebook, service):
    service(
        [
            "The first answer.",
            "The second answer.",
            Script(pieces=(Say("Some words. "), Wait(60), Say("never"))),
        ]
    )
    notebook = open_notebook(
        [LOAD, "%%claude\nFirst?", "%%claude\nSecond?", "%%claude\nThird?", *["x = 1"] * 20]
    )
    page, panel = notebook.page, notebook.page.locator(".cj-Panel")
    for cell in range(3):
        notebook.run(cell)
    page.evaluate(EXECUTE, "claude-jupyter:open-panel")
    turns = panel.locator("button.cj-turn")
    others = panel.locator(".cj-other")
    expect(turns).to_have_count(2)
    expect(panel.locator(".cj-head")).to_contain_text("2 questions")
    expect(turns.first).to_contain_text("Second?")
    expect(others).to_have_count(0)

    page.evaluate(ACTIVATE, 20)
    turns.last.click()
    page.wait_for_function(f"() => ({ACTIVE})() === 1")
    expect(notebook.output(1)).to_be_in_viewport()

    def press(name: str) -> None:
        button = panel.get_by_role("button", name=name, exact=True).first
        button.scroll_into_view_if_needed()
        button.hover()
        button.click()

    press("Hide")
    expect(panel.locator(".cj-hidden")).to_have_count(1)
    press("Show")
    expect(panel.locator(".cj-hidden")).to_have_count(0)
    press("Undo")
    expect(panel.locator(".cj-hidden")).to_have_count(1)
    press("Undo")
    expect(panel.locator(".cj-hidden")).to_have_count(0)
    press("Undo")
    expect(turns).to_have_count(1)
    expect(others).to_contain_text("undone answers")
    press("New")
    expect(panel.locator(".cj-divider")).to_have_text("The next question starts over")
    press("New")
    expect(panel.locator(".cj-divider")).to_have_count(0)
    press("Fork")
    chat = panel.get_by_label("Chat shown")
    expect(chat).to_have_value("main-2")
    expect(panel.locator(".cj-chats")).to_contain_text("%%claude -c main-2")
    chat.select_option("main")
    expect(chat).to_have_value("main")
    expect(panel.locator(".cj-chats code")).to_have_text("%%claude")
    press("Export")
    expect(panel.get_by_role("status")).to_contain_text("Written to claude-main")
    exported = notebook.wait_for(lambda: [*notebook.server.root.glob("claude-main*.md")])
    notebook.wait_for(lambda: "The first answer." in exported[0].read_text())

    notebook.start(3)
    expect(notebook.output(3)).to_contain_text("Some words.")
    page.evaluate(EXECUTE, "claude-jupyter:stop")
    notebook.wait_until_done(3)
    expect(notebook.output(3).locator(".cj-Answer")).to_have_attribute("data-state", "stopped")
    assert not [e for e in notebook.watch.errors if "KeyboardInterrupt" not in e]
