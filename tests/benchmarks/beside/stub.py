"""The stub server of the benchmark: a process of its own that gives every alternative the same answer at the same pace.

It speaks the Messages API, streamed and whole, and Chat Completions for what speaks nothing else. An answer that is asked for
whole comes when the stream would have ended. Prompts are counted by the published caching rules (`claude_jupyter/demo/oracle/caching.py`).
"""

from __future__ import annotations

import json
import multiprocessing
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from multiprocessing.connection import Connection
from typing import Any

from support.raw_server import Play, RawServer, Request, Step, failure, text_events

from claude_jupyter.costs.prices import price
from claude_jupyter.costs.usage import Usage
from claude_jupyter.demo.oracle.caching import Cache
from claude_jupyter.demo.oracle.token_count import text_tokens
from claude_jupyter.models import facts

from .alternatives import MODEL

DELTA = 12
"""Characters a delta: three or four tokens, about what the service sends."""
PIECES = 200
"""Pieces a second at most; a piece holds one delta or more."""
FIRST = "FIRST"
LAST = "LAST"
PARAGRAPH = "The quick brown fox jumps over the lazy dog, and *nothing* comes of it but `code`. " * 4 + "\n\n"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server says: `size` bytes over `seconds`, beginning after `wait` seconds.

    With `at_once` it lets so many in at a time and refuses the others.
    """

    size: int
    seconds: float
    number: int = 0
    at_once: int = 0
    wait: float = 0

    @property
    def first(self) -> str:
        """What the first delta holds, and nothing else."""
        return f"{FIRST}{self.number:05d}"

    @property
    def last(self) -> str:
        """What the last delta holds."""
        return f"{LAST}{self.number:05d}"

    @property
    def text(self) -> str:
        """Plain prose between the two marks, a whole number of deltas."""
        size = max(self.size // DELTA - 2, 1) * DELTA
        middle = (PARAGRAPH * (size // len(PARAGRAPH) + 1))[:size]
        return self.first.ljust(DELTA) + middle + self.last.rjust(DELTA)


@dataclass(frozen=True, slots=True)
class Told:
    """What the server saw since it was last asked; times are those of the monotonic clock, 0 where nothing happened."""

    requests: int
    refused: int
    first: float
    last: float
    dollars: Decimal
    unknown: tuple[str, ...]


class _Wait(float):
    """Seconds before an answer begins."""


class _Server(RawServer):
    """One answer for all, in the form that each asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.say = Answer(1000, 0)
        self.refused = self.inside = 0
        self.first = self.last = 0.0
        self.dollars = Decimal(0)
        self.lock = threading.Lock()
        self.cache = Cache(time.monotonic)

    def begin(self, answer: Answer) -> None:
        """From now on say this; forget what came."""
        self.reset()
        self.say, self.refused, self.first, self.last = answer, 0, 0.0, 0.0
        self.dollars, self.cache = Decimal(0), Cache(time.monotonic)

    def told(self) -> Told:
        """What came since."""
        paths = tuple(sorted({request.path.split("?")[0] for request in self.others}))
        return Told(len(self.requests), self.refused, self.first, self.last, self.dollars, paths)

    def _answer(self, connection: Any, request: Request) -> bool:
        path = request.path.split("?")[0]
        if request.method != "POST" or not path.endswith(("/v1/messages", "/chat/completions")):
            self.others.append(request)
            return self._play(
                connection, failure(404, "not_found_error", "The stub server only gives answers.")
            )
        self.requests.append(request)
        if self.say.at_once and not self._enter():
            refusal = failure(429, "rate_limit_error", "Too many at once.", retry_after="1")
            return self._play(connection, refusal)
        try:
            body = request.json
            self._count(body)
            return self._play(connection, _play(body, self.say, chat=path.endswith("/chat/completions")))
        finally:
            if self.say.at_once:
                with self.lock:
                    self.inside -= 1

    def _enter(self) -> bool:
        with self.lock:
            if self.inside >= self.say.at_once:
                self.refused += 1
                return False
            self.inside += 1
            return True

    def _count(self, body: dict[str, Any]) -> None:
        model = facts(MODEL)
        usage = self.cache.account({**body, "model": MODEL}, model, "bench")
        usage += Usage(output=text_tokens(self.say.text, model))
        with self.lock:
            self.dollars += Decimal(price(usage, MODEL) or 0)

    def _step(self, connection: Any, step: Step) -> bool:
        if isinstance(step, bytes):
            self.last = time.monotonic()
            self.first = self.first or self.last
        elif not self.first and not isinstance(step, _Wait):
            self.first = time.monotonic()  # an answer that comes whole: when its stream would have begun
        return super()._step(connection, step)


def _play(body: dict[str, Any], answer: Answer, *, chat: bool) -> Play:
    before: list[Step] = [_Wait(answer.wait)] if answer.wait else []
    if not body.get("stream"):
        whole = _completion(answer.text) if chat else _message(answer.text)
        waits: list[Step] = [answer.seconds] if answer.seconds else []
        return Play([*before, *waits, json.dumps(whole).encode()], type="application/json")
    events = _chunks(answer.text) if chat else text_events(answer.text, size=DELTA, model=MODEL)
    begun = 1 if chat else 4  # what goes out with the first delta
    ended = 2 if chat else 4
    head, middle, tail = b"".join(events[:begun]), events[begun:-ended], b"".join(events[-ended:])
    count = max(1, min(len(middle), int(answer.seconds * PIECES) or len(middle) // 64))
    step = -(-len(middle) // count)
    pieces = [b"".join(middle[i : i + step]) for i in range(0, len(middle), step)]
    if not answer.seconds:
        return Play([*before, head, *pieces, tail])
    return Play(
        [*before, head, *(part for piece in pieces for part in (answer.seconds / len(pieces), piece)), tail]
    )


def _message(text: str) -> dict[str, Any]:
    usage = {
        "input_tokens": 10,
        "output_tokens": len(text) // 4,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
    }
    return {
        "id": "msg_stub", "type": "message", "role": "assistant", "model": MODEL, "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn", "stop_sequence": None, "usage": usage,
    }  # fmt: skip


def _completion(text: str) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"id": "stub", "object": "chat.completion", "created": 0, "model": MODEL, "choices": [choice]}


def _chunks(text: str) -> list[bytes]:
    def chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        data = {
            "id": "stub",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": MODEL,
            "choices": [choice],
        }
        return f"data: {json.dumps(data)}\n\n".encode()

    deltas = [chunk({"content": text[i : i + DELTA]}) for i in range(0, len(text), DELTA)]
    return [*deltas[:-1], deltas[-1] + chunk({}, "stop"), b"data: [DONE]\n\n"]


def _serve(pipe: Connection) -> None:
    server = _Server()
    pipe.send(server.url)
    while (order := pipe.recv()) is not None:
        if isinstance(order, Answer):
            server.begin(order)
            pipe.send(None)
        else:
            pipe.send(server.told())
    server.close()


class Stub:
    """The running server, from outside."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._number = 0
        self.url: str = pipe.recv()

    def say(self, size: int, seconds: float, *, at_once: int = 0, wait: float = 0) -> Answer:
        """Answer like this from now on; what came before is forgotten."""
        self._number += 1
        answer = Answer(size, seconds, self._number, at_once, wait)
        self._pipe.send(answer)
        self._pipe.recv()
        return answer

    def told(self) -> Told:
        """What it saw since then."""
        self._pipe.send("told")
        return self._pipe.recv()


@contextmanager
def stub() -> Iterator[Stub]:
    """A stub server for as long as the block runs."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield Stub(ours)
    finally:
        ours.send(None)
        process.join(5)
        process.terminate()
