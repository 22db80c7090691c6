"""The panel and the status bar show what a kernel says as text: nothing of it runs, and nothing is fetched."""

from __future__ import annotations

import json

import pytest
from hostile import HOSTILE, Dialogs, foreign, payloads
from playwright.sync_api import BrowserContext, expect

pytestmark = pytest.mark.parametrize("frontend", ["lab"], indirect=True)

KERNEL = """# claude
import json
bad = json.load(open("payloads.json"))
def target(comm, message):
    def answer(message):
        if message["content"]["data"]["op"] == "fork":
            return comm.send({"op": "error", "text": "".join(bad)})
        turns = [{"turn": n, "cell": b, "answer": b, "prompt": b, "facts": b, "cost": b, "parts": {"output": b, "input": 1}}
                 for n, b in enumerate(bad)]
        total = {"calls": 14, "tokens": 118402, "cost": "0.18"}
        comm.send({"op": "state", "kernel": total, "notebook": {**total, "cost": bad[0]}, "day": {"cost": bad[0]}, "model": bad[0],
                   "budget": {"kernel": bad[0]}, "context": {"used": 20000, "window": 1000000}, "turns": turns, "chat": bad[0],
                   "chats": bad, "user": bad[0]})
    comm.on_msg(answer)
    answer(message)
get_ipython().kernel.comm_manager.register_target("claude_jupyter", target)"""
ELEMENTS = "() => document.querySelectorAll(':is(.cj-Panel, .cj-status-item) :is(img, script, svg, iframe, a, form, style)').length"


def test_nothing_that_a_kernel_says_runs_in_the_panel(open_notebook, context: BrowserContext, jupyter):
    server = jupyter("lab")
    asked = foreign(context, server.url.removeprefix("http://"))
    corpus = [*HOSTILE, *payloads()]
    (server.root / "payloads.json").write_text(json.dumps(corpus))
    notebook = open_notebook([KERNEL])
    page, dialogs = notebook.page, Dialogs(notebook.page)
    notebook.run(0)
    page.locator(".cj-status-item").click()
    panel = page.locator(".cj-Panel")
    expect(panel.locator("button.cj-turn")).to_have_count(len(corpus))
    expect(panel.locator(".cj-q").last).to_contain_text(HOSTILE[0])
    panel.get_by_role("button", name="Fork").click()
    expect(panel.get_by_role("alert")).to_contain_text(HOSTILE[0])
    assert page.evaluate(ELEMENTS) == 0
    page.wait_for_timeout(300)
    assert dialogs == [] and asked == []
    assert "ran" not in page.title()
    assert notebook.watch.errors == []
