"""`claude-jupyter mcp`: a coding agent sees a user's kernels, by the MCP client of the SDK, against a real kernel."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.kernel import Kernel, running_kernel
from support.kernel_fixtures import LOAD

from claude_jupyter.client.mcp.connection import Connection
from claude_jupyter.client.mcp.content import ServerResult
from claude_jupyter.client.mcp.entry import entries
from claude_jupyter.client.transport import Stop
from claude_jupyter.errors import UsageError
from claude_jupyter.kernel.registration import registered
from claude_jupyter.mcp_server.kernels import KernelError, ask, chosen

HERE = Path(__file__).parent
COMMAND = [sys.executable, "-m", "claude_jupyter.cli", "mcp"]
TOKEN = "Zx9Kq2Lm7Rt4Vb8Nw3Yc6Hd1"
SETUP = f"""{LOAD}
import matplotlib; matplotlib.use("agg")
import matplotlib.pyplot as plt, pandas as pd
birds = pd.DataFrame({{"name": ["kanarienvogel %d" % i for i in range(40)], "length": range(40)}})
note = "The token is {TOKEN}."
fig, ax = plt.subplots(figsize=(40, 30)); _ = ax.plot([1, 3, 2])
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def kernel(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    env = {
        "CLAUDE_JUPYTER_DATA_DIR": str(data),
        "SERVICE_TOKEN": TOKEN,
        "JPY_SESSION_NAME": "work/birds.ipynb",
    }
    with running_kernel(tmp_path_factory.mktemp("notebook"), env, SETUP) as running:
        running.wait_for(lambda: list(registered(data)), 60, "never registered")
        yield running


@pytest.fixture(scope="module")
def agent(data: Path, kernel: Kernel) -> Iterator[Connection]:
    """A client of the server, as an agent has one."""
    env = {"CLAUDE_JUPYTER_DATA_DIR": str(data), "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    config = {"jupyter": {"command": COMMAND[0], "args": COMMAND[1:], "env": env}}
    connection = Connection(entries(config, "the test", data, trusted=True)["jupyter"])
    yield connection
    connection.close()


def call(agent: Connection, tool: str, **arguments: Any) -> ServerResult:
    found = next(t for t in agent.tools() if t.name == tool)
    return agent.call(found, arguments, Stop())


def text(received: ServerResult) -> str:
    return "\n".join(value for value in received.values if isinstance(value, str))


def test_the_tools_are_the_look_tools_kernels_and_run_cell(agent):
    tools = {t.name: t for t in agent.tools()}
    assert {"kernels", "variables", "show", "query", "cells", "help", "run_cell"} <= set(tools)
    assert {name for name, t in tools.items() if not t.read_only} == {"run_cell"}
    assert all("kernel" in t.schema["properties"] for name, t in tools.items() if name != "kernels")


def test_an_agent_sees_kernels_and_looks_around_without_naming_the_only_one(agent, kernel):
    listed = text(call(agent, "kernels"))
    assert "birds.ipynb" in listed and "work" not in listed
    assert "birds: " in text(call(agent, "variables", name="birds"))
    assert "kanarienvogel 39" in text(call(agent, "show", expression="birds", kernel="birds.ipynb"))
    assert "780" in text(call(agent, "query", sql="SELECT sum(length) FROM birds"))


def test_secrets_are_redacted_and_results_fenced(agent):
    shown = text(call(agent, "show", expression="note"))
    assert TOKEN not in shown and "[redacted SERVICE_TOKEN]" in shown
    assert shown.startswith("<attachment ")


def test_the_kernels_own_rows_hold(agent, kernel):
    assert kernel.run("%config ClaudeMagics.rows = 'none'").ok
    try:
        assert "kanarienvogel" not in text(call(agent, "show", expression="birds"))
        assert "kanarienvogel" not in text(call(agent, "query", sql="SELECT name FROM birds"))
    finally:
        assert kernel.run("%config ClaudeMagics.rows = '10'").ok


def test_a_plot_is_one_picture_of_at_most_1600_tokens(agent):
    from PIL import Image

    received = call(agent, "show", expression="fig")
    (picture,) = [value for value in received.values if isinstance(value, bytes)]
    width, height = Image.open(io.BytesIO(picture)).size
    assert -(-width // 28) * -(-height // 28) <= 1600
    assert base64.b64encode(picture)[:40].decode() not in text(received)


def test_looking_leaves_no_trace_in_the_kernel(agent, kernel):
    before = kernel.run("get_ipython().execution_count").reply["execution_count"]
    call(agent, "variables")
    after = kernel.run("1").reply["execution_count"]
    assert after == before + 1


def test_a_proposed_cell_waits_and_is_put_below_the_next_cell_where_no_page_is_open(agent, kernel):
    told = text(call(agent, "run_cell", title="Count the birds", code="count = len(birds)\ncount", wait=0))
    assert "below the next cell that the user runs" in told and "Nothing has run yet" in told
    done = kernel.run("'count' in dir()")
    (payload,) = done.reply["payload"]
    assert payload["source"] == "set_next_input"
    assert payload["text"] == "# Claude: Count the birds\ncount = len(birds)\ncount"
    assert not kernel.run("1").reply["payload"]
    assert kernel.run(payload["text"]).ok and kernel.value("count") == 40


class Proposing:
    """A call of `run_cell` that waits for the user, on a thread."""

    def __init__(self, agent: Connection, **arguments: Any) -> None:
        self._pool = ThreadPoolExecutor(1)
        self.call = self._pool.submit(call, agent, "run_cell", **arguments)

    def result(self) -> ServerResult:
        return self.call.result(60)


@pytest.fixture
def page(kernel: Kernel) -> Iterator[str]:
    """An open page's link, by its comm's id."""
    comm = kernel.open_comm("claude_jupyter", {"op": "hello", "protocol": 1, "cells": True})
    kernel.run("1", cell_id="above")
    yield comm
    close = kernel.client.session.msg("comm_close", {"comm_id": comm, "data": {}})
    kernel.client.shell_channel.send(close)
    kernel.run("1")


def waiting(kernel: Kernel, comm: str) -> list[dict[str, Any]]:
    """The cells that wait, as the page is told when it asks."""
    found: list[dict[str, Any]] = say(kernel, comm, op="state")["work"]["waiting"]
    return found


def states(messages: list[Any]) -> list[Any]:
    return [
        m.content["data"] for m in messages if m.type == "comm_msg" and m.content["data"].get("op") == "state"
    ]


def say(kernel: Kernel, comm: str, **data: Any) -> Any:
    """Say something as the page; the state that the kernel answers with."""
    before = len(kernel.heard())
    kernel.client.shell_channel.send(kernel.client.session.msg("comm_msg", {"comm_id": comm, "data": data}))
    (state,) = kernel.wait_for(lambda: states(kernel.heard()[before:]), message="no state came")
    return state


def step_of(kernel: Kernel, comm: str) -> dict[str, Any]:
    def one() -> dict[str, Any] | None:
        found = waiting(kernel, comm)
        return found[0] if found else None

    found: dict[str, Any] = kernel.wait_for(one, message="no cell waits")
    return found


def test_the_outcome_of_a_cell_that_the_user_ran_goes_back(agent, kernel, page):
    code = "longest = birds.length.max()\nprint('longest is', longest)\nlongest + 1"
    proposing = Proposing(agent, title="The longest", code=code)
    step = step_of(kernel, page)
    assert (step["agent"], step["after"], step["source"]) == (True, "above", f"# Claude: The longest\n{code}")
    assert step["line"] == "reads birds · adds longest"
    say(kernel, page, op="placed", work=step["work"], step=step["step"], cell="new")
    assert not kernel.run("2").reply["payload"]  # the page has put it in
    kernel.run("3")
    assert not proposing.call.done()
    assert kernel.run(step["source"], cell_id="new").ok
    told = proposing.result()
    assert (
        not told.error
        and "longest is 39" in text(told)
        and "40" in text(told)
        and "new: longest" in text(told)
    )
    assert waiting(kernel, page) == []


def test_what_was_edited_and_what_failed_is_told(agent, kernel, page):
    proposing = Proposing(agent, title="Half", code="half = 1 / 0")
    step = step_of(kernel, page)
    say(kernel, page, op="placed", work=step["work"], step=1, cell="edited")
    assert not kernel.run("# Claude: Half\nhalf = birds.lenght", cell_id="edited").ok
    told = proposing.result()
    assert told.error and "The user edited the cell" in text(told) and "AttributeError" in text(told)


@pytest.mark.parametrize(
    "said", [{"op": "work", "action": "stop"}, {"op": "placed", "cell": ""}], ids=["skipped", "deleted"]
)
def test_a_cell_that_the_user_does_not_want(agent, kernel, page, said):
    proposing = Proposing(agent, title="No", code="no = 1")
    step = step_of(kernel, page)
    say(kernel, page, work=step["work"], step=1, **said)
    assert text(proposing.result()) == "The user did not run the cell. Nothing ran."


def test_without_a_page_the_outcome_goes_back_too(agent, kernel):
    proposing = Proposing(agent, title="Sum", code="sum(birds.length)")
    source = kernel.wait_for(lambda: next((p["text"] for p in kernel.run("4").reply["payload"]), ""), 30, "")
    assert kernel.run(source).ok
    assert "780" in text(proposing.result())


def test_the_rows_of_an_outcome_are_held_back(agent, kernel, page):
    assert kernel.run("%config ClaudeMagics.rows = 'none'").ok
    try:
        proposing = Proposing(agent, title="Names", code="print(birds.name[3])")
        step = step_of(kernel, page)
        assert "kanarienvogel 3" in kernel.run(step["source"], cell_id="rows").stdout
        assert "kanarienvogel" not in text(proposing.result())
    finally:
        assert kernel.run("%config ClaudeMagics.rows = '10'").ok


def test_no_more_than_five_cells_wait(agent, kernel, page):
    for number in range(5):
        assert not call(agent, "run_cell", title=f"{number}", code="1", wait=0).error
    sixth = call(agent, "run_cell", title="6", code="1")
    assert (
        sixth.error
        and text(sixth) == "5 proposed cells are already waiting: let the user run or skip them first."
    )
    for step in waiting(kernel, page):
        say(kernel, page, op="work", work=step["work"], action="stop")
    assert waiting(kernel, page) == []


def test_an_agent_that_goes_waits_no_longer(data, kernel):
    env = {
        **os.environ,
        "CLAUDE_JUPYTER_DATA_DIR": str(data),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    server = subprocess.Popen(COMMAND, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdin is not None and server.stdout is not None
    client = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    arguments = {"title": "Gone", "code": "1", "wait": 3000}
    for message in (
        {"id": 1, "method": "initialize", "params": client},
        {"method": "notifications/initialized"},
        {"id": 2, "method": "tools/call", "params": {"name": "run_cell", "arguments": arguments}},
    ):
        server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        server.stdin.flush()
    assert b"instructions" in server.stdout.readline()
    source = kernel.wait_for(lambda: next((p["text"] for p in kernel.run("5").reply["payload"]), ""), 30, "")
    assert source == "# Claude: Gone\n1"
    server.stdin.close()
    with server.stdout:
        assert server.wait(10) == 0
    assert kernel.run(source).ok


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("run_cell", {"title": "No", "code": "1 +"}, "The cell is not Python"),
        ("run_cell", {"title": "No", "code": " "}, "The cell is empty"),
        ("show", {"expression": "bird"}, "birds"),
        (
            "show",
            {"expression": "birds", "kernel": "no-such"},
            "No running kernel 'no-such' has loaded the extension",
        ),
    ],
)
def test_what_goes_wrong_is_one_line(agent, tool, arguments, says):
    received = call(agent, tool, **arguments)
    assert received.error and says in text(received)
    assert len(text(received).splitlines()) == 1


def test_a_busy_kernel_is_one_line_and_does_not_act_later(data, kernel):
    cell = kernel.start("import time\nwhile not globals().get('go'): time.sleep(0.05)")
    cell.wait_for(lambda messages: any(m.type == "execute_input" for m in messages))
    try:
        with pytest.raises(KernelError, match="is busy: a cell has been running"):
            ask(chosen(data, None), "run_cell", {"title": "Late", "code": "1"}, wait=0.5)
    finally:
        kernel.interrupt()
        cell.finish()
    assert not kernel.run("2").reply["payload"]


def test_kernels_that_are_not_there(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="No running kernel of this user has loaded the extension"):
        chosen(tmp_path, None)
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    (runtime / "kernel-abc.json").write_text("{}")
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(runtime))
    with pytest.raises(UsageError, match="abc has not loaded the extension, or was restarted since"):
        chosen(tmp_path, "abc")


def test_a_kernel_that_was_restarted_is_known_no_more_and_its_file_is_removed(tmp_path):
    env = {"CLAUDE_JUPYTER_DATA_DIR": str(tmp_path / "data")}
    with running_kernel(tmp_path, env, LOAD) as kernel:
        (before,) = kernel.wait_for(lambda: list(registered(tmp_path / "data")), 60, "never registered")
        (file,) = (tmp_path / "data" / "kernels").glob("*.json")
        assert file.stat().st_mode & 0o777 == 0o600
        kernel.restart()
        with pytest.raises(KernelError, match="no longer has the extension loaded"):
            ask(before, "variables", {})
        assert list(registered(tmp_path / "data")) == []
        assert not file.exists()


def test_the_inspector_lists_and_calls(data, kernel):
    inspector = HERE / "node_modules/@modelcontextprotocol/inspector"
    program = inspector / json.loads((inspector / "package.json").read_text())["bin"]["mcp-inspector"]
    env = {
        **os.environ,
        "CLAUDE_JUPYTER_DATA_DIR": str(data),
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }
    said = subprocess.run(
        ["node", str(program), "--cli", "-e", f"CLAUDE_JUPYTER_DATA_DIR={data}", "-e", f"PYTHONPATH={env['PYTHONPATH']}",
         *COMMAND, "--method", "tools/call", "--tool-name", "variables", "--tool-arg", "name=birds"],
        env=env, capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert "birds" in json.loads(said.stdout)["content"][0]["text"], said.stderr
