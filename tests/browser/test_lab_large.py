"""A very long answer: 800 KB of Markdown arrive, end, are saved and opened again, and the page can be used meanwhile."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect
from support.kernel import ANSWER

pytestmark = pytest.mark.parametrize("frontend", ["lab"], indirect=True)

TEXT = """import by_hand
unit = by_hand.RICH + "\\n\\n" + ("Some words of an answer, and *more*. " * 5 + "\\n\\n") * 15
text = unit * (800_000 // len(unit) + 1) + "Really the end." """
# Asked in the page, and of the last paragraph only: an assertion of playwright would print all of it.
END = """() => [...document.querySelectorAll('.jp-Cell-outputArea p')].at(-1)?.textContent.includes('Really the end.')
  || [...document.querySelectorAll('.jp-Cell-outputArea p')].at(-2)?.textContent.includes('Really the end.')"""


@pytest.mark.parametrize("extension", [True, False])
def test_800_kb_arrive_and_stay(open_notebook, extension):
    notebook = open_notebook([TEXT, "by_hand.say(text, chunk=8000, pace=0.1)"], extension=extension)
    shutil.copy(Path(__file__).with_name("by_hand.py"), notebook.server.root)
    page = notebook.page
    notebook.run(0)
    notebook.start(1)
    expect(notebook.output(1).locator(".cj-Answer .cj-stop")).to_be_visible()
    notebook.wait_until_done(1, timeout=120)
    page.wait_for_function(END, polling=500, timeout=120_000)
    if extension:
        expect(notebook.output(1).locator(".cj-Answer")).to_have_attribute("data-state", "done")
    (output,) = notebook.save().cells[1].outputs
    assert output.data[ANSWER]["complete"] is True
    assert len(output.data["text/plain"]) >= 800_000
    notebook.open(kernel=False)
    page.wait_for_function(END, polling=500, timeout=120_000)
    assert notebook.watch.errors == []
