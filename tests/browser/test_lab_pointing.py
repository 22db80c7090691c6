"""Buttons point, and pressing Run just works: in a notebook that knows nothing of us, after a reload, after a restart."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest
from PIL import Image, ImageChops
from playwright.sync_api import expect
from support.lab import Notebook

from claude_jupyter.demo.script import Say, Script, Wait

pytestmark = pytest.mark.parametrize("frontend", ["lab"], indirect=True)

LOAD = "%load_ext claude_jupyter"
SOURCES = "() => window.jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.sharedModel.getSource())"
RESTART = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
PLOTS = """import matplotlib.pyplot as plt, pandas as pd
plt.bar([1, 2, 3], [3, 1, 2]); plt.show()
plt.plot([1, 2, 3]); plt.title("the second"); plt.show()
pd.DataFrame({"age": [31, 42]})"""


def sources(notebook: Notebook) -> list[str]:
    return notebook.page.evaluate(SOURCES)


def press(notebook: Notebook, cell: int, output: int, name: str) -> None:
    """The button on an output, by the pointer."""
    child = notebook.output(cell).locator(".jp-OutputArea-child").nth(output)
    child.hover()
    child.get_by_role("button", name=name).click()


def picture(data: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")


def content(service: Any) -> list[dict[str, Any]]:
    return [r for r in service.requests if r.path.startswith("/v1/messages")][-1].body["messages"][-1][
        "content"
    ]


def assert_this_picture(service: Any, shown: str) -> None:
    (sent,) = [picture(block["source"]["data"]) for block in content(service) if block["type"] == "image"]
    assert sent.size == picture(shown).size
    assert ImageChops.difference(sent, picture(shown)).getbbox() is None


def test_explain_in_a_notebook_that_never_heard_of_us(open_notebook, service):
    """Exactly the picture that was clicked, shown before the extension was loaded, also after a reload and a restart."""
    asked = service("A picture.")
    notebook = open_notebook([PLOTS, "x = 1"])
    notebook.run(0)
    saved = notebook.save().cells[0].outputs
    press(notebook, 0, 1, "Explain this output")
    written = sources(notebook)[1]
    assert written.startswith(f"{LOAD}\n%claude --cell ") and written.endswith(":2 Explain this picture.")
    assert "plt" not in written
    notebook.run(1)
    expect(notebook.output(1).locator(".cj-Answer")).to_contain_text("A picture.")
    assert_this_picture(asked, saved[1].data["image/png"])
    notebook.save()

    notebook.open()
    press(notebook, 0, 0, "Explain this output")
    assert sources(notebook)[1].startswith("%%claude --cell ")
    notebook.run(1)
    expect(notebook.output(1).locator(".cj-Answer")).to_contain_text("A picture.")
    assert_this_picture(asked, saved[0].data["image/png"])

    notebook.page.evaluate(RESTART)
    notebook.wait_for_kernel()
    press(notebook, 0, 2, "Explain this output")
    notebook.run(1)
    expect(notebook.output(1).locator(".cj-Answer")).to_contain_text("A picture.")
    told = str(content(asked))
    assert "42" in told and "image" not in {block["type"] for block in content(asked)}
    assert notebook.watch.errors == []


def test_ask_about_a_cell_and_run_all(open_notebook, service):
    """A question that is still to be written is not sent and stops nothing; written, it goes with the cell it points at."""
    asked = service("About it.")
    notebook = open_notebook(["secret_name = 6 * 7\nsecret_name", "'after'"])
    notebook.run(0)
    notebook.page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 0; }")
    notebook.page.evaluate("() => void window.jupyterapp.commands.execute('claude-jupyter:ask')")
    notebook.page.wait_for_function(f"() => ({SOURCES})().length === 3")
    assert (
        sources(notebook)[1].startswith(f"{LOAD}\n%%claude --cell ") and "secret" not in sources(notebook)[1]
    )
    notebook.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    expect(notebook.output(2)).to_contain_text("'after'")
    expect(notebook.output(1)).to_contain_text("This cell has no question yet")
    assert list(asked.requests) == []
    notebook.page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 1; }")
    notebook.cell(1).locator(".cm-content").click()
    notebook.page.keyboard.press("Control+End")
    notebook.page.keyboard.type("What is it?")
    notebook.run(1)
    expect(notebook.output(1).locator(".cj-Answer")).to_contain_text("About it.")
    assert "secret_name = 6 * 7" in str(content(asked)) and "What is it?" in str(content(asked))


def test_fix_and_replace(open_notebook, service):
    asked = service("You divide by zero.\n\n```python\nx = 1\nx / 1\n```\n")
    notebook = open_notebook(["x = 1\nx / 0", "y = 2"])
    notebook.run(0)
    press(notebook, 0, 0, "Fix this error")
    assert sources(notebook)[1].startswith(f"{LOAD}\n%claude_fix --cell ")
    notebook.run(1)
    correction = notebook.output(1).locator(".cj-Correction")
    expect(correction).to_contain_text("- x / 0")
    expect(correction).to_contain_text("+ x / 1")
    assert "ZeroDivisionError" in str(content(asked)) and "x / 0" in str(content(asked))
    assert len(sources(notebook)) == 3, "nothing was put anywhere yet"
    correction.get_by_role("button", name="Insert below").click()
    notebook.wait_for(lambda: sources(notebook)[2] == "x = 1\nx / 1")
    correction.get_by_role("button", name="Replace").click()
    assert sources(notebook)[0] == "x = 1\nx / 1"
    expect(correction.get_by_role("status")).to_contain_text("Replaced")
    assert notebook.watch.errors == []


def test_a_stopped_answer_says_so_once_and_is_resumed(open_notebook, service):
    service([Script(pieces=(Say("Some words. "), Wait(60), Say("never"))), "and the rest."])
    notebook = open_notebook([LOAD, "%%claude\nGo on and on."])
    notebook.run(0)
    notebook.start(1)
    expect(notebook.output(1)).to_contain_text("Some words.")
    notebook.output(1).get_by_role("button", name="Stop").click()
    notebook.wait_until_done(1)
    expect(notebook.output(1).get_by_text("Stopped.").locator("visible=true")).to_have_count(1)
    expect(notebook.output(1).locator(".cj-repeated")).to_be_hidden()
    notebook.output(1).get_by_role("button", name="Resume").click()
    assert sources(notebook)[2] == "claude.resume()"
    notebook.run(2)
    expect(notebook.output(2).locator(".cj-Answer")).to_contain_text("and the rest.")
    notebook.save()
    notebook.open()
    expect(notebook.output(1).get_by_text("Stopped.").locator("visible=true")).to_have_count(1)
    expect(notebook.output(1).locator(".cj-repeated")).to_be_hidden()


def test_after_a_restart_the_earlier_answers_are_restored(open_notebook, service):
    asked = service(["The first answer.", "The second answer.", "The third answer."])
    notebook = open_notebook([LOAD, "%%claude\nFirst?", "%%claude\nSecond?", "%%claude\nThird?"])
    page = notebook.page
    notebook.run(0)
    notebook.run(1)
    expect(notebook.output(1).get_by_role("button", name="Restore")).to_have_count(0)
    page.evaluate(RESTART)
    notebook.wait_for_kernel()
    notebook.run(0)
    notebook.run(2)
    answer = notebook.output(2).locator(".cj-Answer")
    expect(answer).to_contain_text("The earlier answers of this notebook are not in this conversation")
    page.evaluate("() => window.jupyterapp.commands.execute('claude-jupyter:open-panel')")
    expect(page.locator(".cj-Panel button.cj-turn")).to_have_count(1)
    notebook.save()
    answer.get_by_role("button", name="Restore").click()
    expect(page.locator(".cj-Panel button.cj-turn")).to_have_count(2)
    notebook.run(3)
    messages = [r for r in asked.requests if r.path.startswith("/v1/messages")][-1].body["messages"]
    assert "The first answer." in str(messages) and "The second answer." in str(messages)
    expect(page.locator(".cj-Panel button.cj-turn")).to_have_count(3)
    read = page.locator(".cj-Panel .cj-read")
    read.first.locator("summary").click()
    expect(read.first.locator(".cj-Answer")).to_contain_text("The third answer.")


def test_a_reload_in_mid_answer_shows_it_at_once_with_a_stop(open_notebook, service):
    service(Script(pieces=(Say("Some words. "), Wait(60), Say("never"))))
    notebook = open_notebook([LOAD, "%%claude\nGo on."])
    notebook.run(0)
    notebook.save()
    notebook.start(1)
    expect(notebook.output(1)).to_contain_text("Some words.")
    notebook.open(kernel=False)
    expect(notebook.output(1)).to_contain_text("Still answering", timeout=10_000)
    expect(notebook.output(1)).to_contain_text("Some words.")
    notebook.output(1).get_by_role("button", name="Stop").click()
    expect(notebook.output(1).locator(".cj-Answer")).to_have_attribute("data-state", "stopped")
    expect(notebook.output(1).get_by_role("button", name="Resume")).to_be_visible()
