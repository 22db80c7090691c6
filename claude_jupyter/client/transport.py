"""One request on its own thread, so that whoever waits for it can always be stopped.

The thread only reads and gathers; nothing it does needs to be undone. The waiting side (a cell, a background thread, a coroutine's
worker) wakes by the clock or at arrival, and leaves whenever it likes: `abandon` shuts the socket down, which is the only way to wake
a blocked `recv` (closing the response does not).
"""

from __future__ import annotations

import contextlib
import math
import socket
import threading
from collections.abc import Callable, Generator
from typing import Any, TypeVar, cast

from claude_jupyter.client.sdk_errors import unreadable
from claude_jupyter.client.stream import Accumulator
from claude_jupyter.interrupts import SafeEvent, interruptible, started

T = TypeVar("T")

_local = threading.local()


class AbandonedError(BaseException):
    """Raised inside the wire's own thread to end a request that nobody waits for; never seen outside."""


class Stop:
    """A wish to stop that any thread may express; whoever waits on a wire with it wakes at once."""

    def __init__(self) -> None:
        self._requested = False
        self._bells: list[SafeEvent] = []

    def request(self) -> None:
        """Ask to stop. Safe from any thread and from a signal or comm handler."""
        self._requested = True
        for bell in list(self._bells):
            bell.set()

    @property
    def requested(self) -> bool:
        """Whether someone asked."""
        return self._requested

    @contextlib.contextmanager
    def ringing(self, bell: SafeEvent) -> Generator[None]:
        """Ring `bell` too when asked, for as long as the block runs."""
        self._bells.append(bell)
        try:
            if self._requested:
                bell.set()
            yield
        finally:
            self._bells.remove(bell)

    def sleep(self, seconds: float) -> bool:
        """Sleep, but wake when asked to stop; whether it was asked."""
        bell = SafeEvent()
        with self.ringing(bell), interruptible():
            bell.wait(seconds)
        return self._requested


class Wire:
    """A request in progress.

    Parameters
    ----------
    open_stream
        Sends the request and returns the SDK's `Stream` of raw events; called on the wire's thread.
    keep_events
        Keep the raw events for `take_events` (for `stream(events=True)`).

    Attributes
    ----------
    error
        What ended the stream, if not its end.
    request_id
        The service's id of the request.
    limits
        Its rate-limit headers.
    bell, over
        Set when something came, and when it is over; a stop may set both.
    """

    def __init__(self, open_stream: Callable[[], Any], *, keep_events: bool = False) -> None:
        self.accumulator = Accumulator()
        self.error: BaseException | None = None
        self.request_id: str | None = None
        self.limits: dict[str, str] = {}
        self.ended = False
        self.bell = SafeEvent()
        self.over = SafeEvent()
        self._open_stream = open_stream
        self._events: list[Any] | None = [] if keep_events else None
        self._abandoned = False
        self._socket: Any = None
        self._pool: Any = None
        self._pool_request: Any = None
        self._thread = threading.Thread(target=self._run, name="claude-wire", daemon=True)

    def start(self) -> None:
        """Send it. Apart from the constructor, so that an interrupt at this moment finds somebody who can abandon it."""
        started(self._thread)

    def take_events(self) -> list[Any]:
        """The raw events since the last call (only with `keep_events`)."""
        if self._events is None:
            return []
        events = self._events[:]
        del self._events[: len(events)]
        return events

    def wait(self, timeout: float) -> None:
        """Wait for news (events, the end, or a stop), at most `timeout` seconds."""
        with interruptible():
            self.bell.wait(timeout)
        self.bell.clear()

    def abandon(self) -> None:
        """Stop caring: the connection is shut down as soon as there is one, and the thread ends by itself."""
        self._abandoned = True
        self._find_socket()
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def join(self, timeout: float) -> bool:
        """Wait until the thread is gone; whether it is. A request may be dropped on its own thread, by the garbage collector."""
        if self._thread.ident is not None and threading.current_thread() is not self._thread:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        _local.wire = self
        try:
            with self._open_stream() as stream:
                headers = stream.response.headers
                self.request_id = headers.get("request-id")
                self.limits = {k: v for k, v in headers.items() if k.startswith("anthropic-ratelimit-")}
                network = stream.response.extensions.get("network_stream")
                self._socket = network.get_extra_info("socket") if network is not None else None
                self._read(stream)
        except AbandonedError:
            pass
        except BaseException as error:
            # Handed to the waiting side whatever it is: this thread has nobody else to tell.
            self.error = error
        finally:
            _local.wire = None
            self.ended = True
            self.bell.set()
            self.over.set()

    def _read(self, stream: Any) -> None:
        accumulator, bell, events = self.accumulator, self.bell, self._events
        for event in stream:
            if self._abandoned:
                raise AbandonedError
            try:
                accumulator.feed(event)
            except Exception as error:
                raise unreadable(event, error) from None
            if events is not None:
                events.append(event)
            if not bell.is_set():
                bell.set()

    def attach(self, http_client: Any, request: Any) -> None:
        """Follow the connection that `request` gets; called on the wire's thread by the client's request hook."""
        if self._abandoned:
            raise AbandonedError
        with contextlib.suppress(AttributeError):
            self._pool = http_client._transport_for_url(request.url)._pool
        request.extensions = {**request.extensions, "trace": self._trace}

    def _trace(self, name: str, info: dict[str, Any]) -> None:
        # httpcore calls this at each step of a request ("trace" extension), here on the wire's thread.
        if self._abandoned and name.endswith(".started") and "close" not in name:
            raise AbandonedError
        if name in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._socket = info["return_value"].get_extra_info("socket")
        elif name.endswith("send_request_headers.started"):
            self._pool_request = info.get("request")

    def _find_socket(self) -> None:
        # A kept-alive connection is not announced by "connect_tcp", so it is looked up in the pool. These are private names of
        # httpcore2: where they differ the thread ends when the headers come instead.
        if self._socket is not None or self._pool_request is None:
            return
        with contextlib.suppress(AttributeError):
            for entry in list(self._pool._requests):
                if entry.request is self._pool_request:
                    stream = entry.connection._connection._network_stream
                    self._socket = stream.get_extra_info("socket")


def apart(call: Callable[[], T]) -> T:
    """Call the SDK on a thread of its own, and wait: an interrupt leaves it behind, and with it the locks of its connections.

    Also within an `uninterrupted` block, because the network may take long.
    """
    outcome: list[tuple[T, None] | tuple[None, BaseException]] = []
    done = SafeEvent()

    def run() -> None:
        try:
            outcome.append((call(), None))
        except BaseException as error:
            outcome.append((None, error))
        done.set()

    with interruptible():
        started(threading.Thread(target=run, name="claude-wire", daemon=True))
        done.wait(math.inf)
    value, error = outcome[0]
    if error is not None:
        raise error
    return cast("T", value)


def watch(http_client: Any) -> None:
    """Let the wires see the connections of this HTTP client (once; harmless to requests that are not ours)."""
    hooks = http_client.event_hooks.get("request", [])
    if any(getattr(h, "is_claude_wire", False) for h in hooks):
        return

    def attach(request: Any) -> None:
        wire: Wire | None = getattr(_local, "wire", None)
        if wire is not None:
            wire.attach(http_client, request)

    attach.is_claude_wire = True  # type: ignore[attr-defined]
    http_client.event_hooks = {**http_client.event_hooks, "request": [*hooks, attach]}
