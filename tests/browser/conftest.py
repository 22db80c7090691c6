"""Fixtures for JupyterLab and Notebook 7 in Chromium: one server of each kind for the session, started when first asked for.

The browser's cache is the session's as well: a page of JupyterLab is 11 MB of scripts, fetched and compiled once. That needs a profile
on disk, since Chromium keeps no compiled scripts of a private window. Pages and kernels are a test's own, and end with it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.sync_api import BrowserContext, BrowserType, Error, Page, expect
from support.lab import Frontend, Notebook, Server, jupyter_server

from claude_jupyter.demo import server as demo
from claude_jupyter.demo.script import chooser

TEST_KEY = "test-key-of-the-browser-tests"
expect.set_options(timeout=30_000)  # the first question of a kernel waits for `import anthropic`
FRONTENDS: tuple[Frontend, ...] = ("lab", "notebook7")


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    return {
        **browser_type_launch_args,
        "executable_path": os.environ.get("CHROMIUM", "/usr/bin/chromium"),
        "args": [*(["--no-sandbox"] if root else []), "--disable-dev-shm-usage"],
    }


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "viewport": {"width": 1280, "height": 900}}


@pytest.fixture(scope="session")
def _one_context(
    browser_type: BrowserType,
    browser_type_launch_args: dict[str, Any],
    browser_context_args: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[BrowserContext]:
    # Its first page stays open, and empty: with the last one Chromium would end.
    profile = tmp_path_factory.mktemp("profile")
    context = browser_type.launch_persistent_context(
        profile, **browser_type_launch_args, **browser_context_args
    )
    yield context
    context.close()


@pytest.fixture
def context(
    _one_context: BrowserContext, jupyter: object, request: pytest.FixtureRequest, output_path: str
) -> Iterator[BrowserContext]:
    """The session's context, without pages, routes and permissions of another test. Its pages close before their kernels end."""
    yield _one_context
    if not getattr(request.node, "rep_call", request.node.rep_setup).passed:
        for n, page in enumerate(_one_context.pages[1:], 1):
            with suppress(Error):
                page.screenshot(path=Path(output_path) / f"test-failed-{n}.png", timeout=5000)
    for page in _one_context.pages[1:]:
        page.close()
    _one_context.unroute_all(behavior="ignoreErrors")
    _one_context.clear_permissions()


@pytest.fixture(scope="session")
def _one_service() -> Iterator[demo.DemoServer]:
    with demo.start() as server:
        yield server


@pytest.fixture
def service(_one_service: demo.DemoServer) -> Callable[..., demo.DemoServer]:
    """`service(replies, pace=…, first=…)` sets what is answered from now on; returns the server."""

    def answer(replies: Any, *, pace: float = 0.0, first: float = 0.0) -> demo.DemoServer:
        _one_service.script = chooser(replies)
        _one_service.pace, _one_service.first = pace, first
        _one_service.requests.clear()
        return _one_service

    answer("Yes.")
    return answer


@pytest.fixture(scope="session")
def _servers(
    tmp_path_factory: pytest.TempPathFactory, _one_service: demo.DemoServer
) -> Iterator[Callable[[Frontend, bool, bool], Server]]:
    env = {"ANTHROPIC_BASE_URL": _one_service.url, "ANTHROPIC_API_KEY": TEST_KEY}
    with ExitStack() as stack:

        @cache
        def get(frontend: Frontend, extension: bool, elsewhere: bool) -> Server:
            folder = tmp_path_factory.mktemp(frontend)
            return stack.enter_context(jupyter_server(frontend, folder, env, extension=extension))

        yield get


@pytest.fixture
def jupyter(_servers: Callable[[Frontend, bool, bool], Server]) -> Iterator[Callable[..., Server]]:
    """`jupyter(frontend, extension=…)`: a running server, the same one for the same question; its kernels end with the test.

    `elsewhere` is another machine's: nobody has run a cell there, or trusts a notebook.
    """
    used: dict[str, Server] = {}

    def get(frontend: Frontend, *, extension: bool = True, elsewhere: bool = False) -> Server:
        server = _servers(frontend, extension, elsewhere)
        return used.setdefault(server.url, server)

    yield get
    for server in used.values():
        server.end_kernels()


@pytest.fixture(params=FRONTENDS)
def frontend(request: pytest.FixtureRequest) -> Frontend:
    """Each test that asks for it runs in JupyterLab and in Notebook 7."""
    return request.param


class OpenNotebook(Protocol):
    """See `open_notebook`."""

    def __call__(self, cells: Sequence[str] | Path, server: Server | None = None, **how: Any) -> Notebook: ...


@pytest.fixture
def open_notebook(
    page: Page,
    context: BrowserContext,
    frontend: Frontend,
    jupyter: Callable[..., Server],
    request: pytest.FixtureRequest,
) -> OpenNotebook:
    """`open_notebook(cells)`: a new notebook with these cells, open in the browser with an idle kernel.

    The first one of a test is in `page`, each further one in a page of its own. A path instead of cells is opened as it is.
    """
    made = 0

    def make(cells: Sequence[str] | Path, server: Server | None = None, **how: Any) -> Notebook:
        nonlocal made
        made += 1
        server = server or jupyter(frontend, extension=how.pop("extension", True))
        name = "".join(c if c.isalnum() else "-" for c in f"{request.node.name}-{made}")
        path = cells if isinstance(cells, Path) else server.write(f"{name}.ipynb", cells)
        return Notebook(page if made == 1 else context.new_page(), server, path).open(**how)

    return make
