"""Prices in an answer are no formulas, and formulas are; live and saved, with the extension and without it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from claude_jupyter.demo.script import Say, Script

pytestmark = pytest.mark.parametrize("frontend", ["lab"], indirect=True)

TEXT = "It costs $5 to $7, or **$8** to **$9**, where $x^2$ is a formula."


def test_prices_are_no_formulas(open_notebook, service):
    service(TEXT)
    notebook = open_notebook(["%load_ext claude_jupyter", "%%claude\nWhat does it cost?"])
    notebook.run(0)
    notebook.run(1)
    for _ in range(2):
        answer = notebook.output(1).locator(".cj-Answer")
        expect(answer.locator("mjx-container")).to_have_count(1)
        expect(answer).to_contain_text("It costs $5 to $7, or $8 to $9, where")
        notebook.save()
        notebook.open(kernel=False)


def test_nor_in_the_widget_alone(open_notebook, service):
    service(Script(pieces=(Say(chunks=(TEXT + "\n\n", *["and more words "] * 40)),)), pace=0.2)
    notebook = open_notebook(["%load_ext claude_jupyter", "%%claude\nWhat does it cost?"], extension=False)
    notebook.run(0)
    notebook.start(1)
    expect(notebook.output(1).locator(".cj-Answer math")).to_have_count(1)
    expect(notebook.output(1).locator(".cj-Answer")).to_contain_text("It costs $5 to $7, or $8 to $9, where")
    notebook.interrupt()
    notebook.wait_until_done(1)
