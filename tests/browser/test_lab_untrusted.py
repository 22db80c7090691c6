"""A notebook from somebody else: its answers are shown as sanitized Markdown and cannot act; damaged ones fall back to their Markdown."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import nbformat
import pytest
from hostile import HOSTILE, LOOK, RUN, Dialogs, payloads
from playwright.sync_api import expect
from support.kernel import ANSWER

from claude_jupyter.answer.model import Answer
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.display.bundle import bundle

COUNT = "() => window.jupyterapp.shell.currentWidget.content.widgets.length"
TRUST = """() => { const { content } = window.jupyterapp.shell.currentWidget;
  content.widgets.forEach(cell => { cell.model.trusted = true; }); }"""
BAD = HOSTILE[0]


def answer(*texts: str, **more: Any) -> dict[str, Any]:
    """The data of a saved output."""
    made = Answer(
        id=f"a{abs(hash(texts))}",
        model="claude-sonnet-5-5",
        blocks=tuple({"type": "text", "text": text} for text in texts),
        usage=Usage(input=5528, output=418),
        cost=Cost({"output": Decimal("0.0134")}),
        seconds=9.1,
    )
    return bundle(replace(made, **more))[0]


def raw(markdown: str, **more: Any) -> dict[str, Any]:
    """An answer by hand: its Markdown as it is, never made inert, in one text block."""
    data = answer("x", **more)
    data["text/markdown"] = data["text/plain"] = markdown
    data[ANSWER]["blocks"] = [{"type": "text", "start": 0, "end": len(markdown)}]
    return data


def saved(*outputs: dict[str, Any]) -> nbformat.NotebookNode:
    """A notebook that nobody has signed."""
    cells = []
    for n, data in enumerate(outputs):
        cell = nbformat.v4.new_code_cell(f"%%claude\nquestion {n}")
        cell.outputs = [nbformat.v4.new_output("display_data", data)]
        cells.append(cell)
    kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernelspec})


def test_answers_of_an_untrusted_notebook_cannot_act(open_notebook, jupyter, frontend):
    server = jupyter(frontend)
    path = server.root / f"untrusted-{frontend}.ipynb"
    hostile = "\n\n".join([*HOSTILE, *payloads(), "The end."])
    cut = raw(hostile)
    cut[ANSWER]["blocks"][0]["end"] += 7
    parts = raw("Parts.")
    parts[ANSWER]["blocks"] += [
        {"type": "thinking", "text": BAD, "seconds": BAD},
        {"type": "tool", "name": BAD, "kind": BAD, "input": {BAD: BAD}, "result": [BAD], "error": BAD},
        {"type": "citation", "n": BAD, "title": BAD, "url": f"javascript:{RUN}", "cited": BAD},
        {"type": "notice", "level": BAD, "text": f"`{BAD}` {BAD}"},
    ]
    parts[ANSWER] |= {
        "model": BAD,
        "cost": BAD,
        "usage": BAD,
        "seconds": BAD,
        "id": BAD,
        "started": BAD,
        "chat": [BAD],
    }
    parts[ANSWER]["attachments"] = [
        {
            "label": BAD,
            "kind": "image",
            "tokens": 1,
            "sent": BAD,
            "size": [1, 1],
            "thumbnail": "https://evil.example/t.png",
        },
        BAD,
    ]
    code = answer("Look:\n\n```python\nimport os\n```\n\nThe end.")
    nbformat.write(saved(code, raw(hostile), cut, parts), path)
    notebook = open_notebook(path, kernel=False)
    page, dialogs, title = notebook.page, Dialogs(notebook.page), notebook.page.title()

    first = notebook.output(0).locator(".cj-Answer")
    expect(first.locator(".cj-foot")).to_contain_text("$0.0134")
    for n in (1, 2):
        expect(notebook.output(n).locator(".cj-md").last).to_contain_text("The end.")
    expect(notebook.output(3)).to_contain_text("Parts.")
    page.wait_for_timeout(500)
    assert page.evaluate(LOOK) == []
    assert dialogs == []
    assert "ran" not in (title, page.title())
    assert notebook.watch.foreign == []

    before = page.evaluate(COUNT)
    first.locator(".cj-code").hover()
    for name in ("Copy", "Copy answer", "Insert below"):
        button = first.get_by_role("button", name=name, exact=True)
        expect(button).to_be_disabled()
        expect(button).to_have_attribute("title", "Trust this notebook first")
        button.dispatch_event("click")
    assert page.evaluate(COUNT) == before
    page.evaluate(TRUST)
    first.locator(".cj-code").hover()
    first.get_by_role("button", name="Insert below").click()
    assert page.evaluate(COUNT) == before + 1
    page.wait_for_timeout(300)
    assert page.evaluate(LOOK) == []
    assert dialogs == []
    assert notebook.watch.errors == []


@pytest.mark.parametrize("frontend", ["lab"], indirect=True)
def test_a_damaged_answer_is_shown_as_its_markdown(open_notebook, jupyter, frontend):
    server = jupyter(frontend)
    path = server.root / f"damaged-{frontend}.ipynb"
    newer, unknown, headless, blank, edited, longer = (
        answer(f"The *text* of {n}.", "And more.") for n in "abcdef"
    )
    newer[ANSWER]["version"] = 2
    unknown[ANSWER]["blocks"].append({"type": "hologram", "data": "x"})
    headless[ANSWER] = {"version": 1}
    blank[ANSWER] = None
    edited["text/markdown"] = "The *text* of e, cut"
    longer["text/markdown"] = "The *text* of f, by hand.\n\nAnd much more than there was, at the end: really."
    alone = answer("g")
    del alone["text/markdown"]
    alone["text/plain"] = "The text of g."
    nbformat.write(saved(newer, unknown, headless, blank, edited, longer, alone), path)
    notebook = open_notebook(path, kernel=False)
    for n, letter in enumerate("abcdef"):
        output = notebook.output(n)
        expect(output.locator("em").first).to_have_text("text")
        expect(output).to_contain_text(f"The text of {letter}")
        expect(output).to_contain_text("cut" if letter == "e" else "more")
    expect(notebook.output(6)).to_contain_text("The text of g.")
    assert notebook.watch.errors == []
    before = [cell.outputs for cell in notebook.read().cells]
    assert [cell.outputs for cell in notebook.save().cells] == before, "what cannot be read is kept as it is"
