"""Prices in an answer are no formulas, and formulas are; live and saved, with the extension and without it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect

from claude_jupyter.demo.script import Say, Script

pytestmark = pytest.mark.parametrize("frontend", ["lab"], indirect=True)

TEXT = r"It costs $5 to $7, or **$8** to **$9**, or \$1 to \$2, where $x^2$ is a formula."


def test_prices_are_no_formulas(open_notebook, service):
    service(TEXT)
    notebook = open_notebook(["%load_ext claude_jupyter", "%%claude\nWhat does it cost?"])
    notebook.run(0)
    notebook.run(1)
    for _ in range(2):
        answer = notebook.output(1).locator(".cj-Answer")
        expect(answer.locator("mjx-container")).to_have_count(1)
        expect(answer).to_contain_text("It costs $5 to $7, or $8 to $9, or $1 to $2, where")
        notebook.save()
        notebook.open(kernel=False)


def test_formulas_as_models_write_them_are_set(open_notebook, service):
    service(
        "Where \\(x_i*y_i\\) and $a<b$, or $x<y>z$:\n\n\\[\n\\int_0^1 f(x)\\,dx\n\\]\n\nwith `\\(code\\)`."
    )
    notebook = open_notebook(["%load_ext claude_jupyter", "%%claude\nHow?"])
    notebook.run(0)
    notebook.run(1)
    for _ in range(2):
        answer = notebook.output(1).locator(".cj-Answer")
        expect(answer.locator("mjx-container")).to_have_count(4)
        expect(answer.locator("mjx-container[display=true]")).to_have_count(1)
        expect(answer.locator("mjx-merror")).to_have_count(0)
        expect(answer.locator("code")).to_have_text(r"\(code\)")
        notebook.save()
        notebook.open(kernel=False)


def test_nor_in_the_widget_alone(open_notebook, service):
    service(Script(pieces=(Say(chunks=(TEXT + "\n\n", *["and more words "] * 40)),)), pace=0.2)
    notebook = open_notebook(["%load_ext claude_jupyter", "%%claude\nWhat does it cost?"], extension=False)
    notebook.run(0)
    notebook.start(1)
    expect(notebook.output(1).locator(".cj-Answer math")).to_have_count(1)
    expect(notebook.output(1).locator(".cj-Answer")).to_contain_text(
        "It costs $5 to $7, or $8 to $9, or $1 to $2, where"
    )
    notebook.interrupt()
    notebook.wait_until_done(1)


@pytest.mark.parametrize("extension", [True, False])
def test_nor_in_a_transcript_and_in_notices(open_notebook, service, extension: bool):
    notice = "Stopped: this kernel has spent $1.98 of its $2.00 budget."
    block = f"({{'type': 'notice', 'level': 'stopped', 'text': {notice!r}}},)"
    service("An answer.")
    notebook = open_notebook(
        [
            "%load_ext claude_jupyter\nimport by_hand",
            "%%claude\nDoes it cost $5,\nor is it $6?",
            "%%claude\nAnd why?",
            "from claude_jupyter import claude\nclaude.turns[1].answer.cost.parts\nclaude",
            f"by_hand.say('Text.', blocks={block})",
        ],
        extension=extension,
    )
    shutil.copy(Path(__file__).with_name("by_hand.py"), notebook.server.root)
    for cell in range(5):
        notebook.run(cell)
    expect(notebook.output(3)).to_contain_text("Does it cost $5, or is it $6?")
    expect(notebook.output(4)).to_contain_text("spent $1.98 of its $2.00 budget")
    for cell in (3, 4):
        expect(notebook.output(cell).locator("mjx-container")).to_have_count(0)
