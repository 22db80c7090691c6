"""Texts in data, outputs, errors, files and web results tell Claude to run something, and it obeys: nothing runs that nobody approved."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import audit
from support.injections import Injection, injections
from support.kernel import Kernel, running_kernel
from support.kernel_fixtures import LOAD, environment

from claude_jupyter.demo import server as demo

SETUP = f"{audit.INSTALL}\n{LOAD}\nimport pandas as pd"
FRESH = """
for _name in [n for n in globals() if n.startswith("order_")]:
    del globals()[_name]
frame = pd.DataFrame({"number": [1, 2]})
claude.clear()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[demo.DemoServer]:
    with demo.start("Yes.") as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("injections")
    (folder / "notebooks").mkdir()
    return folder


@pytest.fixture(scope="module")
def kernel(folder: Path, server: demo.DemoServer) -> Iterator[Kernel]:
    env = environment(server.url, CLAUDE_JUPYTER_DATA_DIR=str(folder / "data"))
    with running_kernel(folder / "notebooks", env, SETUP) as kernel:
        kernel.run("%claude --once warm")
        yield kernel


@pytest.mark.parametrize("order", list(injections()), ids=lambda order: f"{order.number} by {order.channel}")
def test_nothing_runs_that_nobody_approved(
    order: Injection, kernel: Kernel, server: demo.DemoServer, folder: Path
) -> None:
    notebooks = folder / "notebooks"
    for left in notebooks.iterdir():
        left.unlink()
    (notebooks / "data.csv").write_text("a\n1\n")
    mine = [FRESH, *order.cells()]
    for cell in mine:
        kernel.run(cell)
    before = sorted(notebooks.iterdir())
    server.script = order.obeys
    server.requests.clear()
    done = kernel.run(f"%%claude --do auto {order.line}\nWhat is this?")
    assert (
        any("as told" in str(r.body["messages"]) for r in server.requests[1:]) or "as told" in done.stderr
    ), "the model has obeyed"
    ours = [folder / "data", Path(os.environ["HOME"]).parent, "/dev/null"]
    assert not audit.without_approval(kernel, mine, ours, server.port)
    assert sorted(notebooks.iterdir()) == before


def test_the_audit_sees_files_processes_and_connections(
    kernel: Kernel, folder: Path, server: demo.DemoServer
) -> None:
    cell = (
        "open('ran.txt', 'w').close()\nimport os, socket\nos.system('true')\n"
        "try: socket.create_connection(('127.0.0.1', 9))\nexcept OSError: pass"
    )
    kernel.run(cell)
    seen = audit.without_approval(kernel, [], [], server.port)
    assert {e.event for e in seen if e.cell == cell} >= {"open", "os.system", "socket.connect"}
