"""What the demo model replies to one request, as frozen values: its text, tool calls, and faults.

`Script(text="…")` is enough for most tests; `pieces` gives full control over the order. Nothing here knows HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Body: TypeAlias = Mapping[str, Any]
"""The parsed body of a Messages request."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Silence on the line, in seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """The end of the line, here: dropped, or closed as if all were said (`clean`)."""

    clean: bool = False


@dataclass(frozen=True, slots=True)
class Say:
    """A text block; `chunks` are its very deltas, with silences or a cut between them, else it is cut token-like."""

    text: str = ""
    citations: tuple[Mapping[str, Any], ...] = ()
    chunks: tuple[str | Wait | Cut, ...] | None = None

    @classmethod
    def of(cls, *chunks: str | Wait | Cut) -> Say:
        """A text block of these very deltas."""
        return cls("".join(c for c in chunks if isinstance(c, str)), chunks=chunks)


@dataclass(frozen=True, slots=True)
class Think:
    """A thinking block, signed on the wire; its text is left out where the request's `display` says so.

    It lasts `seconds` where that is given, whatever is shown of it.
    """

    text: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A `tool_use` block; `json` is sent verbatim as its arguments instead of `input`, even if it cannot be parsed."""

    name: str
    input: Mapping[str, Any] = field(default_factory=dict[str, Any])
    id: str | None = None
    json: str | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """A web search: a `server_tool_use` block and its `web_search_tool_result`.

    `results` are (title, url, text) triples; `error` is an error code (`max_uses_exceeded`, …) instead of them.
    """

    query: str
    results: tuple[tuple[str, str, str], ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Whole:
    """A block that arrives whole in its `content_block_start` (`redacted_thinking`, an unknown type, …)."""

    block: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Compact:
    """A compaction block: the summary that stands for everything before it, in one delta."""

    summary: str


@dataclass(frozen=True, slots=True)
class Event:
    """Any event, verbatim: `ping`, one with an unknown name, a broken one."""

    name: str
    data: Mapping[str, Any]


Piece: TypeAlias = Say | Think | Call | Search | Whole | Compact | Wait | Cut | Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One reply.

    Attributes
    ----------
    text, thinking, calls
        The usual reply, in the order thinking, text, calls. A sequence as `text` gives the very deltas:
        `["Hel", Wait(2), "lo", Cut()]`.
    pieces
        The reply in any order, instead of those three.
    stop_reason, stop_details
        Instead of what follows from the request (`end_turn`, `tool_use`, `max_tokens`, `stop_sequence`).
    status, error, error_type, details
        An HTTP error instead of a reply; the type follows from the status unless it is given.
    headers
        Further response headers (`retry-after`, …).
    fail
        (type, message) of an `error` event that comes instead of `message_delta` and `message_stop`.
    cut
        The connection is dropped after this many bytes of the body; 0 drops it before the headers.
    end
        The body ends cleanly after this many bytes.
    raw, content_type
        The body verbatim (a recording, HTML, nothing at all).
    hang
        Seconds of silence before the headers.
    first, pace
        Seconds before the first block and per chunk, instead of the server's.
    usage
        Overrides of the counted usage, by the service's field names.
    """

    text: str | Sequence[str | Wait | Cut] = ""
    thinking: str | None = None
    calls: Sequence[Call] = ()
    pieces: Sequence[Piece] = ()
    stop_reason: str | None = None
    stop_details: Mapping[str, Any] | None = None
    status: int = 200
    error: str | None = None
    error_type: str | None = None
    details: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    fail: tuple[str, str] | None = None
    cut: int | None = None
    end: int | None = None
    raw: bytes | None = None
    content_type: str = "text/event-stream; charset=utf-8"
    hang: float = 0.0
    first: float | None = None
    pace: float | None = None
    usage: Mapping[str, int] = field(default_factory=dict[str, int])

    def in_order(self) -> tuple[Piece, ...]:
        """The reply as pieces."""
        if self.pieces:
            return tuple(self.pieces)
        pieces: list[Piece] = []
        if self.thinking is not None:
            pieces.append(Think(self.thinking))
        if isinstance(self.text, str):
            pieces += [Say(self.text)] if self.text else []
        else:
            pieces.append(Say.of(*self.text))
        return (*pieces, *self.calls)


Replies: TypeAlias = "Callable[[Body], Script | str] | Sequence[Script | str] | Script | str"
"""What a server answers: one script for all, a list used up in order (the last one stays), or a function of the body."""


def chooser(replies: Replies) -> Callable[[Body], Script]:
    """Any form of `Replies` as one function."""
    if callable(replies):
        return lambda body: _script(replies(body))
    if isinstance(replies, Script | str):
        only = _script(replies)
        return lambda body: only
    remaining = [_script(reply) for reply in replies]
    return lambda body: remaining.pop(0) if len(remaining) > 1 else remaining[0]


def _script(reply: Script | str) -> Script:
    return Script(text=reply) if isinstance(reply, str) else reply
