"""The embedded offline model as a server on loopback, on the real wire format: `shared()` for the provider `demo`, `start()` for tests.

Standard library only. It answers by the scripts of `replies.py` (or of a test), refuses what the service refuses
(`oracle/request_rules.py`), and counts usage by the published caching rules. It never listens on anything but 127.0.0.1.
`CLAUDE_JUPYTER_DEMO_PACE` sets the seconds per chunk of `shared()` (0 for tests of notebooks).
Not here: what is said (`replies.py`), how it is framed (`sse.py`).
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from typing import Any, Final

from claude_jupyter.costs.usage import Usage
from claude_jupyter.demo.handler import Handler, Received
from claude_jupyter.demo.oracle.caching import Cache
from claude_jupyter.demo.oracle.rate_limits import Buckets, Limits
from claude_jupyter.demo.script import Body, Replies, Script, chooser
from claude_jupyter.interrupts import locked, started

PACE: Final = 0.014
"""Seconds per chunk of about one token: some 70 tokens a second."""
FIRST: Final = 0.6
"""Seconds before the first token."""


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    demo: DemoServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that left is nothing to print; anything else is a bug that the tests must see."""
        import sys

        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class DemoServer:
    """A running server; made by `start()`.

    Attributes
    ----------
    url
        `http://127.0.0.1:PORT`, for `base_url`.
    requests
        Everything that came, oldest first.
    """

    def __init__(
        self,
        script: Callable[[Body], Script],
        *,
        strict: bool,
        pace: float,
        first: float,
        clock: Callable[[], float],
        keep: int | None,
        limits: Limits,
    ) -> None:
        self.script = script
        self.strict = strict
        self.pace = pace
        self.first = first
        self.cache = Cache(clock)
        self.limits = Buckets(limits, clock)
        self.requests: list[Received] = []
        self.batches: dict[str, Any] = {}
        self.pid = os.getpid()
        self.closed = False
        self._keep = keep
        self._counted = Usage()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = _Listener(("127.0.0.1", 0), Handler)
        self._listener.demo = self
        self.port = int(self._listener.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._accept, name="claude-demo", daemon=True)
        started(self._thread)

    def _accept(self) -> None:
        # Instead of `serve_forever`, whose polling would tick in an idle kernel for good.
        while True:
            try:
                request, address = self._listener.get_request()
            except ConnectionError:  # it left before it was let in
                continue
            if self.closed:
                request.close()
                return
            self._listener.process_request(request, address)

    @property
    def usage(self) -> Usage:
        """The sum of all that was counted, for reconciliation with a ledger."""
        with locked(self._lock):
            return sum((r.usage for r in self.requests), self._counted)

    def count(self, usage: Usage) -> None:
        """Count what no single request here stands for: an answer of a batch."""
        with locked(self._lock):
            self._counted += usage

    def remember(self, received: Received) -> None:
        """Note a request; the shared server keeps the newest few only, as bodies may be large and kernels live long."""
        with locked(self._lock):
            self.requests.append(received)
            old = self.requests[: -self._keep] if self._keep is not None else []
            self._counted = sum((r.usage for r in old), self._counted)
            del self.requests[: len(old)]

    def connected(self, connection: socket.socket) -> None:
        """Note an open connection, so that `close()` can end it."""
        with locked(self._lock):
            self._open.add(connection)

    def disconnected(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with locked(self._lock):
            self._open.discard(connection)

    def close(self) -> None:
        """Stop listening and drop every connection."""
        if self.closed:
            return
        self.closed = True
        socket.create_connection(("127.0.0.1", self.port)).close()  # wakes `accept`
        self._thread.join()
        self._listener.server_close()
        with locked(self._lock):
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def __enter__(self) -> DemoServer:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def start(
    replies: Replies | None = None,
    strict: bool = True,
    *,
    pace: float = 0.0,
    first: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
    keep: int | None = None,
    limits: Limits = Limits(),
) -> DemoServer:
    """Start a server of one's own.

    Parameters
    ----------
    replies
        A script or text for every request, a list of them used up in order, or a function of the request's body; by default the
        demo's own honest answers.
    strict
        Whether requests that the service refuses are refused.
    pace, first
        Seconds per chunk of about a token, and before the first one.
    clock
        What the prompt cache takes for seconds.
    keep
        How many requests are remembered; None for all.
    limits
        What a minute allows; by default so much that nobody meets it.
    """
    if replies is None:
        from claude_jupyter.demo.replies import DemoReplies

        replies = DemoReplies()
    return DemoServer(
        chooser(replies), strict=strict, pace=pace, first=first, clock=clock, keep=keep, limits=limits
    )


_shared: DemoServer | None = None
_shared_lock = threading.Lock()


def shared() -> DemoServer:
    """The one server of this process, started when first asked for; another one after a fork."""
    global _shared
    with locked(_shared_lock):
        if _shared is None or _shared.closed or _shared.pid != os.getpid():
            pace = float(os.environ.get("CLAUDE_JUPYTER_DEMO_PACE") or PACE)
            _shared = start(pace=pace, first=FIRST if pace else 0.0, keep=3)
        return _shared


def _after_fork() -> None:
    # A fork may have copied the lock while another thread held it.
    global _shared, _shared_lock
    _shared, _shared_lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
