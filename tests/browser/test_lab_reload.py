"""A page reload in mid-answer loses nothing: the finished answer comes into its cell, by itself or by a button of the panel."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from support.asking import assert_durable
from support.kernel import ANSWER

from claude_jupyter.demo.script import Say, Script

pytestmark = pytest.mark.parametrize("frontend", ["lab"], indirect=True)

LOAD = "%load_ext claude_jupyter"
ASK = "%%claude\nWrite some words."
WORDS = [f"word{i:03d} " for i in range(100)]


@pytest.fixture
def words(service):
    """An answer that takes about twenty seconds to arrive, so that a slow machine can save meanwhile."""
    return service(Script(pieces=(Say(chunks=tuple(WORDS)),)), pace=0.2)


def answers(saved, cell=1):
    return [o.data for o in saved.cells[cell].outputs if ANSWER in o.get("data", {})]


@pytest.mark.parametrize("saved_before", [True, False], ids=["saved", "unsaved"])
def test_a_reload_in_mid_answer_loses_nothing(open_notebook, words, saved_before):
    notebook = open_notebook([LOAD, ASK])
    notebook.run(0)
    notebook.save()
    notebook.start(1)
    expect(notebook.output(1)).to_contain_text("word003")
    if saved_before:
        saved = notebook.save()
        assert saved.cells[1].outputs[0].metadata["claude_jupyter"]["id"]
    notebook.open(kernel=False)  # the reload
    expect(notebook.output(1)).to_contain_text("word099")
    expect(notebook.output(1).locator(".cj-Answer")).to_have_attribute("data-state", "done")
    expect(notebook.output(1).locator(".cj-Answer")).to_have_count(1)
    notebook.page.wait_for_timeout(500)
    (data,) = answers(notebook.save())
    assert_durable(data)
    assert data["text/plain"].split() == [word.strip() for word in WORDS]
    notebook.open(kernel=False)
    expect(notebook.output(1).locator(".cj-Answer")).to_have_count(1)
    expect(notebook.output(1)).to_contain_text("word099")


def test_the_panel_puts_an_answer_back(open_notebook, service):
    service("An answer of some words.")
    notebook = open_notebook([LOAD, ASK])
    notebook.run(0)
    notebook.run(1)
    page = notebook.page
    page.locator(".cj-status-item").click()
    panel = page.locator(".cj-Panel")
    expect(panel.locator("button.cj-turn")).to_have_count(1)
    back = panel.get_by_role("button", name="Put back into its cell")
    expect(back).to_have_count(0)
    page.evaluate(
        "() => { const { content } = window.jupyterapp.shell.currentWidget; content.widgets[1].model.outputs.clear(); }"
    )
    notebook.save()
    page.wait_for_timeout(
        8000
    )  # an answer that may have ended while the page was loading is put back by itself
    notebook.open()
    if not panel.is_visible():
        page.locator(".cj-status-item").click()
    back.click()
    expect(notebook.output(1)).to_contain_text("An answer of some words.")
    expect(back).to_have_count(0)
    (data,) = answers(notebook.save())
    assert_durable(data)
