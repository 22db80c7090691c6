"""A connection to one MCP server: started or contacted once, kept between questions, and never waited for without an end.

All of them live on one event loop in a thread of its own, because a kernel's own loop stands still while a cell runs.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import sys
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from claude_jupyter.client.mcp import line_limit
from claude_jupyter.client.mcp.content import ServerResult, received
from claude_jupyter.client.mcp.entry import ServerEntry
from claude_jupyter.client.transport import Stop
from claude_jupyter.errors import McpError, MissingExtraError
from claude_jupyter.interrupts import SafeEvent, locked, started, surely, uninterrupted

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")

START: Final = 60.0
"""Seconds for a server to start: the first time `npx` and `uvx` download it."""
MESSAGES: Final = 2_000
"""Messages that nobody asked for which a server may send during one call."""
TOOLS: Final = 200
_STEP: Final = 0.1
"""Seconds: waits on a lock cannot be interrupted on Windows (bugs.python.org/issue35935)."""
_TAIL: Final = 2_000
_CLOSING: Final = 8.0
"""Seconds: the SDK gives a server 2 to end by itself, and 2 after each signal."""


@dataclass(frozen=True, slots=True)
class ServedTool:
    """A tool as its server describes it.

    Attributes
    ----------
    read_only
        Whether the server says that it changes nothing.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    read_only: bool


class Connection:
    """A running server.

    Parameters
    ----------
    entry
        What to start or contact; the user has agreed to it.

    Raises
    ------
    McpError
        If it cannot be started or reached, or does not answer.
    """

    def __init__(self, entry: ServerEntry, stop: Stop | None = None) -> None:
        check_installed()
        self.entry = entry
        self._client: Any = None
        self._last_words = ""
        self._unasked = 0
        self._broken = ""
        self._ready = SafeEvent()
        self._ended = False
        self._loop = _loop()
        self._closing = asyncio.Event()
        config = entry.expanded()
        with uninterrupted():  # a future has a lock, which the loop needs too
            self._serving: Future[None] = asyncio.run_coroutine_threadsafe(self._serve(config), self._loop)
            self._serving.add_done_callback(self._over)
        _open.add(self)
        try:
            self._started(stop or Stop())
        except BaseException:
            self.close(wait=False)
            raise

    @property
    def alive(self) -> bool:
        """Whether it can be called, as far as is known."""
        return not self._broken and not self._ended

    def tools(self, stop: Stop | None = None) -> tuple[ServedTool, ...]:
        """The tools it has now, at most 200.

        Raises
        ------
        McpError
            If it does not answer.
        """
        return self._within(self._listed, stop or Stop())

    def call(self, tool: ServedTool, arguments: Mapping[str, Any], stop: Stop) -> ServerResult:
        """Call a tool.

        Raises
        ------
        McpError
            If the server ends, does not answer in time, floods us, or has changed the tool since it was offered.
        KeyboardInterrupt
            When the user stops.
        """
        self._unasked = 0
        self._held_to(tool, stop)
        return received(
            self._within(lambda: self._client.call_tool(tool.name, dict(arguments)), stop, tool.name)
        )

    def close(self, *, wait: bool = True) -> None:
        """End it: the program is stopped, the connection closed."""
        self._broken = self._broken or f"The MCP server {self.entry.name} was stopped."
        done = SafeEvent()
        with uninterrupted():
            _open.discard(self)
            self._loop.call_soon_threadsafe(self._closing.set)
            if not self._ready.is_set() or self._client is None:
                self._serving.cancel()
            self._serving.add_done_callback(lambda _: done.set())
        if wait:
            done.wait(_CLOSING)

    # -- on the loop ----------------------------------------------------------------------------------------------------

    async def _serve(self, config: Mapping[str, Any]) -> None:
        from mcp import Client
        from mcp.types import Implementation

        reading, writing = os.pipe()
        threading.Thread(
            target=self._overhear, args=(reading,), name="claude-mcp-stderr", daemon=True
        ).start()
        line_limit.too_long.set(self._endless)
        with os.fdopen(writing, "w") as errors:
            async with Client(
                _transport(config, self.entry, errors),
                client_info=Implementation(name="claude-jupyter", version=version("claude-jupyter")),
                message_handler=self._heard,
                cache=None,
            ) as client:
                self._client = client
                self._ready.set()
                await self._closing.wait()

    def _over(self, _serving: Future[None]) -> None:
        self._ended = True
        self._ready.set()

    async def _heard(self, message: Any) -> None:
        """A message that nobody asked for: a notification, a request, or a line that is none of the protocol."""
        self._unasked += 1
        if self._unasked > MESSAGES:
            self._break("sent too much data")
        await asyncio.sleep(0)

    def _endless(self) -> None:
        self._break("sent an endless line")

    def _break(self, what: str) -> None:
        if not self._broken:
            self._broken = f"The MCP server {self.entry.name} {what} and was stopped."
            self._closing.set()
            self._ready.set()

    async def _listed(self) -> tuple[ServedTool, ...]:
        tools: list[ServedTool] = []
        cursor: str | None = None
        while len(tools) < TOOLS:
            page = await self._client.list_tools(cursor=cursor)
            tools += [_served(tool) for tool in page.tools]
            cursor = page.next_cursor
            if not cursor or not page.tools:
                break
        return tuple(tools[:TOOLS])

    # -- waiting --------------------------------------------------------------------------------------------------------

    def _started(self, stop: Stop) -> None:
        until = time.monotonic() + max(START, self.entry.timeout)
        with stop.ringing(self._ready):
            while self._client is None and not self._ended and not self._broken:
                self._ready.wait(_STEP)
                if stop.requested:
                    raise KeyboardInterrupt
                if time.monotonic() > until:
                    raise McpError(
                        self._line(f"did not start within {until - time.monotonic() + START:.0f} s")
                    )
        if self._broken:
            raise McpError(self._broken)
        if self._client is None:
            with uninterrupted():
                reason = _reason(self._serving)
            raise McpError(self._line(reason))

    def _within(self, work: Callable[[], Awaitable[T]], stop: Stop, tool: str = "") -> T:
        if not self.alive:
            raise McpError(self._broken or self._line("has ended"))

        outcome: list[tuple[T, None] | tuple[None, BaseException]] = []
        done = SafeEvent()

        async def run() -> None:
            try:
                outcome.append((await work(), None))
            except (Exception, CancelledError) as error:
                outcome.append((None, error))
            done.set()

        until = time.monotonic() + self.entry.timeout
        with uninterrupted():
            future = asyncio.run_coroutine_threadsafe(run(), self._loop)
        try:
            with stop.ringing(done):
                while not outcome and not self._broken and not stop.requested and time.monotonic() < until:
                    done.wait(_STEP)
        finally:
            surely(future.cancel)
        if self._broken:
            raise McpError(self._broken)
        if stop.requested:
            raise KeyboardInterrupt
        if not outcome:
            self._broken = self._line(
                f"did not answer within {self.entry.timeout:g} s and was stopped; the next question starts it again"
            )
            self.close(wait=False)
            raise McpError(self._broken)
        value, error = outcome[0]
        if error is not None:
            raise self._failure(error, tool)
        return cast("T", value)

    def _failure(self, error: BaseException, tool: str) -> McpError:
        if _is_over(error):
            self._broken = self._line("has ended; the next question starts it again")
            self.close(wait=False)
            return McpError(self._broken)
        what = f"rejected the call to {tool}" if tool else "refused to list its tools"
        return McpError(f"The MCP server {self.entry.name} {what}: {_first_line(error)}")

    def _held_to(self, tool: ServedTool, stop: Stop) -> None:
        """What was offered to Claude, and allowed by the user, has to be what is called: servers may change their tools at any time."""
        now = {t.name: t for t in self.tools(stop)}.get(tool.name)
        if now != tool:
            what = "changed" if now is not None else "removed"
            raise McpError(
                f"The MCP server {self.entry.name} {what} its tool {tool.name} during this question; "
                "ask again to use its current tools."
            )

    def _overhear(self, reading: int) -> None:
        """What the program writes to standard error: the last of it may say why it ended."""
        with os.fdopen(reading, "rb", buffering=0) as pipe:
            while chunk := pipe.read(65_536):
                self._last_words = (self._last_words + chunk.decode("utf-8", "replace"))[-_TAIL:]

    def _line(self, what: str) -> str:
        words = [word.strip() for word in self._last_words.splitlines() if word.strip()]
        last_words = f' Its last output: "{words[-1][:200]}"' if words else ""
        return f"The MCP server {self.entry.name} {what}.{last_words}"


def check_installed() -> None:
    """Whether the extra is there.

    Raises
    ------
    MissingExtraError
        Naming it.
    """
    from importlib.util import find_spec

    if find_spec("mcp") is None:
        raise MissingExtraError('MCP servers need an extra: pip install "claude-jupyter[mcp]".')


def _transport(config: Mapping[str, Any], entry: ServerEntry, errors: Any) -> Any:
    if url := config.get("url"):
        headers = dict(config.get("headers") or {})
        if config.get("type") == "sse":
            from mcp.client.sse import sse_client

            return sse_client(url, headers=headers, httpx_client_factory=_http_client)
        return _streamable_http(url, headers, entry.timeout)
    from mcp.client.stdio import StdioServerParameters, stdio_client

    folder = entry.folder / config["cwd"] if config.get("cwd") else entry.folder
    return stdio_client(
        StdioServerParameters(
            command=config["command"],
            args=list(config.get("args") or ()),
            env=dict(config.get("env") or {}),
            cwd=folder,
            encoding=line_limit.ENCODING,
            encoding_error_handler="replace",
        ),
        errlog=errors,
    )


@asynccontextmanager
async def _streamable_http(url: str, headers: dict[str, str], timeout: float) -> AsyncGenerator[Any]:
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    async with (
        _http_client(headers, httpx2.Timeout(30, read=timeout + 30)) as client,
        streamable_http_client(url, http_client=client) as streams,
    ):
        yield streams


def _http_client(
    headers: dict[str, str] | None = None,
    timeout: httpx2.Timeout | None = None,
    auth: httpx2.Auth | None = None,
) -> httpx2.AsyncClient:
    """A client that reads no line without an end."""
    import httpx2

    report = line_limit.too_long.get()

    class Bounded(httpx2.AsyncByteStream):
        def __init__(self, stream: httpx2.AsyncByteStream) -> None:
            self._stream, self._line = stream, line_limit.Unfinished(report)

        async def __aiter__(self) -> AsyncGenerator[bytes]:
            async for data in self._stream:
                if not self._line.takes(data):
                    return
                yield data

        async def aclose(self) -> None:
            await self._stream.aclose()

    async def bound(response: httpx2.Response) -> None:
        response.stream = Bounded(cast("httpx2.AsyncByteStream", response.stream))

    return httpx2.AsyncClient(headers=headers, timeout=timeout, auth=auth, event_hooks={"response": [bound]})


def _served(tool: Any) -> ServedTool:
    hints = tool.annotations
    read_only = hints is not None and hints.read_only_hint is True
    return ServedTool(tool.name, tool.description or tool.title or "", dict(tool.input_schema), read_only)


def _is_over(error: BaseException) -> bool:
    """Whether the connection is gone, and not only this call."""
    from mcp.types import CONNECTION_CLOSED

    kinds = ("ClosedResourceError", "BrokenResourceError", "EndOfStream", "ConnectError")
    return (
        isinstance(error, CancelledError | ConnectionError)
        or type(error).__name__ in kinds
        or getattr(error, "code", None) == CONNECTION_CLOSED
    )


def _reason(serving: Future[None]) -> str:
    if serving.cancelled():
        return "was stopped before it started"
    error = serving.exception()
    if error is None or _is_over(_leaf(error)):
        why = _first_line(error) if error is not None else ""
        return f"ended before it was ready: {why}" if "stream failed" in why else "ended before it was ready"
    if isinstance(_leaf(error), FileNotFoundError):
        return "could not be started: there is no such program or folder"
    return f"could not be reached: {_first_line(error)}"


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        inner: Sequence[BaseException] = error.exceptions
        error = inner[0]
    return error


def _first_line(error: BaseException) -> str:
    lines = str(_leaf(error)).strip().splitlines()
    return (lines[0] if lines else type(_leaf(error)).__name__)[:300].rstrip(".")


_open: set[Connection] = set()
_lock = threading.Lock()
_thread: dict[str, Any] = {}


def _loop() -> asyncio.AbstractEventLoop:
    """The loop of all connections, made on first use."""
    with locked(_lock):
        if "loop" not in _thread:
            # Each line of a server that is not a message would be logged with a traceback, into the notebook.
            logging.getLogger("mcp.client").setLevel(logging.CRITICAL)
            loop = asyncio.ProactorEventLoop() if sys.platform == "win32" else asyncio.new_event_loop()
            started(threading.Thread(target=loop.run_forever, name="claude-mcp", daemon=True))
            atexit.register(_close_all)
            _thread["loop"] = loop
        return _thread["loop"]


def _close_all() -> None:
    connections = list(_open)
    for connection in connections:
        connection.close(wait=False)
    for connection in connections:
        connection.close()
