"""The recorded streams as bytes ready to be played, and what the SDK itself makes of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.raw_server import RawServer

FOLDER = Path(__file__).resolve().parents[1] / "wire" / "recordings"
BROKEN = "anthropic-sdk-python/tool_use_invalid_json_response.txt"
"""Arguments of a tool call that cannot be parsed."""
UNFINISHED = "anthropic-sdk-python/incomplete_partial_json_response.txt"
"""Cut by `max_tokens` within the arguments of a tool call."""
SPLICED = "vercel-ai/spliced-message-start.chunks.txt"
"""A proxy began again in the middle: a second `message_start` without an end of the first message."""
BETA = (b'"compaction', b'"fallback', b'"mcp_tool', b'"iterations"', b'"advisor')


def _pieces(path: Path) -> list[bytes]:
    data = path.read_bytes()
    if path.name.endswith(".chunks.txt"):
        lines = [line for line in data.splitlines() if line.strip()]
        return [b"event: %s\ndata: %s\n\n" % (json.loads(line)["type"].encode(), line) for line in lines]
    return [piece + b"\n\n" for piece in data.replace(b"\r\n", b"\n").split(b"\n\n") if piece.strip()]


def _streams() -> dict[str, list[bytes]]:
    """All streams by name; a log of several responses one after the other becomes `name#1`, `name#2` …"""
    streams: dict[str, list[bytes]] = {}
    for path in sorted(p for p in FOLDER.glob("*/*") if p.suffix in (".sse", ".txt")):
        name = path.relative_to(FOLDER).as_posix()
        parts: list[list[bytes]] = [[]]
        for piece in _pieces(path):
            if piece.startswith(b"event: message_start") and any(b"message_stop" in p for p in parts[-1]):
                parts.append([])
            parts[-1].append(piece)
        streams |= {name if len(parts) == 1 else f"{name}#{i}": part for i, part in enumerate(parts, 1)}
    return streams


STREAMS = _streams()
NAMES = sorted(STREAMS)


def events(name: str) -> list[bytes]:
    """The stream in pieces of one event each; `.chunks.txt` got the `event:` lines that the log left out."""
    return STREAMS[name]


def is_beta(name: str) -> bool:
    """Whether only the SDK's beta helper knows what is in it."""
    return any(word in piece for piece in events(name) for word in BETA)


def payloads(name: str) -> list[dict[str, Any]]:
    """The events' own JSON."""
    lines = [line for piece in events(name) for line in piece.splitlines()]
    return [json.loads(line[5:]) for line in lines if line.startswith(b"data:")]


def stop_reason(name: str) -> str | None:
    """How the recorded answer ended."""
    reasons = [
        (event["message"] if event["type"] == "message_start" else event["delta"]).get("stop_reason")
        for event in payloads(name)
        if event["type"] in ("message_start", "message_delta")
    ]
    return next((reason for reason in reversed(reasons) if reason), None)


def by_the_sdk(server: RawServer, *, beta: bool = False) -> dict[str, Any]:
    """The message that the SDK's own helper accumulates from what `server` plays."""
    import anthropic

    how: Any = {"model": "claude-sonnet-5-5", "max_tokens": 100}
    # Closed, not left to the garbage collector: what that finds after the last test makes pytest fail though all have passed.
    with anthropic.Anthropic(
        api_key="test-key-of-the-recordings", base_url=server.url, max_retries=0
    ) as client:
        messages = client.beta.messages if beta else client.messages
        with messages.stream(messages=[{"role": "user", "content": "recorded"}], **how) as stream:
            return plain(stream.get_final_message().to_dict(mode="json", warnings=False))


def plain(value: Any) -> Any:
    """JSON without nulls, which mean nothing on the wire."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return value
