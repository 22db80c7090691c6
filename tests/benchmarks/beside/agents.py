"""Who works in a notebook for a scripted model: ours, and the alternatives' notebook tools, each in a real notebook and kernel.

A work is a list of codes: the first becomes a cell, each further one corrects it. Every question that is put to the user counts.
"""

from __future__ import annotations

import ast
import base64
import io
import json
import os
import re
import subprocess
import textwrap
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitResult
from PIL import Image
from playwright.sync_api import Browser, Error, Page
from support.kernel_fixtures import environment
from support.lab import TOKEN, Notebook, free_port, jupyter_server

from claude_jupyter.demo import server as demo
from claude_jupyter.demo.oracle.token_count import image_tokens
from claude_jupyter.demo.script import Call, Script
from claude_jupyter.models import facts

NOTEBOOK = "window.jupyterapp.shell.currentWidget"
USERS = (
    "import pandas as pd\nsales = pd.DataFrame({'region': ['North', 'South'], 'amount': [10, 20]})",
    "notes = 'mine'",
    "rest = 'mine as well'",
)
"""The user's own cells, which have run."""
Between = Callable[[], None]


def text_tokens(text: str) -> int:
    """Four characters a token, for everyone."""
    return round(len(text) / 4)


def picture_tokens(data: str) -> int:
    """Tokens of a base64 picture that reaches the model as a picture."""
    width, height = Image.open(io.BytesIO(base64.b64decode(data))).size
    return image_tokens(width, height, facts("claude-sonnet-5-5"))


def content_tokens(content: str | list[dict[str, Any]]) -> int:
    """Of a tool result of the Messages API."""
    if isinstance(content, str):
        return text_tokens(content)
    return sum(
        picture_tokens(b["source"]["data"]) if b["type"] == "image" else text_tokens(b["text"])
        for b in content
    )


class Agent(Protocol):
    """One way to let a model work in a notebook.

    Attributes
    ----------
    asked
        Questions to the user before something ran.
    told
        Tokens of what went back to the model.
    definitions
        Tokens of the tools' definitions, in each request.
    undo
        Takes the last work back; None where there is nothing to call.
    """

    asked: int
    told: int
    definitions: int
    undo: Callable[[], None] | None

    def play(self, *codes: str, at: int | None = None, between: Between = ..., approve: bool = True) -> None:
        """Let the model do it, a cell at the end or at this place; `between` happens before the correction."""
        ...

    def cells(self) -> list[str]:
        """The code cells of the notebook as the user has it."""
        ...

    def delete_first(self) -> None:
        """The user deletes the first cell."""
        ...

    def value(self, expression: str) -> Any:
        """Of the kernel."""
        ...


def nothing() -> None:
    """What happens in between, otherwise."""


class InLab:
    """What they share that work in JupyterLab: the page."""

    def __init__(self, notebook: Notebook) -> None:
        self.notebook, self.page = notebook, notebook.page
        self.asked = self.told = self.definitions = 0
        self.undo: Callable[[], None] | None = None

    def cells(self) -> list[str]:
        return self.page.evaluate(f"() => {NOTEBOOK}.content.model.sharedModel.cells.map(c => c.getSource())")

    def delete_first(self) -> None:
        self.page.evaluate(f"() => {NOTEBOOK}.content.model.sharedModel.deleteCell(0)")

    def value(self, expression: str) -> Any:
        told = self.page.evaluate(
            f"""async value => (await {NOTEBOOK}.sessionContext.session.kernel.requestExecute(
                {{ code: '', silent: true, user_expressions: {{ value }} }}).done).content.user_expressions.value""",
            expression,
        )
        return ast.literal_eval(told["data"]["text/plain"])


class Ours(InLab):
    """`%%claude --do` in JupyterLab."""

    def __init__(self, notebook: Notebook, server: demo.DemoServer) -> None:
        super().__init__(notebook)
        self.server = server
        self.run("%load_ext claude_jupyter\nfrom claude_jupyter import claude")
        self.undo = lambda: self.run("claude.undo();")

    def run(self, source: str) -> None:
        """A cell of the user's at the end."""
        index = self.page.evaluate(
            f"""source => {{ const model = {NOTEBOOK}.content.model;
                model.sharedModel.insertCell(model.cells.length, {{ cell_type: 'code', source }});
                return model.cells.length - 1; }}""",
            source,
        )
        self.notebook.run(index)

    def play(
        self, *codes: str, at: int | None = None, between: Between = nothing, approve: bool = True
    ) -> None:
        replies = [
            Script(text="Next.", calls=[Call("run_cell", {"title": f"cell {n}", "code": code})])
            for n, code in enumerate(codes)
        ]
        replies.append(Script(text="That is all."))
        self.server.script = lambda _body: replies.pop(0) if len(replies) > 1 else replies[0]
        self.server.requests.clear()
        self.run("%%claude --do\nGo.")
        waiting = self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell.cj-Waiting")
        for n in range(len(codes) if approve else 1):
            waiting.filter(has_text=f"cell {n}").wait_for()
            if n:
                between()
            self.asked += 1
            waiting.get_by_role("button", name="Run" if approve else "Skip", exact=True).click()
        self.notebook.wait_for(lambda: "That is all." in self.page.locator(".jp-Notebook").inner_text())
        self.page.wait_for_timeout(500)
        requests = [r.body for r in self.server.requests if r.path == "/v1/messages" and r.body]
        self.definitions = text_tokens(json.dumps(requests[-1]["tools"]))
        results = [b for m in requests[-1]["messages"] if m["role"] == "user" for b in m["content"]]
        told = [r["content"] for r in results if r.get("type") == "tool_result"]
        self.told = sum(map(content_tokens, told))


class Tools:
    """An MCP server's tools, called from this thread. Whatever the server asks the user is kept, and declined."""

    def __init__(self, portal: BlockingPortal, session: ClientSession, asked: list[str]) -> None:
        self.portal, self.session, self.asked = portal, session, asked
        tools = portal.call(session.list_tools).tools
        listed = [
            {"name": t.name, "description": t.description, "input_schema": t.input_schema} for t in tools
        ]
        self.definitions = text_tokens(json.dumps(listed))

    def call(self, name: str, **arguments: Any) -> tuple[str, int, dict[str, Any]]:
        """What the model reads, its tokens, and what only the client sees."""
        result = self.portal.call(self.session.call_tool, name, arguments)
        text = "\n".join(block.text for block in result.content if block.type == "text")
        pictures = [picture_tokens(block.data) for block in result.content if block.type == "image"]
        return text, text_tokens(text) + sum(pictures), dict(result.meta or {})


@contextmanager
def tools_of(transport: AbstractAsyncContextManager[Any]) -> Generator[Tools]:
    """A session with an MCP server."""
    asked: list[str] = []

    async def declined(_context: Any, params: Any) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="decline")

    with start_blocking_portal() as portal, portal.wrap_async_context_manager(transport) as streams:
        session = ClientSession(streams[0], streams[1], elicitation_callback=declined)
        with portal.wrap_async_context_manager(session):
            portal.call(session.initialize)
            yield Tools(portal, session, asked)


class JupyterMcp(InLab):
    """The cell tools of jupyter-mcp-server, in a notebook that is open in JupyterLab with collaboration.

    `by_id` corrects by the cell's id, which only the client is told, beside the result of `read_cell`; else by the index.
    """

    def __init__(self, notebook: Notebook, tools: Tools, *, by_id: bool) -> None:
        super().__init__(notebook)
        self.tools, self.by_id, self.definitions = tools, by_id, tools.definitions
        self.call("use_notebook", notebook_name="a", notebook_path=notebook.path.name, mode="connect")
        for index in range(len(USERS)):  # it brings a kernel of its own
            self.call("execute_cell", cell_index=index)
        self.told = 0

    def call(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool; what only the client sees."""
        _, tokens, meta = self.tools.call(name, **arguments)
        self.told += tokens
        self.asked = len(self.tools.asked)
        return meta

    def play(
        self, *codes: str, at: int | None = None, between: Between = nothing, approve: bool = True
    ) -> None:
        index = len(self.cells()) if at is None else at
        self.call("insert_execute_code_cell", cell_index=index, cell_source=codes[0])
        where: dict[str, Any] = {"cell_index": index}
        if self.by_id and len(codes) > 1:
            where = {"cell_id": self.call("read_cell", **where)["io.jupyter-mcp/cell_id"]}
        for code in codes[1:]:
            between()
            self.call("overwrite_cell_source", cell_source=code, **where)
            self.call("execute_cell", **where)
        self.page.wait_for_timeout(1000)

    def value(self, expression: str) -> Any:
        text, _, _ = self.tools.call("execute_code", code=f"print('<<' + repr({expression}) + '>>')")
        return ast.literal_eval(text.partition("<<")[2].partition(">>")[0])


class Chat:
    """A loopback server that speaks Chat Completions and calls the next tool of `steps` each time it is asked."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, dict[str, Any]]] = []
        self.index, self.ended, self.seen = 0, 0, list[dict[str, Any]]()
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                reply = json.dumps(chat.answer(body)).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """The next tool, or the end; the cell is the one that the last added cell is said to be."""
        self.seen.append(body)
        told = str(body["messages"][-1].get("content"))
        if added := re.search(r"^Added code cell at index (\d+)", told):
            self.index = int(added[1])
        message: dict[str, Any] = {"role": "assistant", "content": "Next."}
        if self.steps:
            name, arguments = self.steps.pop(0)
            arguments = {k: self.index if v is None else v for k, v in arguments.items()}
            function = {"name": name, "arguments": json.dumps(arguments)}
            message["tool_calls"] = [{"id": f"c{len(self.seen)}", "type": "function", "function": function}]
        else:
            self.ended += 1
        choice = {"index": 0, "finish_reason": "tool_calls" if "tool_calls" in message else "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        reply = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "usage": usage}
        return {**reply, "choices": [{**choice, "message": message}]}


class Intelligence(InLab):
    """notebook-intelligence's agent with its tools *Notebook edit* and *Notebook execute*, in its chat in JupyterLab."""

    def __init__(self, notebook: Notebook, chat: Chat) -> None:
        super().__init__(notebook)
        self.chat, page = chat, self.page
        page.add_style_tag(content=".nbi-tour-root { display: none !important; }")  # its tour comes late
        page.evaluate("() => window.jupyterapp.shell.activateById('notebook-intelligence-tab')")
        page.locator(".chat-mode-select").select_option("agent")
        page.locator(".tools-button").click()
        for name in ("Notebook edit", "Notebook execute"):
            page.locator(".mode-tools-popover .checkbox-item-header", has_text=name).click()
        page.locator(".mode-tools-popover-done-button").click()

    def say(self, *steps: tuple[str, dict[str, Any]]) -> None:
        """A message in the chat, and what the model does about it."""
        self.chat.steps[:], ended, seen = steps, self.chat.ended, len(self.chat.seen)
        self.page.get_by_placeholder("Ask Notebook Intelligence...").fill("Go.")
        self.page.keyboard.press("Enter")

        def over() -> bool:
            no = self.page.get_by_role("button", name="Cancel", exact=True)
            if self.page.get_by_role("button", name="Approve", exact=True).count() and no.count():
                self.asked += 1
                no.click()
                return True
            return self.chat.ended > ended

        self.notebook.wait_for(over)
        self.page.wait_for_timeout(1000)
        self.definitions = text_tokens(json.dumps(self.chat.seen[-1]["tools"]))
        new = self.chat.seen[-1]["messages"][len(self.chat.seen[seen]["messages"]) :]
        self.told += sum(text_tokens(str(m["content"])) for m in new if m["role"] == "tool")

    def play(
        self, *codes: str, at: int | None = None, between: Between = nothing, approve: bool = True
    ) -> None:
        run = (("run_cell", {"cell_index": None}), ("get_cell_output", {"cell_index": None}))
        if at is None:
            self.say(("add_code_cell", {"source": codes[0]}), *run)
        else:
            self.chat.index = at
            self.say(("insert_cell", {"cell_index": at, "cell_type": "code", "source": codes[0]}), *run)
        for code in codes[1:]:
            between()
            where = {"cell_index": None, "cell_type": "code", "source": code}
            self.say(("set_cell_type_and_source", where), *run)


class Marimo:
    """marimo's MCP server in code mode: the model edits the notebook by code, which runs beside the notebook's cells."""

    CELLS = "import marimo._code_mode as cm\nctx = cm.get_context()\n"

    def __init__(self, page: Page, tools: Tools) -> None:
        self.page, self.tools, self.definitions = page, tools, tools.definitions
        self.asked = self.told = 0
        self.undo: Callable[[], None] | None = None
        page.wait_for_timeout(5000)
        listed, _, _ = tools.call("list_sessions")
        self.session = json.loads(listed)["sessions"][0]["session_id"]
        self.edit("for cell in ctx.cells: ctx.run_cell(cell.id)")

    def run(self, code: str) -> str:
        """Code beside the notebook; what it prints."""
        text, tokens, _ = self.tools.call("execute_code", session_id=self.session, code=code)
        self.told += tokens
        self.asked = len(self.tools.asked)
        return "".join(json.loads(text)["stdout"])

    def edit(self, line: str) -> str:
        """Change the notebook."""
        return self.run(f"{self.CELLS}async with ctx:\n    {line}")

    def play(
        self, *codes: str, at: int | None = None, between: Between = nothing, approve: bool = True
    ) -> None:
        where = "" if at is None else f", before=ctx.cells[{at}].id"
        told = self.edit(f"ctx.run_cell(ctx.create_cell({codes[0]!r}{where}))")
        cell = re.findall(r"created and ran cell '(\w+)'", told)[0]
        for code in codes[1:]:
            between()
            self.edit(f"ctx.edit_cell({cell!r}, {code!r}); ctx.run_cell({cell!r})")
        self.run(f"{self.CELLS}print(ctx.cells[{cell!r}].output and ctx.cells[{cell!r}].output.data)")

    def cells(self) -> list[str]:
        return self.value("[cell.code for cell in ctx.cells]")

    def delete_first(self) -> None:
        told = self.told
        self.edit("ctx.delete_cell(ctx.cells[0].id)")
        self.told = told

    def value(self, expression: str) -> Any:
        told = self.told
        text = self.run(f"{self.CELLS}print('<<' + repr({expression}) + '>>')")
        self.told = told
        return ast.literal_eval(text.partition("<<")[2].partition(">>")[0])


@contextmanager
def lab(
    browser: Browser, folder: Path, python: Path, env: Mapping[str, str], **how: bool
) -> Generator[Notebook]:
    """JupyterLab of an environment with the user's notebook, its cells run."""
    with jupyter_server("lab", folder, env, python=str(python), **how) as server:
        page = browser.new_page()
        notebook = Notebook(page, server, server.write("a.ipynb", USERS)).open()
        for index in range(len(USERS)):
            notebook.run(index)
        yield notebook
        page.close()


@contextmanager
def ours(browser: Browser, folder: Path, python: Path) -> Generator[Agent]:
    """Of this package."""
    with demo.start("Yes.") as server, lab(browser, folder, python, environment(server.url)) as notebook:
        yield Ours(notebook, server)


@contextmanager
def jupyter_mcp(browser: Browser, folder: Path, python: Path, *, by_id: bool = False) -> Generator[Agent]:
    """Of jupyter-mcp-server, its own process over stdio, with pictures as its documentation has them."""
    with lab(browser, folder, python, {}, together=True) as notebook:
        variables = {"JUPYTER_URL": notebook.server.url, "JUPYTER_TOKEN": TOKEN, "ALLOW_IMG_OUTPUT": "true"}
        command = StdioServerParameters(
            command=str(python.parent / "jupyter-mcp-server"), env={**os.environ, **variables}
        )
        with (folder / "mcp.log").open("w") as log, tools_of(stdio_client(command, log)) as tools:
            yield JupyterMcp(notebook, tools, by_id=by_id)


@contextmanager
def intelligence(browser: Browser, folder: Path, python: Path) -> Generator[Agent]:
    """Of notebook-intelligence, with a model that its provider for OpenAI-compatible servers reaches."""
    chat = Chat()
    values = {"api_key": "k", "model_id": "m", "base_url": f"http://127.0.0.1:{chat.server.server_port}/v1"}
    properties = [
        {"id": key, "name": key, "description": "", "value": value, "optional": False}
        for key, value in values.items()
    ]
    model = {
        "provider": "openai-compatible",
        "model": "openai-compatible-chat-model",
        "properties": properties,
    }
    config = folder / "home" / ".jupyter" / "nbi" / "config.json"
    config.parent.mkdir(parents=True)
    none = {"provider": "none", "model": "none"}
    config.write_text(json.dumps({"chat_model": model, "inline_completion_model": none}))
    with lab(browser, folder, python, {"HOME": str(folder / "home")}) as notebook:
        yield Intelligence(notebook, chat)
    chat.server.shutdown()


@contextmanager
def marimo(browser: Browser, folder: Path, python: Path) -> Generator[Agent]:
    """Of marimo, with its page open."""
    root = folder / "notebooks"
    root.mkdir(parents=True)
    cells = "".join(
        f"\n\n@app.cell\ndef _():\n{textwrap.indent(code, '    ')}\n    return\n" for code in USERS
    )
    (root / "a.py").write_text(f"import marimo\n\napp = marimo.App()\n{cells}")
    port = free_port()
    words = ["edit", "a.py", "--mcp", "code-mode", "--no-token", "--headless", "--port", str(port)]
    with (folder / "marimo.log").open("w") as log:
        server = subprocess.Popen([python, "-m", "marimo", "-y", *words], cwd=root, stdout=log, stderr=log)
        try:
            page = browser.new_page()
            for _ in range(60):
                with suppress(Error):
                    page.goto(f"http://127.0.0.1:{port}")
                    break
                time.sleep(0.5)
            with tools_of(streamable_http_client(f"http://127.0.0.1:{port}/mcp/server")) as tools:
                yield Marimo(page, tools)
            page.close()
        finally:
            server.terminate()
            server.wait(15)
