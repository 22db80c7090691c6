"""Hostile answers in the live view and in the saved one: nothing runs, and nothing is fetched from anywhere else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hostile import HOSTILE, LOOK, RUN, Dialogs, payloads
from playwright.sync_api import expect
from support.lab import Notebook

pytestmark = [
    pytest.mark.parametrize("frontend", ["lab"], indirect=True),
    pytest.mark.parametrize("extension", [True, False]),
]


def show_safely(notebook: Notebook, extension: bool) -> None:
    """Run the second cell's answer, live and saved and opened again: nothing of it runs or fetches."""
    shutil.copy(Path(__file__).with_name("by_hand.py"), notebook.server.root)
    dialogs, seen = Dialogs(notebook.page), notebook.server.root / "seen"
    seen.unlink(missing_ok=True)
    title = notebook.page.title()
    notebook.run(0)
    notebook.start(1)
    live = notebook.output(1).locator(".cj-Answer")
    expect(live).to_contain_text("The end.")
    assert notebook.page.evaluate(LOOK) == []
    seen.touch()
    notebook.wait_until_done(1)
    expect(notebook.output(1)).to_contain_text("The end.")
    notebook.page.wait_for_timeout(500)
    if extension:
        assert notebook.page.evaluate(LOOK) == []
    notebook.save()
    notebook.open(kernel=False)
    expect(notebook.output(1)).to_contain_text("The end.")
    notebook.page.wait_for_timeout(500)
    if extension:
        assert notebook.page.evaluate(LOOK) == []
    assert dialogs == []
    assert "ran" not in (title, notebook.page.title())
    assert notebook.watch.foreign == []


def test_nothing_in_an_answer_runs_or_fetches(open_notebook, extension):
    bad = HOSTILE[0]
    blocks = (
        {"type": "tool", "id": "t", "name": bad, "kind": "python", "input": {bad: bad}, "result": bad, "error": None, "seconds": 1},
        {"type": "tool", "id": "u", "name": "f", "kind": "python", "input": bad, "result": None, "error": bad, "seconds": 1},
        {"type": "citation", "n": 1, "title": bad, "url": f"javascript:{RUN}", "cited": bad},
        {"type": "notice", "level": "warning", "text": f"Mind: `{bad}` {bad}"},
    )  # fmt: skip
    text = "\n\n".join([*HOSTILE, "The end."])
    cells = [
        "import by_hand\nfrom claude_jupyter.answer.model import Attachment",
        f"by_hand.say({text!r}, thinking={bad!r}, blocks={blocks!r}, until='seen',"
        f" chunk=40, attachments=(Attachment({bad!r}, 'image', (), {bad!r}, 1, (1, 1), 'https://evil.example/t.png'),))",
    ]
    show_safely(open_notebook(cells, extension=extension), extension)


CORPUS = """
import json, by_hand
from claude_jupyter.answer.model import Attachment
payloads = json.load(open("payloads.json"))
blocks = []
for n, bad in enumerate(payloads):
    blocks += [
        {"type": "text", "text": bad},
        {"type": "thinking", "text": bad, "seconds": 1.0},
        {"type": "tool", "id": "t", "name": bad, "kind": "python", "input": {bad: bad}, "result": bad, "error": None, "seconds": 1},
        {"type": "tool", "id": "u", "name": "f", "kind": "python", "input": bad, "result": None, "error": bad, "seconds": 1},
        {"type": "citation", "n": n, "title": bad, "url": bad, "cited": bad},
        {"type": "citation", "n": n, "title": "x", "url": "https://example.org/" + bad, "cited": bad},
        {"type": "notice", "level": "warning", "text": bad},
    ]
blocks.append({"type": "text", "text": "The end."})
attached = tuple(Attachment(bad, "image", (), bad, 1, (1, 1), bad) for bad in payloads)
"""


def test_no_published_payload_runs_anywhere_in_an_answer(open_notebook, extension):
    corpus = payloads()
    assert len(corpus) > 150
    notebook = open_notebook(
        [CORPUS, "by_hand.say('First.', blocks=tuple(blocks), attachments=attached, until='seen')"],
        extension=extension,
    )
    (notebook.server.root / "payloads.json").write_text(json.dumps(corpus))
    show_safely(notebook, extension)
