"""Who cannot see, or not well, can use it: axe-core finds nothing in an answer, the status bar, the panel and a prompt cell."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.parametrize("frontend", ["lab"], indirect=True)

AXE = Path(__file__).parents[2] / "labextension" / "node_modules" / "axe-core" / "axe.min.js"
OURS = (".cj-Answer", ".cj-Panel", ".cj-status-item", ".cm-content.cj-prompt")
BLOCKS = (
    {"type": "tool", "id": "t", "name": "store_calendar", "kind": "python", "input": {"store": 4}, "result": "closed",
     "error": None, "seconds": 0.2},
    {"type": "tool", "id": "u", "name": "f", "kind": "python", "input": {}, "result": None, "error": "no such store",
     "seconds": 1},
    {"type": "citation", "n": 1, "title": "Calendar", "url": "https://example.org/c", "cited": "closed"},
    {"type": "notice", "level": "warning", "text": "Mind: `x` was cut."},
    {"type": "notice", "level": "stopped", "text": "Stopped. What arrived is kept."},
    {"type": "notice", "level": "error", "text": "Not sent: over budget.\nRaise it with `%config`."},
)  # fmt: skip


def violations(page: Page, *places: str) -> list[str]:
    """What axe-core finds wrong in these places, a line each."""
    found: list[dict[str, Any]] = page.evaluate(
        """places => axe.run({ include: places.map(place => [place]) }, { resultTypes: ['violations'] })
            .then(({ violations }) => violations)""",
        list(places),
    )
    return [
        f"{rule['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for rule in found
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark", "JupyterLab Dark High Contrast"])
def test_axe_finds_nothing(open_notebook, service, theme):
    service("An answer of some words.")
    notebook = open_notebook(
        [
            "%load_ext claude_jupyter\nimport by_hand",
            "%%claude -m opus\nWhat of {RICH}, in **March**?",
            "%%claude\nAnd what of April?",
            f"by_hand.say(thinking='Let me see.', blocks={BLOCKS!r}, hold=3)",
        ]
    )
    shutil.copy(Path(__file__).with_name("by_hand.py"), notebook.server.root)
    page = notebook.page
    page.evaluate(
        "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", arg=theme
    )
    page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme)
    for cell in (0, 1, 2):
        notebook.run(cell)
    page.locator(".cj-status-item").click()
    expect(page.locator(".cj-Panel button.cj-turn")).to_have_count(2)
    page.add_script_tag(path=AXE)
    notebook.start(3)
    live = notebook.output(3).locator(".cj-Answer")
    expect(live).to_contain_text("The last words.")
    assert violations(page, ".cj-Answer[data-state=live]") == []
    notebook.wait_until_done(3)
    expect(live).to_have_attribute("data-state", "error")
    for fold in live.locator("summary").all():
        fold.evaluate("node => { node.parentElement.open = true; }")
    for code in live.locator(".cj-code").all():
        code.hover()
    page.wait_for_timeout(300)
    panel = page.locator(".cj-Panel")
    panel.get_by_role("button", name="Fork").click()
    expect(panel.get_by_label("Chat shown")).to_be_visible()
    panel.get_by_role("button", name="New").click()
    expect(panel.locator(".cj-divider")).to_have_count(1)
    found = violations(page, *OURS)
    assert not found, "\n".join(found)
