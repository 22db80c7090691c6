"""Works in cells in JupyterLab, from the table of `support/works.py`: with the mouse and the keyboard, several in one notebook."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect
from support import audit, bills
from support.lab import Notebook
from support.works import WORKS, Act, Case, replies, titles

from claude_jupyter.demo.script import Script

pytestmark = pytest.mark.parametrize("frontend", ["lab"], indirect=True)

PLAYED = [case for case in WORKS if case.lab]
TOGETHER = 4
LOAD = f"""if "_effects" not in globals():
    exec({audit.INSTALL!r}, globals())
%load_ext claude_jupyter
import pandas as pd
sales = pd.DataFrame({{"region": ["North", "South"], "amount": [10, 20]}})
for name in [n for n in globals() if n[:1] in "wlt" and n[1:].isdigit()] + ["kept", "between"]:
    globals().pop(name, None)"""
NOTEBOOK = "window.jupyterapp.shell.currentWidget.content"
ADD = f"""source => {{
    const content = {NOTEBOOK};
    const {{ model }} = content;
    model.sharedModel.insertCell(model.cells.length, {{ cell_type: 'code', source }});
    content.activeCellIndex = model.cells.length - 1;
    content.deselectAll();
    const run = {{ done: false }};
    const {{ id }} = content.activeCell.model;
    (window.testRuns ??= {{}})[id] = run;
    window.jupyterapp.commands.execute('notebook:run-cell').finally(() => {{ run.done = true; }});
    return id;
}}"""
SHOWN = f"""id => {NOTEBOOK}.widgets.find(cell => cell.model.id === id)
    .node.querySelector('.jp-Cell-outputArea')?.textContent ?? ''"""
WAITING = f"{NOTEBOOK}.widgets.find(cell => cell.hasClass('cj-Waiting'))"

EDIT = f"""([from, to]) => {{
    const {{ sharedModel }} = {WAITING}.model;
    sharedModel.setSource(sharedModel.getSource().replace(from, to));
}}"""


class Player:
    """Does in a notebook what a case says."""

    def __init__(self, notebook: Notebook, case: Case) -> None:
        self.notebook, self.page, self.case = notebook, notebook.page, case
        self.waiting = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell.cj-Waiting")
        self.shown: list[str] = []
        self.approvals = 0
        self.approved = {LOAD}

    def add(self, source: str) -> str:
        """A cell at the end, run to its end; its id, since a cell above may still go: one that failed and was corrected."""
        self.approved.add(source)
        cell = self.page.evaluate(ADD, source)
        self.notebook.wait_until_done(cell)
        return cell

    def shows(self, cell: str, words: str) -> None:
        """Wait until a cell's output contains these words."""
        self.page.wait_for_function(f"([id, words]) => ({SHOWN})(id).includes(words)", arg=[cell, words])

    def button(self, name: str) -> Locator:
        return self.waiting.get_by_role("button", name=name, exact=True)

    def press(self, name: str) -> None:
        self.approvals += name != "Skip"
        if name in ("Run", "Keep going"):
            self.approved.add(self.source())
        self.button(name).click()

    def title(self) -> str:
        """Of the cell that waits; "" where none does."""
        return self.source().partition("\n")[0].removeprefix("# Claude: ")

    def source(self) -> str:
        return self.page.evaluate(f"() => {WAITING}?.model.sharedModel.getSource() ?? ''")

    def unapproved(self, port: int) -> list[audit.Effect]:
        """What reached beyond the kernel and was in no cell that the user ran."""
        told = self.add(f"import json\nprint(json.dumps({audit.SEEN}))")
        shown = self.page.evaluate(SHOWN, told)
        seen = json.loads(shown.splitlines()[0])
        ours = [self.notebook.server.root.parent / name for name in ("claude_jupyter", "ipython", "runtime")]
        return audit.unapproved(seen, self.approved, [*ours, Path.home(), "/dev/null"], port)

    def next(self) -> bool:
        """Wait for the next cell that waits, or for the end; whether one waits."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            title = self.title()
            if title and title not in self.shown[-1:]:
                expect(self.button("Run")).to_be_visible()
                self.shown.append(title)
                return True
            if not title and self.ended():
                return False
            self.page.wait_for_timeout(50)
        raise TimeoutError(f"after {self.shown}: neither another cell nor {self.case.ends!r}")

    def ended(self) -> bool:
        """Whether the last words stand there, below the question of this case."""
        texts: list[str] = self.page.evaluate(
            f"""from => {NOTEBOOK}.widgets.slice(from).filter(cell => cell.model.type === 'code')
                .map(cell => cell.node.querySelector('.jp-Cell-outputArea')?.textContent ?? '')""",
            self.first,
        )
        return bool(self.case.ends) and any(self.case.ends in text for text in texts)

    def act(self, act: Act) -> bool:
        """Do it with the cell that waits; whether the work goes on."""
        word, *more = [act] if isinstance(act, str) else act
        match word:
            case "run":
                self.press("Run")
            case "keep":
                self.press("Keep going")
            case "skip":
                self.press("Skip")
            case "stop":
                self.press("Stop")
                return False
            case "edit":
                self.page.evaluate(EDIT, more)
                self.press("Run")
            case "say":
                self.add(f"%claude {more[0]}")
            case "cell":
                self.add(more[0])
                self.press("Run")
            case "delete":
                self.waiting.locator(".jp-InputPrompt").click()
                self.page.keyboard.press("d")
                self.page.keyboard.press("d")
                self.add("later = 1")
                return False
            case "move":
                self.waiting.locator(".jp-InputPrompt").click()
                self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:move-cell-up')")
                expect(self.button("Run")).to_be_visible()
                self.press("Run")
            case "reload":
                self.notebook.save()
                self.notebook.open()
                expect(self.button("Run")).to_be_visible()
                self.press("Run")
            case "restart":
                self.page.evaluate(
                    "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
                )
                self.notebook.wait_for_kernel()
                expect(self.waiting).to_have_count(0)
                self.notebook.run(0)
                return False
            case "interrupt" | "interrupt answer":
                self.press("Run")
                if word == "interrupt":
                    self.page.wait_for_timeout(1500)
                else:
                    expect(self.page.get_by_text("Well, so so").last).to_be_visible()
                self.notebook.interrupt()
            case _:
                raise AssertionError(word)
        return True

    def play(self) -> None:
        """The whole work, and a question afterwards."""
        (self.notebook.path.parent / "w.txt").unlink(missing_ok=True)
        self.notebook.run(0)
        acts = list(self.case.acts)
        self.first = self.page.evaluate(f"() => {NOTEBOOK}.widgets.length")
        self.add("%%claude --do -n\nGo.")
        going = True
        while going and self.next():
            going = self.act(acts.pop(0) if acts else "run")
        assert not acts
        expect(self.waiting).to_have_count(0)
        self.notebook.wait_for_kernel()
        if "keep" in self.case.acts:
            assert self.approvals <= 2
        else:
            assert self.shown == titles(self.case)
        holds = self.add(f"print('holds', bool({self.case.true}))")
        self.shows(holds, "holds True")
        after = self.add("%claude and now?")
        self.shows(after, "Still here.")


@pytest.mark.parametrize("first", range(0, len(PLAYED), TOGETHER))
def test_scripted_works(first: int, open_notebook: Any, service: Any) -> None:
    notebook = open_notebook([LOAD])
    ledger = notebook.server.root.parent / "claude_jupyter" / "ledger.db"
    for case in PLAYED[first : first + TOGETHER]:
        print(f"-- {case.name}", flush=True)
        left = [reply for reply, said in zip(replies(case), case.says, strict=True) if said != "never"]
        server = service([*left, Script(text="Still here.")])
        asked_before = len(bills.rows(ledger)) if ledger.exists() else 0
        player = Player(notebook, case)
        player.play()
        assert {r.status for r in server.requests if r.path == "/v1/messages"} == {200}
        bills.check(case, server.requests, bills.rows(ledger)[asked_before:])
        assert not player.unapproved(server.port)
    assert not notebook.watch.errors, "\n".join(notebook.watch.errors)
