"""The kernel ends in mid-answer, restarted or killed: what arrived stays, says that it is unfinished, and the cell can be run again."""

from __future__ import annotations

import os
import re
import signal

import pytest
from playwright.sync_api import expect
from support.asking import assert_durable
from support.kernel import ANSWER

from claude_jupyter.demo.script import Say, Script

LOAD = "%load_ext claude_jupyter\nimport os; print('pid', os.getpid())"
ASK = "%%claude\nWrite some words."
WORDS = tuple(f"word{i:03d} " for i in range(400))
RESTART = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"


@pytest.mark.parametrize(
    ("frontend", "how"),
    [("lab", "restarted"), ("lab", "killed"), ("notebook7", "killed")],
    indirect=["frontend"],
)
def test_what_arrived_is_kept_and_the_cell_is_usable(open_notebook, service, how):
    service(Script(pieces=(Say.of(*WORDS),)), pace=0.05)
    notebook = open_notebook([LOAD, ASK])
    page, answer = notebook.page, notebook.output(1).locator(".cj-Answer")
    notebook.run(0)
    notebook.start(1)
    expect(notebook.output(1)).to_contain_text("word012")
    if how == "restarted":
        page.evaluate(RESTART)
    else:
        told = re.search(r"pid (\d+)", notebook.output(0).inner_text())
        assert told is not None
        os.kill(int(told[1]), signal.SIGKILL)
    expect(answer).to_have_attribute("data-state", "stopped")
    expect(answer).to_contain_text("word012")
    expect(answer).to_contain_text("The kernel ended before the answer did; what had arrived is kept.")
    expect(answer.locator(".cj-price b")).to_have_text(re.compile(r"^≥ \$0\.0000?\d+$"))
    expect(answer.get_by_role("button", name="Stop")).to_have_count(0)
    notebook.wait_for_kernel()  # JupyterLab starts a killed kernel again by itself
    saved = notebook.save()
    (output,) = saved.cells[1].outputs
    assert_durable(output.data)
    assert output.data[ANSWER]["complete"] is False
    kept = output.data["text/plain"].split()
    assert kept == [word.strip() for word in WORDS[: len(kept)]] and len(kept) > 12
    assert "*Stopped. The kernel ended" in output.data["text/markdown"]

    service("All of it.")
    notebook.run(0)
    notebook.run(1)
    expect(answer).to_have_attribute("data-state", "done")
    (output,) = notebook.save().cells[1].outputs
    assert output.data["text/plain"] == "All of it."
