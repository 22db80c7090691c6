"""A request, and the events that answer it, as values. `service.py` sends it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from claude_jupyter import errors
from claude_jupyter.client.stream import Change, Closed, Grew, Opened


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the Messages API.

    Attributes
    ----------
    params
        `model`, `messages`, `max_tokens`, … exactly as `client.messages.create` takes them, without `stream`.
    betas
        Beta names; with any the beta endpoint is used.
    extra
        `extra_headers`, `extra_body`, `extra_query`, `timeout` for this call.
    """

    params: Mapping[str, Any]
    betas: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])


class Arrived(NamedTuple):
    """What arrived since the last event; `raw` holds the SDK's events where they were asked for."""

    changes: tuple[Change, ...]
    usage: Mapping[str, Any]
    raw: tuple[Any, ...] = ()


class Waiting(NamedTuple):
    """The service is busy or away; it is tried again in `seconds`."""

    reason: str
    seconds: float
    attempt: int
    attempts: int


class Reply(NamedTuple):
    """How a request ended.

    Attributes
    ----------
    message
        The message as far as it came, in the service's own names; `usage` in it is final only if `complete`.
    complete
        Whether `message_stop` came.
    stopped
        Whether it was stopped by the user.
    error
        Why it is not complete, else None.
    ttft
        Seconds from sending to the first content, or None.
    silent
        Whether it was stopped before the service said what it had read: it may bill that all the same.
    """

    message: Mapping[str, Any]
    complete: bool
    stopped: bool
    error: errors.ClaudeError | None
    request_id: str | None
    ttft: float | None
    seconds: float
    silent: bool = False


Event = Arrived | Waiting | Reply


def replayed(message: Mapping[str, Any]) -> Generator[Event]:
    """A recorded message as `send` would have told it, all at once."""
    changes: list[Change] = []
    for at, block in enumerate(message.get("content") or []):
        kind = block.get("type")
        text = block.get(kind) if kind in ("text", "thinking") else None
        changes.append(Opened(at, {**block, kind: ""} if text else dict(block)))
        if text:
            changes.append(Grew(at, text))
        changes.append(Closed(at, dict(block)))
    yield Arrived(tuple(changes), message.get("usage") or {})
    yield Reply(message, True, False, None, None, 0.0, 0.0)
