"""A line between the client and the demo model that does what lines do: refuse, break, garble, stammer, fall silent.

Every request that gets through is checked and counted by the strict demo model behind it; only the bytes of the response are
tampered with here. What the client can have seen is kept in `sent`, so that a test knows what has to be left of it.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from support.raw_server import Play, RawServer, Request, Step

from claude_jupyter.demo.server import DemoServer

HOP = ("transfer-encoding", "content-length", "connection", "date", "server", "cache-control")
Act = Callable[[], None]
"""Something that happens at this point of a response."""


@dataclass(frozen=True, slots=True)
class Response:
    """What the demo model said: its events as bytes, or one body where it refused."""

    status: int
    type: str
    headers: Mapping[str, str]
    events: tuple[bytes, ...]

    def play(self, steps: Iterable[Step | Act], **how: Any) -> Play:
        """The same response with other bytes."""
        return Play(tuple(steps), self.status, self.type, self.headers, **how)  # type: ignore[arg-type]

    @property
    def bytes(self) -> bytes:
        """The body as it came."""
        return b"".join(self.events)


Tamper = Callable[[Callable[[], Response]], Play]
"""What becomes of one request: the response is only asked for by whoever calls its argument."""


def untouched(ask: Callable[[], Response]) -> Play:
    """As the demo model said it."""
    response = ask()
    return response.play(response.events)


@dataclass(frozen=True, slots=True)
class Passing:
    """One request on the line: who answered, and what went back of it."""

    faulty: bool
    packed: list[bool] = field(default_factory=list[bool])
    sent: list[bytes] = field(default_factory=list[bytes])

    @property
    def read(self) -> bytes:
        """What can be read of it."""
        data = b"".join(self.sent)
        if not any(self.packed):
            return data
        try:
            return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data)
        except zlib.error:
            return b""


class Line(RawServer):
    """The line to `upstream`.

    Attributes
    ----------
    passed
        Each Messages request so far.
    """

    def __init__(self, upstream: DemoServer) -> None:
        self.upstream = upstream
        self.passed: list[Passing] = []
        self._tamper: Tamper = untouched
        self._skip = self._times = 0
        self._turn = threading.Lock()
        self._here = threading.local()
        self._open: set[socket.socket] = set()
        super().__init__(self._relay)
        self._port = self._listener.getsockname()[1]

    def spoil(self, tamper: Tamper, *, skip: int = 0, times: int = 1) -> None:
        """Tamper with the next `times` responses, after `skip` good ones."""
        with self._turn:
            self._tamper, self._skip, self._times = tamper, skip, times

    def mend(self) -> None:
        """From now on everything gets through."""
        self.spoil(untouched, times=0)

    def hang_up(self) -> None:
        """Refuse connections from now on, and drop those that are open."""
        super().close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def pick_up(self) -> None:
        """Listen again, at the same address."""
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", self._port), backlog=64)
        threading.Thread(target=self._accept, name="line", daemon=True).start()

    def close(self) -> None:
        self.hang_up()

    @property
    def open(self) -> int:
        """How many connections clients hold at the moment."""
        return len(self._open)

    def _serve(self, connection: socket.socket) -> None:
        self._open.add(connection)
        try:
            super()._serve(connection)
        finally:
            self._open.discard(connection)

    def _relay(self, request: Request) -> Play:
        with self._turn:
            faulty = self._skip == 0 and self._times > 0
            if self._skip:
                self._skip -= 1
            elif self._times:
                self._times -= 1
            passing = Passing(faulty)
            self.passed.append(passing)
            tamper = self._tamper
        self._here.passing = passing
        play = (tamper if faulty else untouched)(lambda: self.ask(request))
        passing.packed.append("content-encoding" in play.headers)
        return play

    def _other(self, request: Request) -> Play:
        self._here.passing = Passing(False)
        return untouched(lambda: self.ask(request))

    def ask(self, request: Request) -> Response:
        """What the demo model says to a request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream.port, timeout=60)
        try:
            headers = {k: v for k, v in request.headers.items() if k not in ("host", "accept-encoding", *HOP)}
            connection.request(request.method, request.path, request.body, headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        received = {k.lower(): v for k, v in answer.getheaders()}
        passed_on = {k: v for k, v in received.items() if k not in (*HOP, "content-type")}
        return Response(answer.status, received["content-type"], passed_on, tuple(events_of(body)))

    def _step(self, connection: socket.socket, step: Any) -> bool:
        if isinstance(step, tuple):
            return all(self._step(connection, one) for one in step)
        if callable(step):
            step()
            return True
        if isinstance(step, bytes):
            self._here.passing.sent.append(step)
        return super()._step(connection, step)


def events_of(body: bytes) -> Iterator[bytes]:
    """A body cut after each blank line."""
    rest = body
    while rest:
        event, mark, rest = rest.partition(b"\n\n")
        yield event + mark


def data_of(event: bytes) -> Any:
    """The JSON of one event; None where there is none that can be read."""
    for line in event.split(b"\n"):
        if line.startswith(b"data:"):
            try:
                return json.loads(line[5:])
            except ValueError:
                return None
    return None


def with_data(event: bytes, change: Callable[[dict[str, Any]], Mapping[str, Any]]) -> bytes:
    """An event with its JSON changed."""
    data = change(data_of(event))
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n".encode()


@dataclass(frozen=True, slots=True)
class Seen:
    """What a reader of some bytes of a stream knows."""

    text: str
    thinking: str
    began: bool
    stop_known: bool

    @classmethod
    def of(cls, data: bytes, *, unclosed: bool = False) -> Seen:
        """Read what was sent; an event that is not closed by a blank line counts only with `unclosed`."""
        text: list[str] = []
        thinking: list[str] = []
        blocks: set[Any] = set()
        began = told = False
        for event in events_of(data.replace(b"\r\n", b"\n")):
            whole = b"event:" in event and (unclosed or event.endswith(b"\n\n"))
            match data_of(event) if whole else None:
                case {"type": "message_start"}:
                    began = True
                case {"type": "content_block_start", "index": at}:
                    blocks.add(at)
                case {"type": "content_block_delta", "index": at} if at not in blocks:
                    pass
                case {"type": "content_block_delta", "delta": {"type": "text_delta", "text": str(words)}} if (
                    began
                ):
                    text.append(words)
                case {"delta": {"type": "thinking_delta", "thinking": str(words)}} if began:
                    thinking.append(words)
                case {"type": "message_delta", "delta": {"stop_reason": str()}} if began:
                    told = True
                case _:
                    pass
        return cls("".join(text), "".join(thinking), began, told)


@contextmanager
def line_to(upstream: DemoServer) -> Iterator[Line]:
    """A line for as long as the block runs."""
    line = Line(upstream)
    try:
        yield line
    finally:
        line.close()


def until(condition: Callable[[], Any], what: str, seconds: float = 10.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.005)
