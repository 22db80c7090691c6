"""Claude works in cells in JupyterLab: what it proposes stands below and waits; the cell is the user's to run, edit, answer or delete."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from playwright.sync_api import Locator, expect
from support.lab import Notebook

from claude_jupyter.demo.script import Call, Script

pytestmark = pytest.mark.parametrize("frontend", ["lab"], indirect=True)

LOAD = "%load_ext claude_jupyter\nsales = [10, 20]"
SOURCES = "() => window.jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.sharedModel.getSource())"


def proposal(title: str, code: str) -> Script:
    return Script(text=f"Next: {title}.", calls=[Call("run_cell", {"title": title, "code": code})])


def scripted(*steps: str | tuple[str, str]) -> Callable[[Any], Script]:
    """A model's replies in order: each a proposal (title, code) or a closing text."""
    replies = [Script(text=step) if isinstance(step, str) else proposal(*step) for step in steps]
    return lambda _body: replies.pop(0)


class Work:
    """A notebook in which Claude works."""

    def __init__(self, notebook: Notebook) -> None:
        self.notebook, self.page = notebook, notebook.page
        self.waiting = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell.cj-Waiting")

    def sources(self) -> Sequence[str]:
        return self.page.evaluate(SOURCES)

    def button(self, name: str) -> Locator:
        return self.waiting.get_by_role("button", name=name, exact=True)

    def waits(self, title: str) -> Locator:
        """The one cell that waits."""
        expect(self.waiting).to_have_count(1)
        expect(self.waiting.locator(".cm-content")).to_contain_text(f"# Claude: {title}")
        return self.waiting

    def ends(self, words: str) -> None:
        expect(self.page.get_by_text(words)).to_be_visible()
        expect(self.waiting).to_have_count(0)


@pytest.fixture
def work(open_notebook, service) -> Callable[..., Work]:
    """`work(question, *steps)`: the question is asked and the model answers with these steps."""

    def start(question: str, *steps: str | tuple[str, str], more: Sequence[str] = ()) -> Work:
        service(scripted(*steps))
        notebook = open_notebook([LOAD, question, *more])
        notebook.run(0)
        # The kernel knows of the page; before that it puts cells in as JupyterLab's next input.
        expect(notebook.page.locator("#jp-main-statusbar .cj-status-item")).to_be_visible()
        notebook.run(1)
        return Work(notebook)

    return start


def test_in_a_console_a_proposed_cell_is_shown_to_be_run(open_notebook, service):
    service(scripted(("sum", "total = sum(sales)"), "The total is 30."))
    notebook = open_notebook([LOAD])
    notebook.run(0)
    page = notebook.page
    page.evaluate(
        """async () => {
            const { commands, shell } = window.jupyterapp;
            const { path } = shell.currentWidget.context;
            const kernelPreference = { id: shell.currentWidget.sessionContext.session.kernel.id };
            await commands.execute('console:create', { path, kernelPreference, activate: true });
        }"""
    )
    console = page.locator(".jp-CodeConsole")
    prompt = console.locator(".jp-CodeConsole-input .cm-content")

    def run(source: str) -> None:
        prompt.click()
        prompt.fill(source)
        page.keyboard.press("Shift+Enter")

    expect(prompt).to_be_visible()
    run("%claude --do What is the total?")
    expect(console).to_contain_text("Claude proposes the next cell, below: reads sales · adds total.")
    code = console.locator(".jp-OutputArea pre code")
    expect(code).to_contain_text("total = sum(sales)")
    run(code.text_content() or "")
    expect(console).to_contain_text("The total is 30.")
    run("print('holds', total == 30)")
    expect(console).to_contain_text("holds True")
    assert page.locator(".jp-Cell.cj-Waiting").count() == 0
    assert notebook.watch.errors == []


def test_steps_are_run_edited_answered_and_taken_back(work):
    here = work(
        "%%claude --do sales\nTotal, then the mean.",
        ("total", "total = sum(sales)\ntotal"),
        ("mean", "mean = total / 2\nmean"),
        ("write", "open('total.txt', 'w').write(str(total))"),
        ("again", "half = total / 2"),
        "That is all.",
    )
    cell = here.waits("total")
    expect(cell.get_by_role("group", name="Claude proposes: total. reads sales · adds total")).to_be_visible()
    cell.locator(".cm-content").click()
    here.page.keyboard.press("Shift+Enter")
    here.waits("mean")
    expect(here.page.locator(".cj-foot", has_text="step 1 · you ran it · new: total")).to_be_visible()
    here.waiting.locator(".cm-content").click()
    here.page.keyboard.press("Control+End")
    here.page.keyboard.type(" + 1")
    here.button("Run").click()
    cell = here.waits("write")
    expect(here.page.locator(".cj-foot", has_text="step 2 · you edited and ran it")).to_be_visible()
    expect(cell.locator(".cj-strong").first).to_contain_text("writes total.txt")
    here.button("Skip").click()
    here.waits("again")
    assert "%claude Skip this step." in here.sources()
    assert not (here.notebook.path.parent / "total.txt").exists()
    here.button("Run").click()
    here.ends("That is all.")
    here.page.locator(".cj-status-item").click()
    expect(here.page.locator(".cj-q")).to_have_text(
        ["again", "Skip this step.", "mean", "total", "Total, then the mean."]
    )
    before = here.sources()
    undo = here.page.locator(".cj-undo-work")
    expect(undo).to_contain_text("undoes total, mean, half and 3 cells")
    undo.get_by_role("button").click()
    expect(undo).to_have_count(0)
    assert here.sources() == [*before[:2], "%claude Skip this step."]
    here.page.evaluate("() => window.jupyterapp.commands.execute('notebook:undo-cell-action')")
    here.notebook.wait_for(lambda: len(here.sources()) > 3)
    assert not here.notebook.watch.errors, "\n".join(here.notebook.watch.errors)


def test_keep_going_runs_what_only_reads_and_adds(work):
    here = work(
        "%%claude --do sales\nGo.",
        ("one", "a1 = sum(sales)"),
        ("two", "a2 = a1 + 1"),
        ("three", "sales.append(3)"),
        "Done.",
    )
    here.waits("one")
    here.button("Keep going").click()
    here.waits("three")
    expect(here.page.locator(".cj-foot", has_text="step 2 · it ran automatically")).to_be_visible()
    here.button("Stop").click()
    expect(here.waiting).to_have_count(0)
    assert here.sources()[-1].startswith("# Claude: three"), "what was proposed stays, as an ordinary cell"


def test_the_page_follows_a_work_that_keeps_going(work):
    here = work(
        "%%claude --do sales\nGo.",
        *((f"step {n}", "print(*range(60), sep='\\n')") for n in range(3)),
        ("last", "sales.append(3)"),
        "Done.",
    )
    here.waits("step 0")
    here.button("Keep going").click()
    expect(here.waits("last")).to_be_in_viewport()
    assert not here.notebook.watch.errors, "\n".join(here.notebook.watch.errors)


@pytest.mark.parametrize(
    "question",
    [
        "%load_ext claude_jupyter\n%%claude --do\nTotal.",
        "%load_ext claude_jupyter\n%claude --do Total.\n1 / 0",
    ],
    ids=["JupyterLab inserts it", "the asking cell fails afterwards"],
)
def test_a_cell_that_is_proposed_before_the_kernel_knows_the_page_comes_once(
    open_notebook, service, question
):
    service(scripted(("total", "total = sum([10, 20])\ntotal"), "The total is 30."))
    notebook = open_notebook([question, "'below'"])
    notebook.run(0)
    here = Work(notebook)
    cell = here.waits("total")
    expect(cell.get_by_role("button", name="Run", exact=True)).to_be_visible()
    assert here.sources()[1:] == ["# Claude: total\ntotal = sum([10, 20])\ntotal", "'below'"]
    here.button("Run").click()
    here.ends("The total is 30.")
    assert len(here.sources()) == 3
    assert notebook.watch.errors == []


def test_automatic_work_starts_in_the_cell_that_loads_the_extension(open_notebook, service):
    service(scripted(("total", "total = sum([10, 20])\ntotal"), "The total is 30."))
    notebook = open_notebook(["%load_ext claude_jupyter\n%%claude --do auto\nTotal."])
    notebook.run(0)
    here = Work(notebook)
    here.ends("The total is 30.")
    assert here.sources()[1].startswith("# Claude: total")


def test_the_work_goes_on_after_a_reload_with_and_without_a_save(work):
    here = work("%%claude --do sales\nGo.", ("one", "b1 = 1"), ("two", "b2 = 2"), "Done.")
    here.waits("one")
    here.notebook.save()
    here.notebook.open()
    here.waits("one")
    # An answer that is drawn late moves the button away from the click.
    expect(here.page.get_by_text("Next: one.")).to_be_visible()
    here.button("Run").click()
    here.waits("two")
    expect(here.page.get_by_text("step 1 · you ran it")).to_be_visible()
    here.notebook.open()  # the file does not know of the second cell
    here.waits("two")
    here.button("Run").click()
    here.ends("Done.")


def test_a_deleted_cell_is_the_users_and_comes_back_with_undo(work):
    here = work("%%claude --do sales\nGo.", ("one", "c1 = 1"), "Done.", "Another answer.", more=["x = 1"])
    here.waits("one").locator(".jp-InputPrompt").click()
    here.page.wait_for_timeout(600)  # JupyterLab joins what follows within half a second to one step of undo
    here.page.keyboard.press("d")
    here.page.keyboard.press("d")
    expect(here.waiting).to_have_count(0)
    here.page.wait_for_timeout(600)
    here.notebook.run(2)
    expect(here.waiting).to_have_count(0)
    assert not any("# Claude: one" in source for source in here.sources())
    here.page.evaluate("() => window.jupyterapp.commands.execute('notebook:undo-cell-action')")
    here.waits("one")
    here.button("Run").click()
    here.ends("Done.")


def test_a_correction_takes_the_place_of_the_cell_that_failed(work):
    here = work("%%claude --do sales\nGo.", ("sum", "sum(sale)"), ("sum again", "sum(sales)"), "It is 30.")
    here.waits("sum")
    here.button("Run").click()
    expect(here.waits("sum again").locator(".cj-proposal")).to_contain_text("Claude proposes a correction")
    expect(here.page.locator(".cj-foot", has_text=re.compile("step 1 .* failed: NameError"))).to_be_visible()
    here.button("Run").click()
    here.ends("It is 30.")
    here.notebook.wait_for(lambda: not any("sum(sale)" in source for source in here.sources()))
    assert [s.splitlines()[0] for s in here.sources()[2:]] == ["# Claude: sum again"]


def test_two_notebooks_do_not_mix(open_notebook, service):
    service(scripted(("left", "d1 = 1"), ("right", "d2 = 2"), "Right is done.", "Left is done."))
    works = [Work(open_notebook([LOAD, "%%claude --do\nGo."])) for _ in range(2)]
    for here, title in zip(works, ("left", "right"), strict=True):
        here.notebook.run(0)
        here.notebook.run(1)
        here.waits(title)
    works[1].button("Run").click()
    works[1].ends("Right is done.")
    works[0].waits("left")
    works[0].button("Run").click()
    works[0].ends("Left is done.")
