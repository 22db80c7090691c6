"""One connection of the demo server: HTTP in and out, the stream's timing, and the faults that a script asks for."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from math import ceil
from typing import Any, Final, Protocol, cast
from urllib.parse import parse_qs, urlsplit

from claude_jupyter.costs.usage import Usage
from claude_jupyter.demo import sse
from claude_jupyter.demo.oracle import (
    batch_endpoint,
    context_editing,
    models_endpoint,
    reply_shape,
    request_rules,
)
from claude_jupyter.demo.oracle.batch_endpoint import BatchServer
from claude_jupyter.demo.oracle.caching import applied_edits, prompt_tokens
from claude_jupyter.demo.oracle.rate_limits import Buckets
from claude_jupyter.demo.oracle.refusal import Refused, invalid
from claude_jupyter.demo.oracle.token_count import rate
from claude_jupyter.demo.script import Script
from claude_jupyter.models import facts

LIMIT: Final = 32 * 1024 * 1024
BATCH_LIMIT: Final = 256 * 1024 * 1024
_SECRET_HEADERS: Final = frozenset(("authorization", "x-api-key", "cookie", "proxy-authorization"))
_BUFFER: Final = 16 * 1024
_GENERATED: Final = ("text", "thinking", "partial_json")


class Gone(ConnectionError):
    """The client closed the connection, or the script asks for it to be cut."""


@dataclass(slots=True)
class Received:
    """One request as it came, and what happened to it.

    Attributes
    ----------
    headers
        By lower-case name, without the ones that carry secrets.
    body
        Parsed JSON; None without a body.
    status
        What was answered; 0 while nothing was.
    finished
        Whether the whole answer went out; False while it runs, and for good where the client left or a fault cut it.
    gone
        Whether the client closed the connection before the end.
    usage
        What was counted for it.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: Any = None
    status: int = 0
    finished: bool = False
    gone: bool = False
    usage: Usage = field(default_factory=Usage)
    request_id: str = ""


class Demo(BatchServer, Protocol):
    """The server that a connection belongs to."""

    pace: float
    first: float
    limits: Buckets

    def remember(self, received: Received) -> None:
        """Note a request."""
        ...

    def connected(self, connection: socket.socket) -> None:
        """Note an open connection."""
        ...

    def disconnected(self, connection: socket.socket) -> None:
        """Forget a connection."""
        ...


class Handler(BaseHTTPRequestHandler):
    """Routes by path; every answer carries a `request-id`."""

    protocol_version = "HTTP/1.1"
    server_version = "claude-jupyter-demo"
    disable_nagle_algorithm = True

    @property
    def demo(self) -> Demo:
        """The server this connection belongs to."""
        return cast("Demo", cast("Any", self.server).demo)

    def setup(self) -> None:
        super().setup()
        self.demo.connected(self.connection)

    def finish(self) -> None:
        self.demo.disconnected(self.connection)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: this runs inside a kernel."""

    def do_GET(self) -> None:
        """Models and batches."""
        self._serve()

    def do_POST(self) -> None:
        """Messages, token counts, batches."""
        self._serve()

    def do_DELETE(self) -> None:
        """Batches."""
        self._serve()

    def _serve(self) -> None:
        received = Received(
            self.command,
            self.path,
            {k: v for k, v in self._headers().items() if k not in _SECRET_HEADERS},
            request_id=reply_shape.new_id("req"),
        )
        self.demo.remember(received)
        try:
            self._route(received)
        except Refused as refused:
            self._send_json(received, refused.status, refused.body(received.request_id), refused.headers)
        except ConnectionError as error:
            received.gone = not isinstance(error, Gone) or error.args == ("left",)
            received.finished = False
            self.close_connection = True
        except Exception as error:
            # A bug of ours must look like one, not like a broken line.
            wrong = Refused(500, f"The demo model failed: {type(error).__name__}: {error}")
            self._send_json(received, 500, wrong.body(received.request_id), {"x-should-retry": "false"})
            self.close_connection = True

    def _route(self, received: Received) -> None:
        size = int(self.headers.get("content-length") or 0)
        raw = self.rfile.read(size)
        url = urlsplit(self.path)
        parts = [p for p in url.path.split("/") if p]
        if parts[:1] != ["v1"]:
            raise Refused(404, "Not Found")
        if size > (BATCH_LIMIT if parts[1:3] == ["messages", "batches"] else LIMIT):
            raise Refused(413, "Request exceeds the maximum size")
        key = request_rules.authenticate(self._headers()) if self.demo.strict else "anyone"
        if raw:
            try:
                received.body = json.loads(raw)
            except ValueError as error:
                raise invalid(f"The request body is not valid JSON: {error}") from None
        match self.command, parts[1:]:
            case "POST", ["messages"]:
                self._messages(received, key)
            case "POST", ["messages", "count_tokens"]:
                self._count(received)
            case "GET", ["models", *rest]:
                self._send_json(received, 200, models_endpoint.answer(rest, parse_qs(url.query)))
            case method, ["messages", "batches", *rest]:
                query = parse_qs(url.query)
                answer = batch_endpoint.answer(self.demo, method, rest, received.body, query, key)
                if isinstance(answer, bytes):
                    self._send(received, 200, answer, "application/x-jsonl")
                else:
                    self._send_json(received, 200, answer)
            case _:
                raise Refused(404, "Not Found")

    def _headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def _count(self, received: Received) -> None:
        body = received.body
        if self.demo.strict:
            request_rules.check(body, self._headers(), counting=True)
        self._send_json(received, 200, {"input_tokens": prompt_tokens(body, facts(str(body.get("model"))))})

    def _messages(self, received: Received, key: str) -> None:
        body = received.body
        if self.demo.strict:
            request_rules.check(body, self._headers())
        self.demo.limits.admit(key)
        script = self.demo.script(body)
        self._pause(script.hang)
        if script.cut == 0:
            raise Gone("cut")
        if script.status != 200:
            raise Refused(
                script.status,
                script.error,
                type=script.error_type,
                details=script.details,
                headers={**self.demo.limits.headers(key), **script.headers},
            )
        if script.raw is not None:
            received.status = 200
            self._stream(received, script, ((data, 0.0) for data in (script.raw,)))
            return
        reply, prompt = self._replied(script, body, key)
        self.demo.limits.used(key, reply.whole(prompt))
        script = replace(script, headers={**self.demo.limits.headers(key), **script.headers})
        if body.get("stream"):
            received.status = 200
            received.usage = prompt
            self._stream(received, script, self._framed(reply, prompt, script, received))
            return
        self._pause(self._first(script))
        received.usage = reply.whole(prompt)
        self._send_json(received, 200, sse.message(reply, prompt, script.usage), dict(script.headers))

    def _replied(self, script: Script, body: Any, key: str) -> tuple[reply_shape.Reply, Usage]:
        """The reply with what its prompt counted, after a summary where the conversation has reached its trigger."""
        model = facts(str(body.get("model")))
        managed = body.get("context_management") is not None
        edits = applied_edits(body, model) if managed else None
        condensed = context_editing.condensed(body, prompt_tokens(body, model)) if managed else None
        prompt = self.demo.cache.account(body, model, key)
        reply = reply_shape.reply(script, body)
        if condensed is not None:
            begun = reply_shape.condensing(body, condensed.summary, condensed.pause, prompt)
            if condensed.pause:
                reply, prompt = begun, Usage()
            else:
                reply = replace(reply, pieces=(*begun.pieces, *reply.pieces), condensing=begun.condensing)
                prompt = Usage(input=prompt_tokens(condensed.after, model))
        return replace(reply, edits=edits), prompt

    def _first(self, script: Script) -> float:
        return self.demo.first if script.first is None else script.first

    def _framed(
        self, reply: reply_shape.Reply, prompt: Usage, script: Script, received: Received
    ) -> Generator[tuple[bytes, float]]:
        pace = self.demo.pace if script.pace is None else script.pace
        whole, sent = reply.whole(prompt), 0
        try:
            for event, delay in sse.events(reply, prompt, script.usage, script.fail):
                kind = event["type"]
                if kind == "content_block_delta":
                    sent += sum(len(event["delta"].get(name, "")) for name in _GENERATED)
                elif kind == "message_delta":
                    received.usage = whole
                seconds = self._seconds(delay, pace, script)
                data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
                # The service pads its data lines before the last brace; a reader must not mind.
                yield f"event: {kind}\ndata: {data[:-1]}  }}\n\n".encode(), seconds
        finally:
            if (
                received.usage is not whole
            ):  # what was generated is billed, though a broken stream never tells it
                received.usage = replace(prompt, output=min(whole.output, ceil(sent / rate(reply.model))))

    def _seconds(self, delay: sse.Delay, pace: float, script: Script) -> float:
        return self._first(script) if delay == sse.FIRST else pace if delay == sse.CHUNK else float(delay)

    def _stream(self, received: Received, script: Script, frames: Generator[tuple[bytes, float]]) -> None:
        with closing(frames):
            try:
                self._send_frames(received, script, frames)
            except sse.Broken as broken:
                if not broken.clean:
                    raise Gone("cut") from None
                self.wfile.write(b"0\r\n\r\n")

    def _send_frames(
        self, received: Received, script: Script, frames: Generator[tuple[bytes, float]]
    ) -> None:
        self._head(received, 200, script.content_type, dict(script.headers))
        self.send_header("transfer-encoding", "chunked")
        self.send_header("cache-control", "no-cache")
        self.end_headers()
        pending = bytearray()
        try:
            self._send_paced(script, frames, pending)
        finally:
            self._chunk(pending)
        if script.cut is not None:
            raise sse.Broken(clean=False)
        received.finished = True  # before the client can know
        self.wfile.write(b"0\r\n\r\n")

    def _send_paced(self, script: Script, frames: Iterator[tuple[bytes, float]], pending: bytearray) -> None:
        """Send frames when they are due, as few writes as the pace allows; what is left is in `pending`."""
        remaining = limit = min((n for n in (script.cut, script.end) if n is not None), default=None)
        start = time.monotonic()
        due = 0.0
        for data, delay in frames:
            due += delay
            late = start + due - time.monotonic()
            if late > 0:
                self._chunk(pending)
                pending.clear()
                self._pause(late)
            if remaining is not None and len(data) >= remaining:
                pending += data[:remaining]
                raise sse.Broken(clean=script.end == limit)
            remaining = None if remaining is None else remaining - len(data)
            pending += data
            if len(pending) >= _BUFFER:
                self._chunk(pending)
                pending.clear()

    def _chunk(self, data: bytearray) -> None:
        if data:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), bytes(data)))

    def _pause(self, seconds: float) -> None:
        """Wait, and notice at once when the client leaves."""
        until = time.monotonic() + seconds
        while (remaining := until - time.monotonic()) > 0:
            self.connection.settimeout(remaining)
            try:
                if not self.connection.recv(1, socket.MSG_PEEK):
                    raise Gone("left")
                time.sleep(min(remaining, 0.05))  # a next request already: it has to wait for its turn
            except TimeoutError:
                return
            finally:
                self.connection.settimeout(None)

    def _head(self, received: Received, status: int, content_type: str, headers: dict[str, str]) -> None:
        received.status = status
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("request-id", received.request_id)
        for name, value in headers.items():
            self.send_header(name, value)

    def _send_json(
        self, received: Received, status: int, answer: Any, headers: dict[str, str] | None = None
    ) -> None:
        self._send(received, status, json.dumps(answer).encode(), "application/json", headers)

    def _send(
        self,
        received: Received,
        status: int,
        data: bytes,
        content_type: str,
        headers: dict[str, str] | None = None,
    ) -> None:
        try:
            self._head(received, status, content_type, headers or {})
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            received.finished = True
            self.wfile.write(data)
        except ConnectionError:
            received.gone, received.finished = True, False
            self.close_connection = True
