"""The pytest fixtures around `Kernel` that the kernel and the wire tests share: import them in a `conftest.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.kernel import Kernel, running_kernel
from support.raw_server import RawServer, answer, raw_server

from claude_jupyter.demo import server as demo

KEY = "test-key-of-the-kernel-tests"
LOAD = "%load_ext claude_jupyter\nfrom claude_jupyter import claude"


def environment(url: str, **more: str) -> dict[str, str]:
    """What a kernel needs to ask the server at `url`; waits between tries are short by the server's word alone."""
    return {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_API_KEY": KEY, **more}


@pytest.fixture(scope="module")
def _module_server() -> Iterator[RawServer]:
    with raw_server() as server:
        yield server


@pytest.fixture
def server(_module_server: RawServer) -> RawServer:
    """A raw server that says "Yes." unless told otherwise: `server.reset(play, …)`."""
    _module_server.reset(answer())
    return _module_server


@pytest.fixture(scope="module")
def _module_kernel(tmp_path_factory: pytest.TempPathFactory, _module_server: RawServer) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("notebook")
    env = environment(_module_server.url, CLAUDE_JUPYTER_DATA_DIR=str(folder / "data"))
    with running_kernel(folder, env, LOAD) as kernel:
        yield kernel


@pytest.fixture
def kernel(_module_kernel: Kernel, server: RawServer) -> Kernel:
    """A kernel with the extension loaded, which asks `server`; shared by the module, its conversation cleared."""
    done = _module_kernel.run("claude.clear()")
    assert done.ok, done.error
    server.requests.clear()
    return _module_kernel


@pytest.fixture
def fresh_kernel(tmp_path: Path, server: RawServer) -> Iterator[Callable[..., Kernel]]:
    """`fresh_kernel(env, load=True, folder=…, forked=True)`: a kernel of this test alone, which asks `server`."""
    with ExitStack() as stack:

        def start(
            env: Mapping[str, str] | None = None,
            *,
            load: bool = True,
            folder: Path = tmp_path,
            forked: bool = True,
        ) -> Kernel:
            base = environment(server.url, CLAUDE_JUPYTER_DATA_DIR=str(tmp_path / "data"))
            code = LOAD if load else ""
            return stack.enter_context(running_kernel(folder, {**base, **(env or {})}, code, forked=forked))

        yield start


@pytest.fixture
def demo_server() -> Iterator[Callable[..., demo.DemoServer]]:
    """`demo_server(replies, pace=…, first=…)`: the demo model with a script, for what a raw server cannot do."""
    with ExitStack() as stack:

        def start(replies: Any = None, **how: Any) -> demo.DemoServer:
            return stack.enter_context(demo.start(replies, **how))

        yield start
