"""An answer in the real frontends: it streams, it stays, nothing jumps, and no widget is left in the file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect
from support.lab import Notebook

MIME = "application/vnd.claude-jupyter.answer+json"
BY_HAND = Path(__file__).with_name("by_hand.py")
FRAMES = """() => {
  window.frames_ = [];
  const look = () => {
    const answer = document.querySelectorAll('.jp-Cell')[1]?.querySelector('.cj-Answer');
    const first = answer?.querySelector('.cj-md p');
    const parts = answer ? [...answer.querySelectorAll(':scope > *, .cj-md > *')] : [];
    if (first) frames_.push({ state: answer.dataset.state, height: answer.getBoundingClientRect().height,
                              parts: parts.map(part => `${part.className || part.tagName} ${part.getBoundingClientRect().height}`),
                              top: first.getBoundingClientRect().top, saved: !!answer.closest('.cj-Output') });
    requestAnimationFrame(look);
  };
  look();
}"""


@pytest.fixture
def by_hand(open_notebook):
    """`by_hand(code, …)`: a notebook whose first cell has imported `by_hand`, open, with these cells after it."""

    def make(*cells: str, **how) -> Notebook:
        notebook = open_notebook(["import by_hand", *cells], **how)
        shutil.copy(BY_HAND, notebook.server.root)
        notebook.run(0)
        return notebook

    return make


def test_an_answer_streams_and_stays(by_hand):
    notebook = by_hand("by_hand.say(thinking='Let me see.', hold=1)")
    notebook.start(1)
    answer = notebook.output(1).locator(".cj-Answer")
    expect(answer.locator(".cj-stop")).to_be_visible()
    expect(answer.locator(".cj-status")).to_contain_text("Thinking …")
    expect(answer).to_have_attribute("data-state", "live")
    expect(answer.locator(".cj-caret")).to_be_visible()
    expect(answer.locator(".cj-att").first).to_contain_text("1,600 × 1,000 · 2,088 tokens")
    expect(answer).to_contain_text("The last words.")
    notebook.wait_until_done(1)
    expect(answer).to_have_attribute("data-state", "done")
    expect(answer.locator(".cj-stop")).to_have_count(0)
    expect(answer.locator(".cj-caret")).to_have_count(0)
    expect(answer.locator(".cj-foot")).to_contain_text("5,528 in · 418 out · 35 % from cache$0.0134")
    expect(answer.locator("summary")).to_have_text("Thought for 4 s")
    expect(answer.locator("mjx-container")).to_have_count(3)
    shown = answer.inner_text().removesuffix("\nThe answer is complete")  # said once, when it is
    height = answer.bounding_box()["height"]

    saved = notebook.save()
    (output,) = saved.cells[1].outputs
    assert set(output.data) == {MIME, "text/markdown", "text/plain"}
    assert "widgets" not in saved.metadata
    assert output.metadata == {}

    notebook.open(kernel=False)
    again = notebook.output(1).locator(".cj-Answer")
    expect(again).to_contain_text("The last words.")
    expect(again.locator("mjx-container")).to_have_count(3)
    assert again.inner_text() == shown
    assert again.bounding_box()["height"] == pytest.approx(height, abs=1)
    assert notebook.watch.foreign == []
    assert notebook.watch.errors == []


def test_without_the_extension_the_widget_streams_and_markdown_stays(by_hand):
    notebook = by_hand("by_hand.say(hold=1)", extension=False)
    notebook.start(1)
    answer = notebook.output(1).locator(".cj-Answer")
    expect(answer).to_contain_text("The last words.")
    expect(answer.locator("math")).to_have_count(3)
    expect(answer.locator(".hljs-string").first).to_have_text('"store"')
    notebook.wait_until_done(1)
    expect(notebook.output(1).locator(".jp-RenderedMarkdown")).to_contain_text("The last words.")
    expect(answer).to_have_count(0)
    saved = notebook.save()
    assert set(saved.cells[1].outputs[0].data) == {MIME, "text/markdown", "text/plain"}
    assert "widgets" not in saved.metadata
    assert notebook.watch.foreign == []
    assert notebook.watch.errors == []


@pytest.mark.parametrize("frontend", ["lab"], indirect=True)
def test_the_end_moves_nothing(by_hand):
    notebook = by_hand("by_hand.say(until='formulas')", "1\n" * 60)
    notebook.page.evaluate(FRAMES)
    notebook.start(1)
    # The first formulas of a page wait for MathJax, and grow when they are set.
    expect(notebook.output(1).locator(".cj-Answer mjx-container")).to_have_count(3)
    (notebook.server.root / "formulas").touch()
    notebook.wait_until_done(1)
    expect(notebook.output(1).locator(".cj-Answer")).to_have_attribute("data-state", "done")
    notebook.page.wait_for_timeout(300)
    frames = notebook.page.evaluate("window.frames_")
    end = next(i for i, frame in enumerate(frames) if frame["state"] == "done")
    assert frames[end]["saved"], "the saved output stands there in the frame in which the answer ends"
    before, after = frames[end - 1], frames[end:]
    moved = [frame["parts"] for frame in after if frame["height"] != before["height"]]
    assert not moved, f"{moved[0]} came after {before['parts']}"
    assert {frame["top"] for frame in after} == {before["top"]}


@pytest.mark.parametrize("extension", [True, False])
def test_stop_interrupts_at_once(by_hand, extension):
    notebook = by_hand("by_hand.say('word ' * 2000, pace=0.05)", extension=extension)
    notebook.start(1)
    stop = notebook.output(1).locator(".cj-stop")
    expect(notebook.output(1)).to_contain_text("word word")
    stop.click()
    notebook.wait_until_done(1)
    expect(notebook.output(1)).to_contain_text("Stopped. What arrived is kept.")
    if extension:
        expect(notebook.output(1).locator(".cj-Answer")).to_have_attribute("data-state", "stopped")
        expect(notebook.output(1)).to_contain_text("≥ $0.0134")


@pytest.mark.parametrize("frontend", ["lab"], indirect=True)
def test_a_background_answer_is_stopped_by_a_message(by_hand):
    notebook = by_hand(
        "import threading, time\nstopped, begun = [], threading.Event()\n"
        "run = lambda: by_hand.say('word ' * 2000, pace=0.1, background=True, stopped=stopped, begun=begun)\n"
        "threading.Thread(target=run, daemon=True).start()\nbegun.wait(20)",
        "until = time.monotonic() + 60\nwhile not stopped and time.monotonic() < until: time.sleep(0.05)\nprint(stopped)",
    )
    notebook.run(1)
    notebook.output(1).locator(".cj-stop").click()
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("['stop']")


@pytest.mark.parametrize("frontend", ["lab"], indirect=True)
@pytest.mark.parametrize("extension", [True, False])
def test_the_code_crosses_once(by_hand, extension):
    notebook = by_hand("by_hand.say()", "by_hand.say(id='second')", "print(1)", extension=extension)
    received = []
    for cell in (1, 2):
        notebook.watch.frames.clear()
        notebook.run(cell)
        received.append(sum(size for _, size in notebook.watch.frames))
    assert received[0] > 150_000
    assert received[1] < 60_000


@pytest.mark.parametrize("frontend", ["lab"], indirect=True)
def test_saving_widget_state_saves_none_of_ours(by_hand, jupyter, tmp_path):
    from support.lab import jupyter_server

    settings = {"@jupyter-widgets/jupyterlab-manager:plugin": {"saveState": True}}
    with jupyter_server("lab", tmp_path / "lab", overrides=settings) as server:
        notebook = by_hand("by_hand.say()", "import ipywidgets\nipywidgets.IntSlider()", server=server)
        notebook.run(1)
        notebook.run(2)
        saved = notebook.save()
        state = json.dumps(saved.metadata.get("widgets", {}))
        assert "IntSlider" in state, "the setting works"
        assert "anywidget" not in state


@pytest.mark.parametrize("frontend", ["lab"], indirect=True)
def test_who_reads_further_up_is_left_alone(by_hand):
    notebook = by_hand("by_hand.say('A line of text.\\n\\n' * 120, pace=0.03, chunk=30)")
    page = notebook.page
    notebook.start(1)
    scroller = page.locator(".jp-WindowedPanel-outer")
    page.wait_for_function("() => document.querySelector('.jp-WindowedPanel-outer').scrollTop > 200")
    end = notebook.output(1).locator(".cj-foot")
    expect(end).to_be_in_viewport()
    scroller.evaluate("node => { node.scrollTop -= 150; }")
    page.wait_for_timeout(200)
    top = scroller.evaluate("node => node.scrollTop")
    page.wait_for_timeout(800)
    assert scroller.evaluate("node => node.scrollTop") == top
    notebook.wait_until_done(1)
    assert scroller.evaluate("node => node.scrollTop") == top


@pytest.mark.parametrize("frontend", ["lab"], indirect=True)
def test_code_is_copied_and_put_below(by_hand):
    notebook = by_hand("by_hand.say()")
    notebook.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    notebook.run(1)
    code = notebook.output(1).locator(".cj-code")
    code.hover()
    code.get_by_role("button", name="Copy").click()
    expect(code.get_by_role("button", name="Copied")).to_be_visible()
    assert notebook.page.evaluate("navigator.clipboard.readText()").startswith("open_days = sales")
    code.get_by_role("button", name="Insert below").click()
    saved = notebook.save()
    assert saved.cells[2].source.endswith("# closed")
    assert saved.cells[2].execution_count is None
