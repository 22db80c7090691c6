"""Two people in one notebook (jupyter-collaboration): an answer is there once for both, also after a reload; the total is written once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, WebSocketRoute, expect
from support.asking import assert_durable
from support.kernel import ANSWER
from support.lab import Notebook, jupyter_server

from claude_jupyter.demo.script import Say, Script

LOAD = "%load_ext claude_jupyter"
ASK = "%%claude\nWrite some words."
WORDS = tuple(f"word{n:03d} " for n in range(80))
SHARED = "() => window.jupyterapp.shell.currentWidget.content.model.collaborative"
ANSWERS = f"""cell => window.jupyterapp.shell.currentWidget.content.widgets[cell].model.outputs.toJSON()
    .flatMap(output => output.data?.['{ANSWER}'] ?? [])"""
TOTAL = "() => window.jupyterapp.shell.currentWidget.content.model.getMetadata('claude_jupyter') ?? null"
KNOWS = "asked => document.querySelector('.cj-status-item')?.title.startsWith(asked)"
SAVE = """() => {
  window.saved = false;
  window.jupyterapp.commands.execute('docmanager:save').finally(() => { window.saved = true; });
}"""


class Line:
    """What a page tells the others of the document; held back, they do not hear of it."""

    def __init__(self, page: Page) -> None:
        self.held: list[tuple[WebSocketRoute, str | bytes]] | None = None
        page.route_web_socket(re.compile("/api/collaboration/room/"), self._connect)

    def _connect(self, socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def send(message: str | bytes) -> None:
            if self.held is None:
                server.send(message)
            else:
                self.held.append((server, message))

        socket.on_message(send)

    def release(self) -> None:
        held, self.held = self.held or [], None
        for server, message in held:
            server.send(message)


@pytest.fixture
def line(page: Page) -> Line:
    return Line(page)


@pytest.fixture
def pages(page: Page, context: BrowserContext, service: Any, tmp_path: Path) -> Iterator[list[Notebook]]:
    """One notebook of one server, open in two pages; an answer takes about four seconds."""
    model = service(Script(pieces=(Say.of(*WORDS),)), pace=0.05)
    env = {"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": "test-key-of-the-browser-tests"}
    with jupyter_server("lab", tmp_path / "lab", env, together=True) as server:
        path = server.write("ours.ipynb", [LOAD, ASK, ASK])
        both = [Notebook(p, server, path).open() for p in (page, context.new_page())]
        assert all(notebook.page.evaluate(SHARED) for notebook in both)
        both[0].run(0)
        yield both


def wait_for_one_answer(pages: list[Notebook], cell: int) -> None:
    """Both pages come to hold the same complete answer, once; drawn once."""
    for notebook in pages:
        expect(notebook.output(cell)).to_contain_text("word079")
        expect(notebook.output(cell).locator(".cj-Answer[data-state=done]")).to_have_count(1)
        expect(notebook.output(cell).locator(".cj-Answer")).to_have_count(1)
    one, two = (notebook.page.evaluate(ANSWERS, cell) for notebook in pages)
    assert one == two
    assert [answer["complete"] for answer in one] == [True]


def save(notebook: Notebook, until: str) -> None:
    """Save; where the server has just written the file too, JupyterLab asks which of the two is to stay, or does nothing."""
    page, ours = notebook.page, notebook.page.get_by_role("button", name="Overwrite")

    def saved() -> bool:
        page.evaluate(SAVE)
        notebook.wait_for(lambda: page.evaluate("window.saved") or (ours.is_visible() and ours.click()))
        return page.evaluate(until)

    notebook.wait_for(saved)


def test_an_answer_is_there_once_for_both(pages):
    one, two = pages
    one.start(1)
    for notebook in pages:
        expect(notebook.output(1)).to_contain_text("word010")
    one.wait_until_done(1)
    wait_for_one_answer(pages, 1)
    for notebook in pages:
        notebook.page.wait_for_function(KNOWS, arg="1 req")
    for notebook in pages:
        save(notebook, TOTAL)

    one.start(2)
    expect(two.output(2)).to_contain_text("word005")
    one.open(kernel=False)  # who asked reloads the page in mid-answer; the other one stays
    one.page.wait_for_timeout(
        6000
    )  # until the answer has ended, and each page has had time to put it in again
    wait_for_one_answer(pages, 2)
    totals = [notebook.page.evaluate(TOTAL) for notebook in pages]
    assert totals[0] == totals[1] and totals[0]["calls"] == 1
    two.page.wait_for_function(KNOWS, arg="2 req")
    save(two, f"() => ({TOTAL})().calls === 2")
    one.page.wait_for_function(f"() => ({TOTAL})().calls === 2")
    assert one.page.evaluate(TOTAL) == two.page.evaluate(TOTAL)
    # The server writes the file by itself.
    two.wait_for(lambda: all("word079" in str(c.outputs) for c in one.read().cells[1:3]))
    saved = one.read()
    for cell in (1, 2):
        (output,) = saved.cells[cell].outputs
        assert_durable(output.data)
        assert output.data["text/plain"].split() == [word.strip() for word in WORDS]
    assert two.watch.errors == []


def test_a_page_that_is_behind_with_its_outputs_gets_no_second_answer_beside_them(line, pages):
    one, two = pages
    one.start(1)
    for notebook in pages:
        expect(notebook.output(1)).to_contain_text("word010")
    line.held = []
    one.wait_until_done(1)
    two.page.wait_for_function(KNOWS, arg="1 req")
    two.page.wait_for_timeout(3000)  # it knows of the answer, and sees an unfinished one
    line.release()
    wait_for_one_answer(pages, 1)
    two.page.wait_for_timeout(1000)
    wait_for_one_answer(pages, 1)
    assert two.watch.errors == []
