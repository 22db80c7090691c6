"""Real JupyterLab and Notebook 7 servers, and a notebook in the browser: opened, run, stopped, saved, read.

The rules about waiting are those that cost time to find: the kernel is asked through the application, not by the
indicator in the toolbar, and a save is over when the file has changed.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import nbformat
from playwright.sync_api import (
    Browser,
    CDPSession,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    Playwright,
    WebSocket,
)
from playwright.sync_api import TimeoutError as PageTimeout

T = TypeVar("T")
Frontend = Literal["lab", "notebook7"]
TOKEN = "tests"
MODULES: dict[Frontend, str] = {"lab": "jupyterlab", "notebook7": "notebook"}
COLLABORATION = ("@jupyter/collaboration-extension", "@jupyter/docprovider-extension")
COLLABORATION_SERVER = ("jupyter_server_ydoc", "jupyter_server_fileid")
NOISE = ("favicon", "ResizeObserver loop", "net::ERR_ABORTED", "Could not restore the debugger state")


@dataclass(frozen=True, slots=True)
class Server:
    """A running Jupyter server; `root` is what it shows."""

    frontend: Frontend
    url: str
    root: Path
    log: Path

    def page(self, notebook: str) -> str:
        """The address of a notebook's page."""
        if self.frontend == "lab":
            return f"{self.url}/lab/tree/{notebook}?reset&token={TOKEN}"
        return f"{self.url}/notebooks/{notebook}?token={TOKEN}"

    def write(self, name: str, cells: Sequence[str]) -> Path:
        """A new notebook with these code cells and a kernelspec, so that no dialog asks for one."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        notebook.metadata["kernelspec"] = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        path = self.root / name
        nbformat.write(notebook, path)
        return path

    def end_kernels(self) -> None:
        """End every kernel of this server: a hundred idle ones would slow the next test down."""
        for kernel in json.loads(self._call("GET", "kernels")):
            with suppress(urllib.error.HTTPError):  # it has just ended by itself
                self._call("DELETE", f"kernels/{kernel['id']}")

    def _call(self, method: str, what: str) -> bytes:
        request = urllib.request.Request(f"{self.url}/api/{what}?token={TOKEN}", method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.read()


def chromium(playwright: Playwright) -> Browser:
    """The system's Chromium, or that of `CHROMIUM`; root may not have its sandbox."""
    root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return playwright.chromium.launch(
        executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"),
        args=[*root, "--disable-dev-shm-usage"],
    )


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def jupyter_server(
    frontend: Frontend,
    folder: Path,
    env: Mapping[str, str] | None = None,
    *,
    extension: bool = True,
    together: bool = False,
    overrides: Mapping[str, Any] | None = None,
    python: str = sys.executable,
) -> Generator[Server]:
    """A server with its own settings, workspaces and configuration; `extension=False` disables ours.

    `overrides` are settings by plugin (`overrides.json`), `env` what the kernels see besides the clean environment.
    `together` switches jupyter-collaboration on, which is off otherwise, although it is installed.
    `python` is the interpreter of another environment.
    """
    root = folder / "notebooks"
    environment = {**os.environ, **_folders(folder), **(env or {})}
    root.mkdir(parents=True, exist_ok=True)
    _settle(folder, extension, together, overrides or {})
    port = free_port()
    url, log_file = f"http://127.0.0.1:{port}", folder / "server.log"
    command = [python, "-m", MODULES[frontend], "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
    command += [
        f"--IdentityProvider.token={TOKEN}",
        f"--ServerApp.root_dir={root}",
        "--expose-app-in-browser",
    ]
    command += ["--ServerApp.terminals_enabled=False", *(["--allow-root"] if os.geteuid() == 0 else [])]
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            command, cwd=root, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        server = Server(frontend, url, root, log_file)
        try:
            _wait_until_up(server, process)
            yield server
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)


def _folders(folder: Path) -> dict[str, str]:
    names = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
        "CLAUDE_JUPYTER_DATA_DIR": "claude_jupyter",
    }
    for name in names.values():
        (folder / name).mkdir(parents=True, exist_ok=True)
    return {name: str(folder / path) for name, path in names.items()}


def _settle(folder: Path, extension: bool, together: bool, overrides: Mapping[str, Any]) -> None:
    """No prompt about news, which would cover a part of the page; our extension, and collaboration, on or off."""
    notices = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
    for plugin, settings in {"@jupyterlab/apputils-extension:notification": notices, **overrides}.items():
        package, _, name = plugin.partition(":")
        path = folder / "settings" / package / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))
    config = folder / "config" / "labconfig" / "page_config.json"
    config.parent.mkdir(parents=True, exist_ok=True)
    off = [*([] if extension else ["claude-jupyter"]), *([] if together else COLLABORATION)]
    config.write_text(json.dumps({"disabledExtensions": dict.fromkeys(off, True)}))
    parts = {"jpserver_extensions": dict.fromkeys(COLLABORATION_SERVER, together)}
    (folder / "config" / "jupyter_server_config.json").write_text(json.dumps({"ServerApp": parts}))


def _wait_until_up(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 90
    while True:
        try:
            with urllib.request.urlopen(f"{server.url}/api/status?token={TOKEN}", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"{server.frontend} did not start:\n{server.log.read_text()[-3000:]}"
                ) from None
            time.sleep(0.1)


@dataclass  # no slots: playwright puts its wrappers of the methods into the instance
class Watch:
    """What a page does besides showing: errors on its console, requests to other hosts, websocket traffic."""

    host: str
    errors: list[str] = field(default_factory=list[str])
    foreign: list[str] = field(default_factory=list[str])
    frames: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])

    def follow(self, page: Page) -> None:
        """Listen from now on."""
        page.on("console", self._console)
        page.on("pageerror", self._page_error)
        page.on("request", lambda request: self._request(request.url))
        page.on("websocket", self._websocket)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not any(noise in message.text for noise in NOISE):
            self.errors.append(f"{message.text} ({message.location.get('url', '')})")

    def _page_error(self, error: Error) -> None:
        # Notebook 7.6 throws this by itself at each load of a bare page, without any extension.
        if not ("reading 'schema'" in error.message and "/notebook_core." in (error.stack or "")):
            self.errors.append(error.message)

    def _request(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self.host:
            self.foreign.append(url)

    def _websocket(self, socket: WebSocket) -> None:
        self._request(socket.url)
        socket.on("framereceived", lambda data: self.frames.append((time.monotonic(), len(data))))


class Notebook:
    """A notebook open in the browser."""

    PANEL = "window.jupyterapp.shell.currentWidget"

    def __init__(self, page: Page, server: Server, path: Path) -> None:
        self.page = page
        self.server = server
        self.path = path
        self.watch = Watch(urlsplit(server.url).netloc)
        self.watch.follow(page)
        self._figures: CDPSession | None = None

    def open(self, *, kernel: bool = True) -> Notebook:
        """Load the page; wait for the notebook and, by default, for an idle kernel."""
        self.page.goto(self.server.page(self.path.relative_to(self.server.root).as_posix()))
        self.page.wait_for_function(
            f"() => window.jupyterapp && {self.PANEL}?.content?.widgets?.length", timeout=60_000
        )
        self.page.wait_for_function(f"() => {self.PANEL}.context.isReady", timeout=60_000)
        if kernel:
            self.wait_for_kernel()
        return self

    def wait_for_kernel(self) -> None:
        """Wait until the page is connected to an idle kernel."""
        kernel = f"{self.PANEL}.sessionContext.session?.kernel"
        connected = f"{kernel}?.connectionStatus === 'connected' && {kernel}?.status === 'idle'"
        self.page.wait_for_function(f"() => {connected}", timeout=60_000)

    def cell(self, index: int) -> Locator:
        """The cell as it is on the page."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook .jp-Cell").nth(index)

    def output(self, index: int) -> Locator:
        """The output area of a cell."""
        return self.cell(index).locator(".jp-Cell-outputArea")

    def start(self, index: int) -> None:
        """Run a cell as Ctrl+Enter does; do not wait."""
        self.page.evaluate(
            """index => {
                const { commands, shell } = window.jupyterapp;
                shell.currentWidget.content.activeCellIndex = index;
                shell.currentWidget.content.deselectAll();
                const runs = (window.testRuns ??= {});
                const run = (runs[index] = { done: false });
                commands.execute('notebook:run-cell').finally(() => { run.done = true; });
            }""",
            index,
        )

    def run(self, index: int, timeout: float = 60) -> None:
        """Run a cell and wait for its end."""
        self.start(index)
        self.wait_until_done(index, timeout)

    def wait_until_done(self, index: int | str, timeout: float = 60) -> None:
        """Wait until a started cell has ended, however it did."""
        state = f"[window.testRuns[index].done, {self.PANEL}.sessionContext.session.kernel.status]"
        try:
            self.page.wait_for_function(
                f"index => {state}.join() === 'true,idle'", arg=index, timeout=timeout * 1000
            )
        except PageTimeout as error:
            ended, status = self.page.evaluate(f"index => {state}", index)
            raise TimeoutError(f"within {timeout:.0f} s: ended {ended}, kernel {status}") from error

    def is_running(self, index: int) -> bool:
        """Whether a started cell has not ended. (The kernel's status also changes with messages of comms.)"""
        return not self.page.evaluate("index => window.testRuns[index].done", index)

    def interrupt(self) -> None:
        """The stop button of the toolbar."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:interrupt-kernel')")

    def save(self) -> nbformat.NotebookNode:
        """Save as Ctrl+S does; the file."""
        before = self.path.stat().st_mtime_ns
        # Not awaited by `evaluate`: a promise that is never kept would hang without a word.
        self.page.evaluate(
            """() => {
                window.testSaved = false;
                window.jupyterapp.commands.execute('docmanager:save').finally(() => { window.testSaved = true; });
            }"""
        )
        self.wait_for(lambda: self.page.evaluate("window.testSaved"), "the notebook was not saved")
        self.wait_for(lambda: self.path.stat().st_mtime_ns != before, "the notebook was not saved")
        try:
            self.page.wait_for_function(f"() => !{self.PANEL}.context.model.dirty", timeout=5000)
        except PageTimeout:  # the kernel's language came while it was saved, and is part of the file
            return self.save()
        return self.read()

    def wait_for(self, condition: Callable[[], T], message: str = "not seen within a minute") -> T:
        """Wait until `condition()` is true, while the page goes on; its value."""
        deadline = time.monotonic() + 60
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise TimeoutError(message)
            self.page.wait_for_timeout(50)
        return value

    def read(self) -> nbformat.NotebookNode:
        """The file as it is on disk, checked against the format."""
        notebook = nbformat.read(self.path, as_version=4)
        nbformat.validate(notebook)
        return notebook

    def metrics(self) -> dict[str, float]:
        """Chromium's own figures of the page (`TaskDuration`, `ScriptDuration`, `JSHeapUsedSize` …) since the first call."""
        if self._figures is None:
            self._figures = self.page.context.new_cdp_session(self.page)
            self._figures.send("Performance.enable")
        reply = self._figures.send("Performance.getMetrics")
        return {metric["name"]: metric["value"] for metric in reply["metrics"]}
