"""A coding agent proposes cells in an open notebook: the SDK's own MCP client, `claude-jupyter mcp`, a real kernel, JupyterLab."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import Locator, expect
from support.lab import Notebook

pytestmark = pytest.mark.parametrize("frontend", ["lab"], indirect=True)

SALES = "sales = [10, 20]"
SOURCES = "() => window.jupyterapp.shell.currentWidget.content.widgets.map(cell => cell.model.sharedModel.getSource())"


class Agent:
    """An MCP client on a thread of its own, as an agent runs one."""

    def __init__(self, env: dict[str, str], pool: ThreadPoolExecutor, name: str) -> None:
        self._env, self._pool, self._name = env, pool, name

    def proposes(self, title: str, code: str) -> Future[Any]:
        """A call of `run_cell`; its result comes once the user has done something about the cell."""
        given = {"title": title, "code": code, "kernel": self._name}
        return self._pool.submit(lambda: asyncio.run(self._call("run_cell", given)))

    async def _call(self, tool: str, given: dict[str, Any]) -> Any:
        from mcp import ClientSession, StdioServerParameters, stdio_client

        command = StdioServerParameters(
            command=sys.executable, args=["-m", "claude_jupyter.cli", "mcp"], env=self._env
        )
        async with stdio_client(command) as (reading, writing), ClientSession(reading, writing) as session:
            await session.initialize()
            return await session.call_tool(tool, given)


class Open:
    """An open notebook and an agent that works in it."""

    def __init__(self, notebook: Notebook, agent: Agent) -> None:
        self.notebook, self.page, self.agent = notebook, notebook.page, agent
        self.waiting = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell.cj-Waiting")

    def sources(self) -> list[str]:
        found: list[str] = self.page.evaluate(SOURCES)
        return found

    def button(self, name: str) -> Locator:
        return self.waiting.get_by_role("button", name=name, exact=True)


@pytest.fixture
def opened(open_notebook: Callable[..., Notebook]) -> Iterator[Callable[..., Open]]:
    with ThreadPoolExecutor(3) as pool:

        def start(*more: str) -> Open:
            notebook = open_notebook(["%load_ext claude_jupyter", SALES, *more])
            notebook.run(0)
            notebook.run(1)
            folder = notebook.server.root.parent
            env = {
                "PATH": os.environ["PATH"],
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                "CLAUDE_JUPYTER_DATA_DIR": str(folder / "claude_jupyter"),
            }
            return Open(notebook, Agent(env, pool, notebook.path.name))

        yield start


def said(call: Future[Any]) -> str:
    result = call.result(60)
    return "\n".join(block.text for block in result.content if block.type == "text")


def test_a_proposed_cell_waits_below_and_its_outcome_goes_back(opened):
    here = opened("'the last cell'")
    call = here.agent.proposes("Total", "total = sum(sales)\nprint('it is', total)")
    expect(here.waiting).to_have_count(1)
    bar = here.waiting.get_by_role(
        "group", name="Your coding agent proposes: Total. reads sales · adds total"
    )
    expect(bar).to_be_visible()
    assert here.sources()[1:] == [
        SALES,
        "# Claude: Total\ntotal = sum(sales)\nprint('it is', total)",
        "'the last cell'",
    ]
    assert not call.done()
    here.button("Run").click()
    told = said(call)
    assert "it is 30" in told and "new: total" in told
    expect(here.waiting).to_have_count(0)
    expect(here.notebook.output(2)).to_contain_text("it is 30")
    saved = here.notebook.save()
    assert saved.cells[2].metadata["claude_jupyter"]["line"] == "reads sales · adds total"


def test_a_cell_may_be_edited_skipped_or_deleted(opened):
    here = opened()
    call = here.agent.proposes("Mean", "mean = sum(sales) / 2")
    here.waiting.locator(".cm-content").click()
    here.page.keyboard.press("ControlOrMeta+End")
    here.page.keyboard.type(" + 1\nmean")
    here.page.keyboard.press("Shift+Enter")
    told = said(call)
    assert "The user edited the cell" in told and "16.0" in told
    call = here.agent.proposes("No", "no = 1")
    here.button("Skip").click()
    assert said(call) == "The user did not run the cell. Nothing ran."
    expect(here.waiting).to_have_count(0)
    assert not any("no = 1" in source for source in here.sources())
    call = here.agent.proposes("Nor this", "nor = 1")
    expect(here.waiting).to_have_count(1)
    here.waiting.locator(".jp-InputPrompt").click()
    here.page.keyboard.press("Escape")
    here.page.keyboard.press("d")
    here.page.keyboard.press("d")
    assert said(call) == "The user did not run the cell. Nothing ran."


def test_two_agents_and_a_reload(opened):
    here = opened()
    first = here.agent.proposes("First", "a = 1\na")
    expect(here.waiting).to_have_count(1)
    second = here.agent.proposes("Second", "b = 2\nb")
    expect(here.waiting).to_have_count(2)
    here.notebook.save()
    here.notebook.open()
    expect(here.waiting).to_have_count(2)
    for _ in range(2):
        here.button("Run").first.click()
        here.notebook.wait_for_kernel()
    assert {"1", "2"} <= set((said(first) + said(second)).split())
    expect(here.waiting).to_have_count(0)
