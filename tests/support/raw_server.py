"""A raw socket server that plays bytes: recorded streams, cut, delayed, reset, or garbage.

It speaks just enough HTTP to be answered by the SDK, and nothing of it is the package's own code. For a server that
understands what it is asked, there is the demo model (`claude_jupyter.demo.server`).
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class End(Enum):
    """How the bytes end, where not as they should."""

    CUT = "the connection is closed in the middle of the body"
    RESET = "the connection is reset"
    HANG = "nothing more comes until the client goes away"


Step = bytes | float | End
"""Bytes to send as one chunk, seconds of silence, or an end."""


@dataclass(frozen=True, slots=True)
class Play:
    """One response."""

    steps: Sequence[Step] = ()
    status: int = 200
    type: str = "text/event-stream; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    before_headers: Step | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The parsed body."""
        return json.loads(self.body)


def sse(events: Iterable[Mapping[str, Any]]) -> list[bytes]:
    """Events as the service writes them, one piece of bytes each."""
    return [f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events]


def text_events(text: str, *, size: int = 12, model: str = "claude-sonnet-5-5", **usage: int) -> list[bytes]:
    """A plain answer in deltas of `size` characters."""
    counts = {"input_tokens": 10, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0} | usage
    message = {
        "id": "msg_raw", "type": "message", "role": "assistant", "model": model, "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": {**counts, "output_tokens": 1},
    }  # fmt: skip
    deltas = [text[i : i + size] for i in range(0, len(text), size)]
    return sse(
        [
            {"type": "message_start", "message": message},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "ping"},
            *(
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": delta}}
                for delta in deltas
            ),
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {**counts, "output_tokens": max(1, len(text) // 4)},
            },
            {"type": "message_stop"},
        ]
    )


def answer(text: str = "Yes.", **how: Any) -> Play:
    """A response that is a plain answer."""
    return Play(text_events(text, **how))


def failure(status: int, kind: str, message: str, **headers: str) -> Play:
    """An error response as the service words it."""
    body = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_raw"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Play([json.dumps(body).encode()], status, "application/json", named)


class RawServer:
    """Plays its queue, one response for each question; the last one again and again.

    Attributes
    ----------
    plays
        What to answer next; a list that a test may replace, or a function of the request.
    requests
        What came, `POST /v1/messages` only; `others` holds the rest.
    left
        When clients went away in the middle of a response (monotonic seconds).
    first_byte, last_byte
        When the first and the last piece of the latest response were sent.
    """

    def __init__(self, plays: Sequence[Play] | Callable[[Request], Play] = ()) -> None:
        self.plays: Sequence[Play] | Callable[[Request], Play] = plays
        self.requests: list[Request] = []
        self.others: list[Request] = []
        self.disconnects: list[float] = []
        self.first_byte = self.last_byte = 0.0
        self._closing = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, name="raw-server", daemon=True).start()

    def reset(self, *plays: Play) -> None:
        """Forget what came; answer `plays` from now on."""
        self.requests.clear()
        self.others.clear()
        self.disconnects.clear()
        self.plays = plays

    def close(self) -> None:
        """Stop listening; connections under way end."""
        self._closing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone does not wake `accept`
        self._listener.close()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, connection.makefile("rb") as reader:
            try:
                while request := _read_request(reader):
                    if not self._answer(connection, request):
                        return
            except OSError:
                self.disconnects.append(time.monotonic())

    def _answer(self, connection: socket.socket, request: Request) -> bool:
        if request.method == "POST" and request.path.split("?")[0].endswith("/v1/messages"):
            self.requests.append(request)
            play = self._next(request)
        else:
            self.others.append(request)
            play = self._other(request)
        return self._play(connection, play)

    def _other(self, request: Request) -> Play:
        """The answer to what is no Messages request."""
        return failure(404, "not_found_error", "The raw server only plays messages.")

    def _next(self, request: Request) -> Play:
        if callable(self.plays):
            return self.plays(request)
        if not self.plays:
            return failure(
                500, "api_error", "The test gave the raw server nothing to play.", x_should_retry="false"
            )
        return self.plays[min(len(self.requests), len(self.plays)) - 1]

    def _play(self, connection: socket.socket, play: Play) -> bool:
        if play.before_headers is not None and not self._step(connection, play.before_headers):
            return False
        lines = [f"HTTP/1.1 {play.status} X", f"content-type: {play.type}", "transfer-encoding: chunked"]
        lines += [f"{name}: {value}" for name, value in {"request-id": "req_raw", **play.headers}.items()]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        self.first_byte = time.monotonic()
        for step in play.steps:
            if not self._step(connection, step):
                return False
        self.last_byte = time.monotonic()
        connection.sendall(b"0\r\n\r\n")
        return True

    def _step(self, connection: socket.socket, step: Step) -> bool:
        match step:
            case bytes():
                connection.sendall(b"%x\r\n%s\r\n" % (len(step), step))
                self.last_byte = time.monotonic()
            case End.CUT:
                connection.shutdown(socket.SHUT_RDWR)
                return False
            case End.RESET:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            case End.HANG:
                return self._silence(connection, 600)
            case seconds:
                return self._silence(connection, seconds)
        return True

    def _silence(self, connection: socket.socket, seconds: float) -> bool:
        """Whether the client is still there afterwards."""
        deadline = time.monotonic() + seconds
        while (remaining := deadline - time.monotonic()) > 0 and not self._closing.is_set():
            connection.settimeout(min(remaining, 0.2))
            try:
                if connection.recv(1, socket.MSG_PEEK) == b"":
                    self.disconnects.append(time.monotonic())
                    return False
                time.sleep(min(remaining, 0.02))
            except TimeoutError:
                continue
            finally:
                connection.settimeout(None)
        return not self._closing.is_set()


def _read_request(reader: Any) -> Request | None:
    line = reader.readline().decode("latin-1").split()
    if len(line) < 3:
        return None
    headers: dict[str, str] = {}
    while (header := reader.readline().decode("latin-1").strip()) != "":
        name, _, value = header.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Request(line[0], line[1], headers, reader.read(int(headers.get("content-length", 0))))


@contextmanager
def raw_server(*plays: Play) -> Iterator[RawServer]:
    """A raw server for as long as the block runs."""
    server = RawServer(plays)
    try:
        yield server
    finally:
        server.close()
