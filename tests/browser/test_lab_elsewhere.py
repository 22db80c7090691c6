"""Where there is little to do: a kernel of another language, no kernel, a file that cannot be written. Nothing breaks."""

from __future__ import annotations

import json
import sys

import nbformat
import pytest
from playwright.sync_api import Page, Route, expect

BASH = {"name": "bash", "display_name": "Bash", "language": "bash"}
LOAD = "%load_ext claude_jupyter"
PROMPT, CODE = "text/x-claude-prompt", "text/x-ipython"
KINDS = "() => window.jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.mimeType)"
SOURCES = "() => window.jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.sharedModel.getSource())"
ASK = "() => window.jupyterapp.commands.execute('claude-jupyter:ask')"
SHOWN = """() => ['ask', 'fix', 'explain', 'stop'].filter(name => {
    const { commands } = window.jupyterapp;
    return commands.isVisible(`claude-jupyter:${name}`) && commands.isEnabled(`claude-jupyter:${name}`);
})"""
BUTTONS = ".jp-cell-toolbar [data-command^='claude-jupyter:']:visible"


@pytest.mark.parametrize("frontend", ["lab"], indirect=True)
def test_a_kernel_of_another_language_is_left_alone(open_notebook, jupyter, frontend):
    server = jupyter(frontend)
    spec = server.root.parent / "data" / "kernels" / "bash"
    spec.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-m", "bash_kernel", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, **BASH}))
    path = server.write(
        f"bash-{frontend}.ipynb", ["echo hello | tr a-z A-Z", "%%claude\nis not bash", "no_such"]
    )
    written = nbformat.read(path, as_version=4)
    written.metadata["kernelspec"] = BASH
    nbformat.write(written, path)
    notebook = open_notebook(path)
    page = notebook.page
    for cell in (0, 2):
        notebook.run(cell)
        assert page.evaluate(SHOWN) == []
        assert page.locator(BUTTONS).count() == 0
    expect(notebook.output(0)).to_contain_text("HELLO")
    expect(notebook.output(2)).to_contain_text("command not found")
    page.wait_for_timeout(500)
    assert page.evaluate(KINDS) == ["text/x-sh"] * 3
    assert notebook.cell(1).locator(".cj-magic, .cj-prompt").count() == 0
    expect(page.locator(".cj-status-item")).to_be_hidden()
    saved = notebook.save()
    assert [cell.source for cell in saved.cells] == [cell.source for cell in written.cells]
    assert "claude_jupyter" not in saved.metadata
    assert notebook.watch.errors == []


def test_without_a_kernel_questions_can_be_written(open_notebook, jupyter, frontend):
    server = jupyter(frontend)
    path = server.write(f"no-kernel-{frontend}.ipynb", ["1 + 1", "%%claude\nhello"])
    written = nbformat.read(path, as_version=4)
    del written.metadata["kernelspec"]
    nbformat.write(written, path)
    notebook = open_notebook(path, kernel=False)
    page = notebook.page
    page.locator(".jp-Dialog").get_by_role("button", name="No Kernel", exact=True).click()
    expect(page.locator(".jp-Dialog")).to_have_count(0)
    page.wait_for_function(f"() => ({KINDS})()[1] === '{PROMPT}'")
    page.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 0; }")
    assert page.evaluate(SHOWN) == ["ask"]
    page.evaluate(ASK)
    one, question, two = page.evaluate(SOURCES)
    assert [one, two] == ["1 + 1", "%%claude\nhello"]
    assert question.startswith(f"{LOAD}\n%%claude --cell ") and "1 + 1" not in question
    expect(page.locator(".cj-status-item")).to_be_hidden()
    notebook.save()
    assert notebook.watch.errors == []


@pytest.mark.parametrize("frontend", ["notebook7"], indirect=True)
def test_an_answer_in_a_read_only_notebook(open_notebook, page: Page, jupyter, service, frontend):
    service("An answer of some words.")
    server = jupyter(frontend)
    path = server.write(f"read-only-{frontend}.ipynb", [LOAD, "%%claude\nhello", "1"])
    before = path.read_bytes()

    def read_only(route: Route) -> None:
        # As for a file of somebody else's. (Permissions would not hold a test back that runs as root.)
        if route.request.method != "GET":
            return route.abort()
        response = route.fetch()
        return route.fulfill(response=response, json={**response.json(), "writable": False})

    page.route(f"**/api/contents/{path.name}?*", read_only)
    notebook = open_notebook(path)
    expect(page.locator(".jp-ToolbarLabelComponent", has_text="read-only")).to_be_visible()
    notebook.run(0)
    notebook.run(1)
    answer = notebook.output(1).locator(".cj-Answer")
    expect(answer).to_have_attribute("data-state", "done")
    expect(answer).to_contain_text("An answer of some words.")
    page.wait_for_timeout(500)
    assert path.read_bytes() == before
    assert (
        page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.content.model.getMetadata('claude_jupyter') ?? null"
        )
        is None
    )
    assert notebook.watch.errors == []
