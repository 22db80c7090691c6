"""The prompt cache, counted by the published rules: what a request reads, writes and pays in full.

https://platform.claude.com/docs/en/build-with-claude/prompt-caching: the prefix runs tools, system, messages; at most four
breakpoints; an entry is written at a breakpoint only and found at most 20 blocks before one; shorter prompts than the model's
minimum are not cached; entries live 5 minutes or 1 hour and are refreshed by use. Only digests are kept, no content.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from claude_jupyter.costs.usage import Usage
from claude_jupyter.demo.oracle import context_editing
from claude_jupyter.demo.oracle.image_rules import images
from claude_jupyter.demo.oracle.signing import as_blocks, bare, canonical, readable
from claude_jupyter.demo.oracle.token_count import MESSAGE, TOOL_PROMPT, block_tokens, text_tokens
from claude_jupyter.models import Model

LOOKBACK: Final = 20
SECONDS: Final = {"5m": 300.0, "1h": 3600.0}


@dataclass(frozen=True, slots=True)
class Position:
    """A block of the prompt: the digest of everything up to and with it, the tokens so far, its marker."""

    digest: bytes
    tokens: int
    ttl: str | None
    cacheable: bool


def positions(body: Mapping[str, Any], model: Model) -> list[Position]:
    """The blocks of what the model reads in the cache's order; the automatic breakpoint is at the last cacheable one."""
    return _positions(context_editing.read(body, lambda b: _total(_positions(b, model))).body, model)


def _positions(body: Mapping[str, Any], model: Model) -> list[Position]:
    running = hashlib.sha256()
    positions: list[Position] = []
    tokens = 0
    for seed, block, extra in _blocks(body):
        if block is None:
            running.update(seed)
            tokens += extra
            continue
        running.update(seed + canonical(block))
        tokens += extra + _tokens(block, model)
        cacheable = block.get("type") not in ("thinking", "redacted_thinking")
        positions.append(Position(running.digest(), tokens, _ttl(block), cacheable))
    automatic = body.get("cache_control")
    if automatic:
        last = next((k for k in reversed(range(len(positions))) if positions[k].cacheable), None)
        if last is not None and positions[last].ttl is None:
            positions[last] = replace(positions[last], ttl=automatic.get("ttl") or "5m")
    return positions


def _blocks(body: Mapping[str, Any]) -> Iterator[tuple[bytes, Mapping[str, Any] | None, int]]:
    """(what else the digest depends on, block or None, tokens besides the block's own)."""
    tools = [t for t in body.get("tools") or () if not t.get("defer_loading")]
    for k, tool in enumerate(tools):
        yield b"\0tool", tool, 0 if k else TOOL_PROMPT
    # A change of speed spoils system and messages, one of tool_choice or of "any images" the messages.
    yield b"\0speed" + str(body.get("speed") or "standard").encode(), None, 0
    for block in as_blocks(body.get("system") or []):
        yield b"\0system", block, 0
    choice = json.dumps(bare(body.get("tool_choice") or {}), sort_keys=True)
    pictures = next(images(body), None) is not None
    yield f"\0messages {choice} {pictures}".encode(), None, 0
    role = ""
    for message in body.get("messages") or ():
        for block in as_blocks(message.get("content")):
            if not readable(block, str(body.get("model"))):
                continue
            new = message["role"] != role
            role = message["role"]
            yield b"\0block" + (role.encode() if new else b""), block, MESSAGE if new else 0


def _tokens(block: Mapping[str, Any], model: Model) -> int:
    if "type" in block and "input_schema" not in block:
        return block_tokens(block, model)
    return text_tokens(json.dumps(bare(block), ensure_ascii=False), model)


def _ttl(block: Mapping[str, Any]) -> str | None:
    """The marker on a block or, in a tool result, on the last block inside."""
    marker = block.get("cache_control")
    if not marker and isinstance(block.get("content"), list | tuple):
        marker = next(
            (b["cache_control"] for b in reversed(block["content"]) if b.get("cache_control")), None
        )
    return (marker.get("ttl") or "5m") if marker else None


def prompt_tokens(body: Mapping[str, Any], model: Model) -> int:
    """The whole prompt's tokens, cached or not: what `count_tokens` answers."""
    return _total(positions(body, model))


def applied_edits(body: Mapping[str, Any], model: Model) -> tuple[dict[str, Any], ...]:
    """What context editing cleared, as the response tells it."""
    return context_editing.read(body, lambda b: _total(_positions(b, model))).applied


def _total(positions: list[Position]) -> int:
    return positions[-1].tokens if positions else 0


class Cache:
    """What is cached at one moment, per key and model.

    Parameters
    ----------
    clock
        Seconds, monotonic; tests pass their own.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: dict[tuple[str, str, bytes], tuple[float, float]] = {}
        self._lock = threading.Lock()

    def account(self, body: Mapping[str, Any], model: Model, key: str) -> Usage:
        """Count a request's prompt and remember what it writes: called when its answer starts, as entries become readable then."""
        prompt = positions(body, model)
        marks = [k for k, p in enumerate(prompt) if p.ttl]
        total = prompt[-1].tokens if prompt else 0
        with self._lock:
            now = self._clock()
            self._entries = {k: v for k, v in self._entries.items() if v[0] > now}
            hit = max((self._find(prompt, mark, model.id, key, now) for mark in marks), default=-1)
            read = prompt[hit].tokens if hit >= 0 else 0
            written = {"5m": 0, "1h": 0}
            reached = read
            for mark in marks:
                here = prompt[mark]
                if here.tokens < model.cacheable:
                    continue
                lifetime = SECONDS[here.ttl or "5m"]
                entry = (key, model.id, here.digest)
                if mark <= hit:
                    lifetime = self._entries.get(entry, (0.0, lifetime))[1]
                else:
                    written[here.ttl or "5m"] += here.tokens - reached
                    reached = here.tokens
                self._entries[entry] = (now + lifetime, lifetime)
        return Usage(
            input=total - reached,
            cache_read=read,
            cache_write_5m=written["5m"],
            cache_write_1h=written["1h"],
        )

    def _find(self, prompt: list[Position], mark: int, model: str, key: str, now: float) -> int:
        """The nearest live entry at or before a breakpoint, refreshed; -1 without one."""
        for k in range(mark, max(-1, mark - LOOKBACK), -1):
            entry = (key, model, prompt[k].digest)
            until, lifetime = self._entries.get(entry, (0.0, 0.0))
            if until > now:
                self._entries[entry] = (now + lifetime, lifetime)
                return k
        return -1
