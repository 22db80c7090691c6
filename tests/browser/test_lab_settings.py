"""Settings are changed in JupyterLab's settings editor and hold in kernels; models are chosen by name and price; menus and shortcuts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.parametrize("frontend", ["lab"], indirect=True)

LOAD = "%load_ext claude_jupyter"
SOURCES = "() => window.jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.sharedModel.getSource())"
BACK = """() => {
    const { shell } = window.jupyterapp;
    shell.activateById([...shell.widgets('main')].find(widget => widget.content?.model?.cells).id);
}"""
KEYRING = """import sys, types
kept = {}
sys.modules["keyring"] = types.SimpleNamespace(
    set_password=lambda service, user, key: kept.update({service: key}),
    get_password=lambda service, user: kept.get(service),
    delete_password=lambda service, user: kept.pop(service, None))"""


def shoot(page: Page, name: str) -> None:
    """A picture to look at, where SHOTS names a folder."""
    if folder := os.environ.get("SHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def body(service: Any) -> dict[str, Any]:
    return [r for r in service.requests if r.path == "/v1/messages"][-1].body


@pytest.fixture
def settings_file(jupyter):
    path = jupyter("lab").root.parent / "settings" / "claude-jupyter" / "plugin.jupyterlab-settings"
    yield path
    path.unlink(missing_ok=True)


def test_settings_hold_in_the_kernel_and_the_key_goes_to_the_keyring(open_notebook, service, settings_file):
    asked = service("Yes.")
    notebook = open_notebook(
        [
            f"{KEYRING}\n{LOAD}",
            "%%claude\nOne?",
            "%config ClaudeMagics.max_tokens = 1234\nconfirm = %config ClaudeMagics.confirm_above\nkept, confirm",
            "%%claude\nTwo?",
        ]
    )
    page = notebook.page
    notebook.run(0)
    expect(
        page.locator("#jp-main-statusbar .cj-status-item")
    ).to_be_visible()  # the page knows that the kernel has us
    page.evaluate("() => window.jupyterapp.commands.execute('settingeditor:open', { query: 'Claude' })")
    model = page.locator("input[id$=_model]")
    expect(model).to_be_visible()
    shoot(page, "settings")
    model.fill("haiku")
    page.locator("input[id$=_max_steps]").fill("7")
    page.locator("input[id$=plugin_budget]").fill("2.5")
    confirm = page.locator("select[id*=_confirm_above_]")
    expect(page.locator("input[id$=_confirm_above]")).to_have_value("1")
    confirm.select_option(label="never")
    expect(page.locator("input[id$=_confirm_above]")).to_have_count(0)
    shoot(page, "settings-never")
    field = page.get_by_label("API key", exact=True)
    expect(field).to_have_attribute("type", "password")
    field.fill("sk-ant-secret-of-the-test")
    page.get_by_role("button", name="Save in keyring").click()
    expect(page.locator(".cj-key-field .cj-said")).to_contain_text("saved in the system's keyring")
    shoot(page, "settings-key")
    notebook.wait_for(
        lambda: settings_file.exists() and '"confirm_above": null' in settings_file.read_text(),
        "the settings were not saved",
    )
    assert "2.5" in settings_file.read_text()
    assert "secret" not in settings_file.read_text()
    page.wait_for_timeout(1000)  # the page takes over what was saved a moment after the file is written
    page.evaluate(BACK)
    page.wait_for_function("() => window.jupyterapp.shell.currentWidget?.content?.widgets?.length === 4")
    notebook.run(1)
    expect(notebook.output(1).locator(".cj-Answer")).to_contain_text("Yes.")
    assert body(asked)["model"].startswith("claude-haiku")
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("({'claude-jupyter': 'sk-ant-secret-of-the-test'}, None)")
    notebook.run(3)
    assert body(asked)["max_tokens"] == 1234, "what is said in the notebook goes before the settings"
    assert notebook.watch.errors == []


def test_the_model_is_chosen_by_its_price(open_notebook, service):
    asked = service("Yes.")
    notebook = open_notebook([LOAD, "%%claude\nOne?", "%%claude\nTwo?", "x = 1"])
    page = notebook.page
    notebook.run(0)
    page.evaluate("() => window.jupyterapp.commands.execute('claude-jupyter:open-panel')")
    choice = page.locator(".cj-Panel").get_by_label("Model for the next questions")
    expect(choice).to_contain_text("haiku-5.5 · $0.10 in, $0.50 out")
    choice.select_option(label="haiku-5.5 · $0.10 in, $0.50 out")
    notebook.run(1)
    assert body(asked)["model"] == "claude-haiku-5-5"
    shoot(page, "panel-model")
    page.evaluate("() => { void window.jupyterapp.commands.execute('claude-jupyter:model'); }")
    dialog = page.get_by_role("dialog")
    dialog.locator("select").select_option(label="opus-5.5 · $4 in, $20 out")
    shoot(page, "choose-model")
    dialog.get_by_role("button", name="Ok").click()
    expect(choice).to_have_value("claude-opus-5-5")
    notebook.run(2)
    assert body(asked)["model"] == "claude-opus-5-5"
    assert notebook.watch.errors == []


def test_menus_and_shortcuts(open_notebook, service):
    service("Yes.")
    plots = (
        "import matplotlib.pyplot as plt\nplt.bar([1, 2], [3, 1]); plt.show()\nplt.plot([1, 2]); plt.show()"
    )
    notebook = open_notebook([plots, "1 / 0", "x = 1"])
    page = notebook.page
    notebook.run(0)
    notebook.run(1)
    page.get_by_role("menuitem", name="Claude", exact=True).click()
    menu = page.locator(".lm-Menu")
    for label in (
        "Ask Claude About This Cell",
        "Change This Cell…",
        "Fix With Claude",
        "Explain With Claude",
        "Choose Model…",
        "Show Transcript and Costs",
    ):
        expect(menu.get_by_text(label, exact=True)).to_be_visible()
    shoot(page, "main-menu")
    page.keyboard.press("Escape")

    second = notebook.output(0).locator(".jp-OutputArea-child").nth(1)
    second.click(button="right")
    entry = page.locator(".lm-Menu-item", has_text="Explain With Claude")
    expect(entry.locator(".lm-Menu-itemShortcut")).to_have_text("Alt+Shift+E")
    shoot(page, "context-menu")
    page.locator(".lm-Menu").get_by_text("Explain With Claude", exact=True).click()
    page.wait_for_function(f"() => ({SOURCES})().some(text => text.includes(':2 Explain this picture.'))")

    def press(cell: int, keys: str) -> None:
        page.evaluate(
            """index => {
                const { content } = window.jupyterapp.shell.currentWidget;
                content.activeCellIndex = index;
                content.mode = 'command';
                content.activate();
            }""",
            cell,
        )
        page.keyboard.press(keys)

    press(2, "Alt+Shift+X")
    page.wait_for_function(f"() => ({SOURCES})().some(text => text.includes('%claude_fix --cell'))")
    count = len(page.evaluate(SOURCES))
    press(count - 1, "Alt+Shift+Q")
    page.wait_for_function(f"() => ({SOURCES})().length === {count + 1}")
    press(count - 1, "Alt+Shift+X")  # nothing failed there
    page.wait_for_timeout(300)
    assert len(page.evaluate(SOURCES)) == count + 1
    assert notebook.watch.errors == []
