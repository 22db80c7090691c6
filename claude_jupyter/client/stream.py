"""Raw stream events → the message they add up to, and what changed since one last looked. Pure: no network, no threads.

The SDK's own accumulator copies the whole text at every delta, which is quadratic (4 × the deltas cost 8.7 × the time), so the
raw events of `create(stream=True)` are gathered here: lists, joined once. `tests/wire` holds this to the SDK's on every recording.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from claude_jupyter.encodable import encodable, encodable_all


class Opened(NamedTuple):
    """A content block began (or came whole); `at` is its place in the message."""

    at: int
    block: dict[str, Any]


class Grew(NamedTuple):
    """Text or thinking arrived at the end of block `at`."""

    at: int
    text: str


class Closed(NamedTuple):
    """A content block is finished; `block` is whole."""

    at: int
    block: dict[str, Any]


Change = Opened | Grew | Closed

_COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_EXTRAS = ("server_tool_use", "output_tokens_details", "iterations", "fallback_credit")
_SENDABLE = frozenset({
    "text", "thinking", "redacted_thinking", "image", "document", "search_result", "container_upload",
    "compaction", "fallback", "mcp_tool_listing", "tool_addition", "tool_removal",
})  # fmt: skip
_CALLS_AND_RESULTS = ("tool_use", "tool_result")
"""How the names of calls and their results end, also of server tools that are yet to come."""


class Accumulator:
    """Gathers the events of one stream.

    One thread feeds, another may call `drain`: `changes` is only ever appended to by one and cut at the front by the other,
    which a list does atomically.

    Attributes
    ----------
    message
        The message as `message_start` gave it, with `stop_reason` and `usage` as last reported; None before that.
    started, finished
        Whether `message_start` and `message_stop` were seen.
    """

    def __init__(self) -> None:
        self.message: dict[str, Any] | None = None
        self.finished = False
        self.changes: list[Change] = []
        self._blocks: dict[int, dict[str, Any]] = {}
        self._pieces: dict[int, list[str]] = {}
        self._json: dict[int, list[str]] = {}
        self._cited: dict[int, list[dict[str, Any]]] = {}
        self._half: dict[int, str] = {}

    @property
    def started(self) -> bool:
        """Whether the service began to answer."""
        return self.message is not None

    @property
    def stop_known(self) -> bool:
        """Whether the service said why it stopped: only `message_stop` is still to come."""
        return self.message is not None and self.message.get("stop_reason") is not None

    @property
    def usage(self) -> dict[str, Any]:
        """Usage as last reported, in the service's own names."""
        return dict((self.message or {}).get("usage") or {})

    def feed(self, event: Any) -> None:
        """Take one raw event of the SDK; unknown events and deltas are skipped, as the service asks."""
        kind = event.type
        if kind == "content_block_delta":
            self._delta(event.index, event.delta)
        elif kind == "content_block_start":
            self._open(event.index, _plain(event.content_block))
        elif kind == "content_block_stop":
            self._close(event.index)
        elif kind == "message_start":
            if self.message is None:
                self._start(_plain(event.message))
        elif kind == "message_delta":
            self._message_delta(_plain(event))
        elif kind == "message_stop":
            self.finished = True

    def drain(self) -> list[Change]:
        """What changed since the last call, text that belongs together joined."""
        count = len(self.changes)
        changes = self.changes[:count]
        del self.changes[:count]
        joined: list[Change] = []
        run: list[str] = []
        for i, change in enumerate(changes):
            if not isinstance(change, Grew):
                joined.append(change)
                continue
            run.append(change.text)
            after = changes[i + 1] if i + 1 < count else None
            if not (isinstance(after, Grew) and after.at == change.at):
                joined.append(Grew(change.at, "".join(run)))
                run = []
        return joined

    def content(self) -> list[dict[str, Any]]:
        """The blocks so far, texts joined; a tool call whose arguments are unfinished is left out."""
        for index in list(self._blocks):
            self._settle(index)
        return [b for i, b in sorted(self._blocks.items()) if i not in self._json]

    def result(self) -> dict[str, Any]:
        """The message so far as the service would have sent it whole."""
        return {**(self.message or {}), "content": self.content()}

    def _start(self, message: dict[str, Any]) -> None:
        self.message = message
        for index, block in enumerate(
            message.get("content") or []
        ):  # programmatic tool calls come in the start itself
            self._open(index, dict(block))
            self._json.pop(index, None)
            self._close(index)

    def _open(self, index: int, block: dict[str, Any]) -> None:
        if not isinstance(index, int):  # the SDK does not check  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError("a content block without an index")
        self._blocks[index] = block
        kind = block.get("type")
        if kind == "text":
            self._pieces[index] = [_text(block.get("text"))]
        elif kind == "thinking":
            self._pieces[index] = [_text(block.get("thinking"))]
        elif kind in ("tool_use", "server_tool_use", "mcp_tool_use"):
            self._json[index] = []
        elif kind == "fallback" and self.message is not None:
            # Another model took over: it is the one that answers from here on.
            self.message["model"] = (block.get("to") or {}).get("model") or self.message.get("model")
        self.changes.append(Opened(index, dict(block)))

    def _delta(self, index: int, delta: Any) -> None:
        kind = delta.type
        if kind == "text_delta" or kind == "thinking_delta":
            text = _text(delta.text if kind == "text_delta" else delta.thinking)
            text = self._half.pop(index, "") + text
            if (
                text and "\ud800" <= text[-1] <= "\udbff"
            ):  # the first half of a letter: the other one may follow
                self._half[index] = text[-1]
                text = text[:-1]
            self._grow(index, encodable(text))
        elif kind == "input_json_delta":
            if index in self._json:
                self._json[index].append(_text(delta.partial_json))
        elif kind == "signature_delta":
            if index in self._blocks:
                self._blocks[index]["signature"] = delta.signature
        elif kind == "citations_delta":
            if index in self._blocks:
                self._cited.setdefault(index, []).append(_plain(delta.citation))
        elif kind == "compaction_delta" and index in self._blocks:
            self._blocks[index].update({k: v for k, v in _plain(delta).items() if k != "type"})

    def _grow(self, index: int, text: str) -> None:
        if index in self._pieces and text:
            self._pieces[index].append(text)
            self.changes.append(Grew(index, text))

    def _close(self, index: int) -> None:
        block = self._blocks.get(index)
        if block is None:
            return
        self._grow(index, encodable(self._half.pop(index, "")))
        self._settle(index)
        pieces = self._json.pop(index, None)
        if pieces:
            text = encodable("".join(pieces))
            try:
                block["input"] = encodable_all(json.loads(text)) if text.strip() else {}
            except ValueError:
                block["input"] = {}
                block["invalid_input"] = text
        self.changes.append(Closed(index, dict(block)))

    def _settle(self, index: int) -> None:
        block, cited = self._blocks[index], self._cited.pop(index, None)
        if cited:
            block["citations"] = [*(block.get("citations") or []), *cited]
        pieces = self._pieces.get(index)
        if pieces is None:
            return
        text = "".join(pieces)
        pieces[:] = [text]
        block["text" if block["type"] == "text" else "thinking"] = text

    def _message_delta(self, event: Mapping[str, Any]) -> None:
        if self.message is None:
            return
        delta = event.get("delta") or {}
        for name in ("stop_reason", "stop_sequence", "stop_details", "container"):
            if name in delta:
                self.message[name] = delta[name]
        reported = event.get("usage") or {}
        usage = dict(self.message.get("usage") or {})
        usage.update({k: reported[k] for k in (*_COUNTS, *_EXTRAS) if reported.get(k) is not None})
        if "output_tokens" in reported:
            usage["output_tokens"] = reported["output_tokens"]
        self.message["usage"] = usage


def _plain(model: Any) -> dict[str, Any]:
    """A model of the SDK as the JSON that came, also with text that its own JSON mode refuses."""
    try:
        return encodable_all(model.to_dict(mode="json", warnings=False))
    except ValueError:
        data = encodable_all(model.to_dict(mode="python", warnings=False))
        return json.loads(json.dumps(data, default=str))


def _text(value: Any) -> str:
    """What should be text; refused here, where a stream that cannot be read is told as one (the SDK does not check)."""
    if not isinstance(value, str | None):
        raise TypeError(f"{type(value).__name__} where a string was expected")
    return value or ""


def as_sent(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Response blocks as they are sent back: what the service gave, without nulls and without what is only ours.

    An empty text block is left out, because the service refuses it; a thinking block with empty text is kept, because its
    signature carries the reasoning. A block of a kind that nobody knows is left out too, and with it the thinking that is bound
    to it: it could make every question to come fail.
    """
    sent: list[dict[str, Any]] = []
    strange = False
    for block in content:
        kind = str(block.get("type"))
        if kind not in _SENDABLE and not kind.endswith(_CALLS_AND_RESULTS):
            strange = True
            continue
        if strange and kind in ("thinking", "redacted_thinking"):
            continue
        if kind == "text" and not (block.get("text") or "").strip():
            continue
        sent.append({k: v for k, v in block.items() if v is not None and k != "invalid_input"})
    return sent
