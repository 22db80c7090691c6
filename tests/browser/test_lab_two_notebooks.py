"""Two notebooks at once, each with its kernel: answers land in their own, status bar and panel tell of the one in front."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from support.kernel import ANSWER

from claude_jupyter.demo.script import Say, Script

pytestmark = pytest.mark.parametrize("frontend", ["lab"], indirect=True)

LOAD = "%load_ext claude_jupyter"
ELSEWHERE = """() => {
    const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
    kernel.createComm('of-nobody').open();
}"""


def reply(body):
    """Says whose question it was, word by word; the second notebook's answer is the longer, dearer one."""
    asked = str(body["messages"][-1]["content"])
    name, words = ("left", 20) if "of the left" in asked else ("right", 40)
    return Script(pieces=(Say.of(*(f"{name}{n:02d} " for n in range(words))),))


def test_each_answer_lands_in_its_own_notebook(open_notebook, service):
    service(reply, pace=0.05)
    # Other cells are asked in, so that a mix-up of indexes would show.
    left = open_notebook([LOAD, "%%claude\nSay something of the left.", "'stays'"])
    right = left.server.write(
        f"right-{left.path.name}",
        ["'stays'", LOAD, "'stays'", "%%claude\nSay something of the right.\nAt length."],
    )
    page, errors = left.page, left.watch.errors

    def show(path) -> None:
        page.evaluate(
            "path => void window.jupyterapp.commands.execute('docmanager:open', { path })", arg=path.name
        )
        page.wait_for_function(f"path => {left.PANEL}.context.path === path", arg=path.name)
        left.path = path

    left_path = left.path
    show(right)
    left.wait_for_kernel()
    left.run(1)
    show(left_path)
    left.run(0)

    left.start(1)
    expect(left.output(1)).to_contain_text("left01")
    show(right)
    left.start(3)
    expect(left.output(3)).to_contain_text("right03")
    page.evaluate(ELSEWHERE)  # others speak to the kernel meanwhile, and it is idle for a moment
    expect(left.output(3)).to_contain_text("right39")
    left.wait_until_done(3)
    status, panel = page.locator(".cj-status-item"), page.locator(".cj-Panel")
    status.click()
    expect(panel.locator("button.cj-turn")).to_have_count(1)
    expect(panel.locator(".cj-q")).to_contain_text("of the right")
    price = left.output(3).locator(".cj-foot .cj-price b").inner_text()
    expect(status).to_contain_text(f"Claude {price}")
    expect(panel.locator(".cj-head b")).to_have_text(price)

    show(left_path)
    expect(panel.locator(".cj-q")).to_contain_text("of the left")
    less = left.output(1).locator(".cj-foot .cj-price b").inner_text()
    assert less != price
    expect(status).to_contain_text(f"Claude {less}")
    panel.get_by_role("button", name="Fork").click()
    expect(panel.locator(".cj-chats select")).to_have_value("main-2")
    show(right)
    expect(panel.locator(".cj-chats")).to_have_count(0)
    expect(status).to_contain_text(f"Claude {price}")

    for path, cell, name, count in ((left_path, 1, "left", 20), (right, 3, "right", 40)):
        show(path)
        saved = left.save()
        answers = [
            (i, o) for i, c in enumerate(saved.cells) for o in c.outputs if ANSWER in o.get("data", {})
        ]
        ((at, output),) = answers
        assert at == cell
        assert output.data["text/plain"].split() == [f"{name}{n:02d}" for n in range(count)]
        assert saved.metadata["claude_jupyter"]["calls"] == 1
    assert errors == []
