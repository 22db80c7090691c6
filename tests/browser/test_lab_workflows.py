"""Five pieces of everyday work in a notebook that never heard of us, counted in clicks and keys besides the words that are typed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from support.lab import Notebook

from claude_jupyter.demo.script import Say, Script

pytestmark = pytest.mark.parametrize("frontend", ["lab"], indirect=True)

LOOKS = {"": (1280, 900), "-700px": (700, 900), "-200-percent": (640, 450)}
SOURCES = "() => window.jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.sharedModel.getSource())"
CSV = "month,region,amount\n1,North,120\n1,South,80\n2,North,95\n2,South,130\n3,North,\n"
PLOT = "import matplotlib.pyplot as plt\nplt.bar([1, 2, 3], [3, 1, 2])\nplt.show()"
LABELED = PLOT.replace("plt.show()", "plt.ylabel('mm')\nplt.show()")


class Hand:
    """What a user does, counted."""

    def __init__(self, notebook: Notebook) -> None:
        self.notebook, self.page = notebook, notebook.page
        self.actions: list[str] = []

    def click(self, what: Locator, name: str) -> None:
        self.actions.append(name)
        what.click()

    def press(self, keys: str) -> None:
        self.actions.append(keys)
        self.page.keyboard.press(keys)

    def type(self, words: str) -> None:
        self.page.keyboard.type(words)

    def go_to(self, cell: int) -> None:
        """A cell is the active one anyway, or a click away."""
        self.page.evaluate(
            """index => {
                const { content } = window.jupyterapp.shell.currentWidget;
                content.activeCellIndex = index;
                content.mode = 'command';
                content.activate();
            }""",
            cell,
        )

    def sources(self) -> Sequence[str]:
        return self.page.evaluate(SOURCES)

    def answer(self, cell: int) -> Locator:
        answer = self.notebook.output(cell).locator(".cj-Answer")
        expect(answer).to_have_attribute("data-state", "done")
        return answer


def shoot(page: Page, name: str) -> None:
    """Pictures to look at, in two themes and three sizes, where SHOTS names a folder."""
    folder = os.environ.get("SHOTS")
    for theme in ("JupyterLab Light", "JupyterLab Dark") if folder else ():
        page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", theme
        )
        page.wait_for_timeout(800)
        for look, (width, height) in LOOKS.items():
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_timeout(300)
            page.screenshot(path=Path(str(folder)) / f"{name}-{theme.split()[1].lower()}{look}.png")
    if folder:
        page.set_viewport_size({"width": 1280, "height": 900})
        page.evaluate(
            "() => window.jupyterapp.commands.execute('apputils:change-theme', { theme: 'JupyterLab Light' })"
        )
        page.wait_for_timeout(800)


def test_look_at_a_fresh_csv(open_notebook, service, jupyter):
    """*Ask Claude*, the question, Shift+Enter."""
    service(
        "Of 5 rows one `amount` is missing: **North in month 3**.\n\n```python\nsales[sales.amount.isna()]\n```"
    )
    (jupyter("lab").root / "sales.csv").write_text(CSV)
    notebook = open_notebook(["import pandas as pd\nsales = pd.read_csv('sales.csv')\nsales"])
    notebook.run(0)
    hand = Hand(notebook)
    hand.go_to(0)
    hand.click(
        notebook.cell(0).locator(".jp-cell-toolbar").get_by_role("button", name="Ask Claude"), "Ask Claude"
    )
    hand.page.wait_for_function(f"() => ({SOURCES})().length === 2")
    expect(notebook.cell(1).locator(".cm-content")).to_be_focused()
    hand.type("What is odd in this table?")
    hand.press("Shift+Enter")
    expect(hand.answer(1)).to_contain_text("North in month 3")
    assert hand.actions == ["Ask Claude", "Shift+Enter"]
    shoot(hand.page, "csv")
    assert notebook.watch.errors == []


def test_fix_an_error(open_notebook, service):
    """*Fix*, Shift+Enter, *Replace*; two where the setting runs what buttons write."""
    service(
        "There is no `amuont`; the column is `amount`.\n\n```python\nsales = {'amount': 1}\nsales['amount']\n```"
    )
    notebook = open_notebook(["sales = {'amount': 1}\nsales['amuont']"])
    notebook.run(0)
    hand = Hand(notebook)
    child = notebook.output(0).locator(".jp-OutputArea-child").first
    child.hover()
    hand.click(child.get_by_role("button", name="Fix this error"), "Fix")
    expect(notebook.cell(1).locator(".cm-content")).to_be_focused()
    hand.press("Shift+Enter")
    correction = notebook.output(1).locator(".cj-Correction")
    expect(correction).to_contain_text("+ sales['amount']")
    shoot(hand.page, "fix")
    hand.click(correction.get_by_role("button", name="Replace"), "Replace")
    assert hand.sources()[0] == "sales = {'amount': 1}\nsales['amount']"
    assert hand.actions == ["Fix", "Shift+Enter", "Replace"]
    assert notebook.watch.errors == []


def test_explain_a_plot_and_put_better_code_in_place(open_notebook, service):
    """*Explain*, Shift+Enter; then Alt+Shift+K, the wish, Enter, Ctrl+Enter."""

    def reply(body: dict[str, Any]) -> str:
        if "Change this cell" in str(body["messages"][-1]):
            return f"```python\n{LABELED}\n```"
        return "Three bars; the first is the highest, with **3**. The axes have no labels."

    service(reply)
    notebook = open_notebook([PLOT])
    notebook.run(0)
    hand = Hand(notebook)
    child = notebook.output(0).locator(".jp-OutputArea-child").first
    child.hover()
    hand.click(child.get_by_role("button", name="Explain this output"), "Explain")
    expect(notebook.cell(1).locator(".cm-content")).to_be_focused()
    hand.press("Shift+Enter")
    expect(hand.answer(1)).to_contain_text("Three bars")
    hand.go_to(0)
    hand.press("Alt+Shift+K")
    bar = notebook.cell(0).locator(".cj-change")
    expect(bar.get_by_role("textbox", name="What should change in this cell")).to_be_focused()
    hand.type("label the axis in mm")
    hand.press("Enter")
    expect(bar).to_contain_text("1 change to review")
    shoot(hand.page, "plot")
    hand.press("Control+Enter")
    expect(bar).to_have_count(0)
    assert hand.sources()[0] == LABELED
    assert hand.actions == ["Explain", "Shift+Enter", "Alt+Shift+K", "Enter", "Control+Enter"]
    assert notebook.watch.errors == []


def test_classify_200_rows(open_notebook, service):
    """One cell, Shift+Enter."""
    service('{"value": "good"}')
    load = "%load_ext claude_jupyter\nfrom typing import Literal\nimport pandas as pd\n"
    rows = "reviews = pd.DataFrame({'text': [f'review {i}' for i in range(200)]})"
    notebook = open_notebook([load + rows, ""])
    notebook.run(0)
    hand = Hand(notebook)
    notebook.cell(1).locator(".cm-content").click()
    hand.type("claude.map(reviews, 'Good or bad?', returns=Literal['good', 'bad'])")
    hand.press("Shift+Enter")
    expect(notebook.output(1)).to_contain_text("200 rows in ", timeout=100_000)
    expect(notebook.output(1).locator("table")).to_contain_text("good")
    assert hand.actions == ["Shift+Enter"]
    shoot(hand.page, "map")
    assert notebook.watch.errors == []


def test_a_long_conversation_with_a_budget(open_notebook, service):
    """A question a cell, Shift+Enter each; what the budget does not allow is refused in the cell, before it is sent."""
    asked = service([Script(pieces=(Say(f"Answer {n}."),)) for n in range(1, 9)])
    questions = [f"%%claude\nQuestion {n}?" for n in range(1, 5)]
    notebook = open_notebook(["%load_ext claude_jupyter", *questions])
    notebook.run(0)
    hand = Hand(notebook)
    for n in range(1, 4):
        hand.go_to(n)
        hand.press("Shift+Enter")
        expect(hand.answer(n)).to_contain_text(f"Answer {n}.")
    notebook.page.evaluate(
        """() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute(
            { code: '%config ClaudeMagics.notebook_budget = 0.001' }).done.then(() => undefined)"""
    )
    sent = len(asked.requests)
    hand.go_to(4)
    hand.press("Shift+Enter")
    expect(notebook.output(4)).to_contain_text("notebook")
    expect(notebook.output(4)).to_contain_text("$0.00")
    assert len(asked.requests) == sent
    hand.click(hand.page.locator("#jp-main-statusbar .cj-status-item"), "price in the status bar")
    expect(hand.page.locator(".cj-Panel button.cj-turn")).to_have_count(3)
    assert hand.actions == ["Shift+Enter"] * 4 + ["price in the status bar"]
    shoot(hand.page, "budget")
