"""The faults of the matrix as a table: what the line does to a response, and what is to become of the question.

How the line does it is `faults_line.py`, in which ways is asked `faults_ways.py`. What is no fault of the line (an interrupt, a full
disk, a killed kernel) has tests of its own.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from support.faults_line import Response, Tamper, data_of, untouched, with_data
from support.raw_server import End, Play, failure

FULL: Final = os.environ.get("FAULTS") == "full"
"""Whether every byte and every size is tried; it takes minutes."""
HUGE: Final = 50_000_000 if FULL else 1_000_000


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes
    ----------
    error
        The class of the failure (or `A|B`, where it depends on how far it came); None where there is to be an answer.
    partial
        Whether something of the answer arrives before it.
    times
        How many requests it hits.
    retries, timeout
        Settings meanwhile.
    down
        Nobody listens at all.
    words
        What the line that is shown has to say.
    """

    name: str
    tamper: Tamper = untouched
    error: str | None = None
    partial: bool = False
    times: int = 1
    retries: int = 0
    timeout: float = 20.0
    down: bool = False
    words: str = ""

    def __str__(self) -> str:
        return self.name


# -- before and instead of an answer ------------------------------------------------------------------------------------


def instead(play: Play) -> Tamper:
    """This, and the service never hears of it."""
    return lambda _ask: play


def status(code: int, kind: str, message: str = "It is not to be.", **headers: str) -> Tamper:
    """A refusal as the service words it."""
    return instead(failure(code, kind, message, **headers))


def page(body: bytes, code: int = 200, kind: str = "text/html", **headers: str) -> Tamper:
    """What a proxy says."""
    return instead(Play([body] if body else [], code, kind, headers))


_HTML = b"<!doctype html><html><body>Please sign in to the hotel's network</body></html>"
_BUSY = status(529, "overloaded_error", "Overloaded", retry_after_ms="5")

REFUSALS: Final[Sequence[Fault]] = (
    Fault("connection refused", error="APIConnectionError", down=True, words="Could not reach"),
    Fault("reset before headers", instead(Play(before_headers=End.RESET)), "APIConnectionError"),
    Fault("closed before headers", instead(Play(before_headers=End.CUT)), "APIConnectionError"),
    Fault("reset, then answered", instead(Play(before_headers=End.RESET)), retries=1),
    Fault("400", status(400, "invalid_request_error"), "BadRequestError", words="It is not to be"),
    Fault("401", status(401, "authentication_error"), "AuthenticationError", words="%claude_key"),
    Fault("402", status(402, "billing_error"), "PaymentRequiredError", words="billing"),
    Fault("403", status(403, "permission_error"), "PermissionDeniedError", words="%claude_key"),
    Fault("404", status(404, "not_found_error", "model: claude-x"), "NotFoundError", words="claude.models"),
    Fault("408", status(408, "timeout_error"), "RequestTimeoutError"),
    Fault("409", status(409, "conflict_error"), "ConflictError"),
    Fault("413", status(413, "request_too_large"), "ContentTooLargeError", words="32 MB"),
    Fault("422", status(422, "invalid_request_error"), "UnprocessableEntityError"),
    Fault("429", status(429, "rate_limit_error"), "RateLimitError", words="Wait"),
    Fault("429, retry-after 0.01", status(429, "rate_limit_error", retry_after="0.01"), retries=1),
    Fault("429, retry-after a date", status(429, "rate_limit_error", retry_after="Wed, 21 Oct 2015 07:28:00 GMT"), retries=1),
    Fault("429, retry-after 3600", status(429, "rate_limit_error", retry_after="3600"), "RateLimitError", retries=2, words="3600 s"),
    Fault("429, spend limit", status(429, "rate_limit_error", "Your spend limit"), "RateLimitError", retries=2, words="spend limit"),
    Fault("500", status(500, "api_error"), "InternalServerError", words="500"),
    Fault("503", status(503, "api_error"), "ServiceUnavailableError", words="503"),
    Fault("529", status(529, "overloaded_error"), "OverloadedError", words="overloaded"),
    Fault("529 twice, then answered", _BUSY, times=2, retries=2),
    Fault("502 of a proxy", page(_HTML, 502), "InternalServerError", words="502"),
    Fault("500 without a body", page(b"", 500, "text/plain"), "InternalServerError"),
    Fault("403 of a proxy", page(_HTML, 403), "PermissionDeniedError"),
    Fault("200, empty", page(b"", kind="text/event-stream"), "APIResponseError", words="base_url"),
    Fault("200, HTML", page(_HTML), "APIResponseError", words="base_url"),
    Fault("200, JSON", page(b'{"ok": true}', kind="application/json"), "APIResponseError", words="base_url"),
    Fault("200, comments", page(b": wait\n\n" * 20, kind="text/event-stream"), "APIResponseError"),
    Fault("200, no UTF-8", page(b"\x00\xff\xfe \x80\x81" * 50, kind="text/event-stream"), "APIResponseError"),
    Fault("gzip, garbage", page(b"no gzip at all" * 9, kind="text/event-stream", **{"content-encoding": "gzip"}), "APIResponseError"),
    Fault("headers, then silence", lambda ask: ask().play([End.HANG]), "APITimeoutError", timeout=1.0, words="timeout"),
    Fault("silence before headers", instead(Play(before_headers=End.HANG)), "APITimeoutError", timeout=1.0, words="timeout"),
    Fault("redirect to nowhere", page(b"", 307, "text/plain"), "APIError"),
)  # fmt: skip


# -- within an answer ---------------------------------------------------------------------------------------------------

Steps = Callable[[tuple[bytes, ...]], Iterator[Any]]


def steps(change: Steps, **how: Any) -> Tamper:
    """The response with its events changed."""

    def tamper(ask: Callable[[], Response]) -> Play:
        response = ask()
        return response.play(change(response.events) if response.status == 200 else response.events, **how)

    return tamper


def middle(events: Sequence[bytes]) -> int:
    """After so many events something has arrived, and something is missing."""
    return max(len(events) // 2, 4)


def half(*then: Any) -> Tamper:
    """The first half, and this instead of the rest."""

    def change(events: tuple[bytes, ...]) -> Iterator[Any]:
        yield from events[: middle(events)]
        yield from then

    return steps(change)


def between(*more: Any) -> Tamper:
    """This in the middle, and all else as it is."""

    def change(events: tuple[bytes, ...]) -> Iterator[Any]:
        at = middle(events)
        yield from (*events[:at], *more, *events[at:])

    return steps(change)


def each(change: Callable[[dict[str, Any]], Mapping[str, Any] | None]) -> Tamper:
    """Every event changed; left out where nothing comes of it."""

    def changed(events: tuple[bytes, ...]) -> Iterator[Any]:
        for event in events:
            data = change(data_of(event))
            if data is not None:
                yield with_data(event, lambda _old, new=data: new)

    return steps(changed)


def without(*kinds: str) -> Tamper:
    """No event of these types."""
    return each(lambda data: None if data["type"] in kinds else data)


def event(data: Any, name: str | None = None) -> bytes:
    """An event as bytes."""
    kind = name or (data["type"] if isinstance(data, Mapping) else "content_block_delta")
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode()


def fails(kind: str) -> bytes:
    """An `error` event."""
    return event({"type": "error", "error": {"type": kind, "message": "It is not to be"}})


def twice(name: str) -> Tamper:
    """Events of this type come twice."""

    def change(events: tuple[bytes, ...]) -> Iterator[Any]:
        for one in events:
            yield one
            if data_of(one)["type"] == name:
                yield one

    return steps(change)


def stranger(index: int) -> list[bytes]:
    """A block, a delta and an event that nobody knows yet."""
    return [
        event({"type": "weather_report", "sky": ["blue", None]}),
        event({"type": "content_block_start", "index": index, "content_block": {"type": "hologram", "light": "x"}}),
        event({"type": "content_block_delta", "index": index, "delta": {"type": "light_delta", "light": "y"}}),
        event({"type": "content_block_stop", "index": index}),
    ]  # fmt: skip


def packed(body: Callable[[bytes], bytes]) -> Tamper:
    """The stream compressed, and then this."""

    def tamper(ask: Callable[[], Response]) -> Play:
        response = ask()
        headers = {**response.headers, "content-encoding": "gzip"}
        return Play([body(gzip.compress(response.bytes))], response.status, response.type, headers)

    return tamper


def rewritten(change: Callable[[bytes], bytes]) -> Tamper:
    """Each event's bytes changed."""
    return steps(lambda events: (change(one) for one in events))


def byte_by_byte(events: tuple[bytes, ...]) -> Iterator[Any]:
    """Every byte alone."""
    for byte in b"".join(events):
        yield bytes([byte])


def flood(events: tuple[bytes, ...]) -> Iterator[Any]:
    """Very much text in the middle of the last block."""
    last = max(
        i for i, e in enumerate(events) if b"_delta" in e and data_of(e)["type"] == "content_block_delta"
    )
    delta = data_of(events[last])
    words = "much more of it " * 1024
    one = event({**delta, "delta": {**delta["delta"], "text": words}}) if "text" in delta["delta"] else b""
    yield from events[:last]
    for _ in range(HUGE // len(words) + 1 if one else 0):
        yield one
    yield from events[last:]


ORPHAN: Final = {"type": "content_block_delta", "index": 9}

_ERRORS: Final[Mapping[str, str]] = {
    "invalid_request_error": "BadRequestError",
    "authentication_error": "AuthenticationError",
    "billing_error": "PaymentRequiredError",
    "permission_error": "PermissionDeniedError",
    "not_found_error": "NotFoundError",
    "timeout_error": "RequestTimeoutError",
    "conflict_error": "ConflictError",
    "request_too_large": "ContentTooLargeError",
    "rate_limit_error": "RateLimitError",
    "api_error": "InternalServerError",
    "overloaded_error": "OverloadedError",
    "weather_error": "InternalServerError",
}

BREAKS: Final[Sequence[Fault]] = (
    Fault("cut in the middle", half(End.CUT), "APIConnectionError", partial=True, words="resume"),
    Fault("reset in the middle", half(End.RESET), "APIConnectionError", partial=True, words="resume"),
    Fault("end in the middle", half(), "APIConnectionError", partial=True, words="resume"),
    Fault("gzip, cut", packed(lambda data: data[: len(data) // 2]), "APIResponseError|APIConnectionError"),
    Fault("gzip, garbage in the middle", packed(lambda data: data[:200] + b"\xff" * 99 + data[250:]), "APIResponseError"),
    Fault("malformed JSON", half(b'event: content_block_delta\ndata: {"type": "con\n\n'), "APIResponseError", partial=True),
    Fault("an event that is a list", half(event([1, 2])), "APIResponseError", partial=True),
    Fault("an event that is null", half(event(None)), "APIResponseError", partial=True),
    Fault("no UTF-8 in the middle", half(b"event: content_block_delta\ndata: \xff\xfe\n\n"), "APIResponseError", partial=True),
    Fault("silence", half(End.HANG), "APITimeoutError", partial=True, timeout=1.0),
    Fault("no message_delta, no message_stop", without("message_delta", "message_stop"), "APIConnectionError", partial=True),
    Fault("an error event without an error", half(event({"type": "error"})), "InternalServerError", partial=True),
    *(Fault(f"error event: {kind}", half(fails(kind)), name, partial=True) for kind, name in _ERRORS.items()),
    Fault("error event first", steps(lambda _events: iter([fails("overloaded_error")])), "OverloadedError"),
    Fault("error event first, then answered", steps(lambda _events: iter([fails("overloaded_error")])), retries=1),
)  # fmt: skip

ODDITIES: Final[Sequence[Fault]] = (
    Fault("unknown events and blocks", between(*stranger(8))),
    Fault("unknown events everywhere", steps(lambda events: (e for one in events for e in (one, *stranger(8)[:1])))),
    Fault("duplicate message_start", twice("message_start")),
    Fault("duplicate content_block_stop", twice("content_block_stop")),
    Fault("duplicate message_delta", twice("message_delta")),
    Fault("duplicate message_stop", twice("message_stop")),
    Fault("no message_stop", without("message_stop")),
    Fault("no message_stop, line open", steps(lambda events: iter([*events[:-1], End.HANG]))),
    Fault("a delta of a block that never began", between(event({**ORPHAN, "delta": {"type": "text_delta", "text": "?"}}))),
    Fault("the end of a block that never began", between(event({"type": "content_block_stop", "index": 9}))),
    Fault("an event without a type", between(event({}, "content_block_delta"))),
    Fault("pings everywhere", steps(lambda events: (e for one in events for e in (one, event({"type": "ping"}))))),
    Fault("no pings", without("ping")),
    Fault("line ends CR LF", rewritten(lambda data: data.replace(b"\n", b"\r\n"))),
    Fault("comments between", rewritten(lambda data: b": keep-alive\n\n" + data)),
    Fault("no event names", rewritten(lambda data: data[data.index(b"data:") :]), "APIResponseError"),
    Fault("all at once", steps(lambda events: iter([b"".join(events)]))),
    Fault("gzip, sound", packed(lambda data: data)),
    Fault("one byte at a time", steps(byte_by_byte)),
    Fault("a short silence", between(0.4)),
    Fault("very much text", steps(flood), timeout=60.0),
)  # fmt: skip

FAULTS: Final[Sequence[Fault]] = (*REFUSALS, *BREAKS, *ODDITIES)
