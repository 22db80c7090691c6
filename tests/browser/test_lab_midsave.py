"""A notebook saved in mid-answer holds what had arrived; in the end there is one output, the final one."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect
from support.asking import assert_durable
from support.kernel import ANSWER

from claude_jupyter.demo.script import Say, Script

LOAD = "%load_ext claude_jupyter"
ASK = "%%claude\nWrite some words."
WORDS = [f"word{i:03d} " for i in range(200)]
VIEWS = "() => [...document.querySelectorAll('.cj-Answer')].map(node => node.dataset.state + !!node.closest('.cj-Output'))"
COUNT = """() => {
  window.writes = 0;
  const { model } = window.jupyterapp.shell.currentWidget.content.widgets[1];
  model.sharedModel.changed.connect((_, change) => { writes += change.outputsChange ? 1 : 0; });
}"""


@pytest.fixture
def words(service):
    """An answer of about twenty seconds, which a slow machine needs to save; its code would run if it were not made harmless."""
    chunks = ("<img src=x onerror=alert(1)> [a](javascript:alert(1)) ", *WORDS)
    return service(Script(pieces=(Say(chunks=chunks),)), pace=0.1)


def outputs(saved):
    (output,) = saved.cells[1].outputs
    return output


def test_a_save_in_mid_answer_holds_what_had_arrived(open_notebook, words):
    notebook = open_notebook([LOAD, ASK])
    notebook.run(0)
    notebook.start(1)
    answer = notebook.output(1).locator(".cj-Answer")
    expect(notebook.output(1).locator(".cj-Output .cj-Answer")).to_contain_text("word020")
    assert notebook.is_running(1)
    output = outputs(notebook.save())
    assert set(output.data) == {ANSWER, "text/markdown", "text/plain"}
    for kind in ("text/markdown", "text/plain"):
        assert "word005 word006" in output.data[kind]
    told = output.data[ANSWER]
    assert (told["version"], told["complete"], told["model"] != "") == (1, False, True)
    (block,) = [block for block in told["blocks"] if block["type"] == "text"]
    text = output.data["text/markdown"][block["start"] : block["end"]]
    assert text.split()[-5:] == output.data["text/plain"].split()[-5:], (
        "the range is the text and nothing else"
    )
    assert "<img" not in output.data["text/markdown"]
    assert "](javascript" not in output.data["text/markdown"]
    assert "<img src=x onerror=alert(1)>" in output.data["text/plain"]
    assert output.metadata["claude_jupyter"]["live"] is True
    expect(answer).to_have_attribute("data-state", "live")
    expect(answer.locator(".cj-stop")).to_be_enabled()
    notebook.wait_until_done(1)
    expect(answer).to_have_attribute("data-state", "done")
    assert notebook.page.evaluate(VIEWS) == ["donetrue"]
    output = outputs(notebook.save())
    assert_durable(output.data)
    assert output.metadata == {}
    assert "word199" in output.data["text/plain"]
    assert "Unfinished" not in json.dumps(output)
    assert notebook.watch.errors == []


def test_nothing_is_written_when_nothing_arrives(open_notebook, service):
    service(Script(pieces=(Say(chunks=("Some words. ", *["later "] * 2)),)), pace=3.5)
    notebook = open_notebook([LOAD, ASK])
    notebook.run(0)
    notebook.page.evaluate(COUNT)
    notebook.start(1)
    expect(notebook.output(1).locator(".cj-Output .cj-Answer")).to_contain_text("Some words.")
    before = notebook.page.evaluate("writes")
    notebook.page.wait_for_timeout(2400)
    assert notebook.page.evaluate("writes") == before
    notebook.wait_until_done(1)
    outputs(notebook.save())


@pytest.mark.parametrize("frontend", ["lab"], indirect=True)
def test_a_page_closed_in_mid_answer_shows_what_had_arrived(open_notebook, words):
    notebook = open_notebook([LOAD, ASK])
    notebook.run(0)
    notebook.start(1)
    expect(notebook.output(1).locator(".cj-Output .cj-Answer")).to_contain_text("word020")
    notebook.save()
    notebook.page.goto("about:blank")
    notebook.page.wait_for_timeout(100)
    notebook.open(kernel=False)
    answer = notebook.output(1).locator(".cj-Answer")
    expect(answer).to_contain_text("<img src=x onerror=alert(1)>")
    expect(answer).to_contain_text("word199")  # the final one, once the kernel is done
    assert notebook.page.evaluate(VIEWS) == ["donetrue"]


@pytest.mark.parametrize("frontend", ["lab"], indirect=True)
def test_a_kernel_that_ends_in_mid_answer_leaves_what_had_arrived(open_notebook, words):
    notebook = open_notebook([LOAD, ASK])
    notebook.run(0)
    notebook.start(1)
    expect(notebook.output(1).locator(".cj-Answer")).to_contain_text("word010")
    notebook.page.evaluate("() => { window.jupyterapp.shell.currentWidget.sessionContext.restartKernel(); }")
    answer = notebook.output(1).locator(".cj-Answer")
    expect(answer).to_have_attribute("data-state", "stopped")
    expect(answer).to_contain_text("The kernel ended before the answer did")
    expect(answer.locator(".cj-stop")).to_have_count(0)
    output = outputs(notebook.save())
    assert "word009 word010" in output.data["text/plain"]
    assert output.data[ANSWER]["stop_reason"] == "stopped"


@pytest.mark.parametrize("frontend", ["lab"], indirect=True)
def test_the_table_of_contents_grows_with_the_answer(open_notebook, service):
    chunks = [f"## Part {i:02d}\n\n{'some words ' * 9}\n\n" for i in range(40)]
    service(Script(pieces=(Say(chunks=tuple(chunks)),)), pace=0.3)
    notebook = open_notebook([LOAD, ASK])
    notebook.run(0)
    notebook.page.evaluate("() => window.jupyterapp.commands.execute('toc:show-panel')")
    entries = notebook.page.locator(".jp-TableOfContents .jp-tocItem-content")
    notebook.start(1)
    expect(entries.filter(has_text="Part 05")).to_have_count(1)
    assert notebook.is_running(1)
    notebook.wait_until_done(1)
    expect(entries.filter(has_text="Part")).to_have_count(40)
    assert notebook.watch.errors == []
