"""Status bar, panel and buttons, against a kernel that answers on the comm as ours does."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.parametrize("frontend", ["lab"], indirect=True)

CELLS = "() => window.jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.sharedModel.getSource())"
KERNEL = """# claude
def target(comm, message):
    def answer(message):
        got.append(message["content"]["data"])
        if got[-1]["op"] == "fork":
            return comm.send({"op": "error", "text": "no <b>more</b> chats"})
        turn = {"turn": 1, "cell": "asked", "prompt": "<b>What</b> is odd?", "facts": "sales", "cost": "0.021",
                "parts": {"output": 0.01, "input": 0.006, "cache": 0.005}}
        total = {"calls": 14, "tokens": 118402, "cost": "0.18"}
        comm.send({"op": "state", "kernel": {**total, "cost": "0.05"}, "notebook": total, "model": "claude-sonnet-5-5",
                   "context": {"used": 20000, "window": 1000000}, "turns": [turn] * 2, "chat": "main",
                   "budget": {"notebook": "5"}})
    comm.on_msg(answer)
    answer(message)
got = []
get_ipython().kernel.comm_manager.register_target("claude_jupyter", target)"""


def test_price_and_transcript_follow_the_kernel(open_notebook):
    notebook = open_notebook([KERNEL, "print([m['op'] for m in got if m['op'] != 'state'])"])
    page = notebook.page
    item = page.locator(".cj-status-item")
    expect(item).to_be_hidden()
    notebook.run(0)
    expect(item).to_have_text("Claude $0.1802.0 %")
    expect(item).to_have_accessible_name(
        re.compile(
            r"^Claude: \$0\.180, context 2\.0 %\. 14 requests .* This notebook: \$0\.180 of \$5\.00 This kernel: \$0\.0500 .*sonnet-5\.5"
        )
    )
    item.click()
    panel = page.locator(".cj-Panel")
    expect(panel.locator(".cj-head")).to_contain_text("$0.180")
    expect(panel.locator(".cj-q").first).to_contain_text("<b>What</b> is odd?")
    panel.get_by_role("button", name="Fork").click()
    expect(panel.get_by_role("alert")).to_have_text("no <b>more</b> chats")
    panel.get_by_role("button", name="Undo").click()
    expect(panel.get_by_role("alert")).to_have_count(0)
    notebook.run(1)
    expect(notebook.output(1)).to_contain_text("['hello', 'fork', 'undo']")
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    expect(item).to_be_hidden()
    expect(panel).to_contain_text("%load_ext claude_jupyter")


def test_buttons_write_cells_and_ask_nothing(open_notebook, service):
    service_ = service("never")
    notebook = open_notebook(["1/0", "2"])
    notebook.run(0)
    page = notebook.page
    page.get_by_role("button", name="Fix", exact=True).click()
    cells = page.evaluate(CELLS)
    assert re.fullmatch(r"%load_ext claude_jupyter\n%claude_fix --cell [\w-]+", cells[1])
    assert [cells[0], cells[2]] == ["1/0", "2"]
    notebook.run(2)
    page.evaluate("() => window.jupyterapp.commands.execute('claude-jupyter:explain')")
    written = page.evaluate(CELLS)[3]
    assert re.fullmatch(r"%load_ext claude_jupyter\n%claude --cell [\w-]+:1 Explain this output\.", written)
    page.wait_for_timeout(300)
    assert notebook.read().cells[0].execution_count is None, "nothing was saved or run by itself"
    assert list(service_.requests) == []
