"""A page of JupyterLab that stays loaded from one test to the next: loading it costs more than most tests do.

Only its documents are closed in between. It goes on only after a test that passed and left nothing on it, and while it looks as it
did at its start.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page
from support.lab import TOKEN, Notebook, Server

LASTING = (
    *("add_init_script", "add_locator_handler", "add_script_tag", "add_style_tag", "emulate_media", "expose_binding"),
    *("expose_function", "goto", "on", "once", "reload", "route", "route_web_socket", "set_viewport_size"),
)  # fmt: skip
"""Methods of a page whose effects outlast a test, or that load it anew."""
OPEN = """path => void window.jupyterapp.commands.execute('docmanager:open', { path })"""
OTHERS = """path => [...window.jupyterapp.shell.widgets('main')]
    .forEach(widget => { if (widget.context?.path !== path) { widget.dispose(); } })"""
CLOSE = """() => {
    for (const widget of [...window.jupyterapp.shell.widgets('main')]) { widget.dispose(); }
    delete window.testRuns;
    delete window.testSaved;
}"""
LOOK = """async () => {
    const { serviceManager, shell } = window.jupyterapp;
    await serviceManager.sessions.refreshRunning();
    await serviceManager.kernels.refreshRunning();
    return JSON.stringify({
        areas: ['main', 'left', 'right', 'down'].map(area => [...shell.widgets(area)].map(widget => widget.title.label || widget.id)),
        shown: [...document.querySelectorAll('#jp-left-stack > *, #jp-right-stack > *')]
            .filter(node => node.getClientRects().length).map(node => node.id),
        collapsed: [shell.leftCollapsed, shell.rightCollapsed],
        mode: shell.mode,
        theme: document.body.dataset.jpThemeName,
        above: document.querySelectorAll('.jp-Dialog, .lm-Menu, .Toastify__toast, .jp-Completer:not(.lm-mod-hidden)').length,
        kernels: [[...serviceManager.sessions.running()].length, [...serviceManager.kernels.running()].length],
        folder: document.querySelector('.jp-BreadCrumbs')?.textContent,
        own: Object.keys(window).filter(name => name.startsWith('test')),
    });
}"""


class KeptPage:
    """The page of this session, if there is one."""

    def __init__(self) -> None:
        self.page: Page | None = None
        self._look = ""
        self._touched = False
        self._notebook: Notebook | None = None

    def open(self, context: BrowserContext, server: Server, path: Path, *, kernel: bool = True) -> Notebook:
        """The notebook in the kept page, or in a new one where that is not as it was."""
        if self.page is not None and self.page.evaluate(LOOK) != self._look:
            self.page.close()
            self.page = None
        if self.page is None:
            self.page = self._load(context, server)
            self._look = self.page.evaluate(LOOK)
        page = self.page
        page.mouse.move(0, 0)
        self._notebook = notebook = Notebook(page, server, path)
        self._touched = False  # by the notebook's own listeners, which go with it
        page.evaluate(OPEN, path.name)
        page.wait_for_function(
            f"path => {Notebook.PANEL}?.context?.path === path && {Notebook.PANEL}.context.isReady"
            f" && {Notebook.PANEL}.content.widgets.length",
            arg=path.name,
            timeout=60_000,
        )
        page.evaluate(OTHERS, path.name)
        if kernel:
            notebook.wait_for_kernel()
        return notebook

    def close_documents(self, passed: bool) -> None:
        """End a test: the page stays if the test passed and put nothing on it."""
        if self.page is None or self._notebook is None:
            return
        self._notebook.watch.leave(self.page)
        self._notebook = None
        if passed and not self._touched:
            self.page.evaluate(CLOSE)
        else:
            self.page.close()
            self.page = None

    def _load(self, context: BrowserContext, server: Server) -> Page:
        page = context.new_page()
        page.goto(f"{server.url}/lab?reset&token={TOKEN}")
        page.wait_for_function("() => window.jupyterapp", timeout=60_000)
        page.evaluate("() => window.jupyterapp.restored.then(() => null)")
        page.locator(".jp-Launcher").wait_for()
        page.locator(".jp-BreadCrumbs").wait_for()

        def noted(method: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **named: Any) -> Any:
                self._touched = True
                return method(*args, **named)

            return call

        for name in LASTING:
            setattr(page, name, noted(getattr(page, name)))
        return page
