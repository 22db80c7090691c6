"""Wire blocks as they arrive → the blocks of an answer as people see them, with the parts a view is told on the way.

Texts that citations split are one text again, tool calls and server tools stand once with their result, sources are numbered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from claude_jupyter.client.stream import Change, Closed, Grew, Opened
from claude_jupyter.turns import Add, Block, Part, Put

_CALLS = {"tool_use": "python", "server_tool_use": "server", "mcp_tool_use": "server"}


class Blocks:
    """The blocks of one answer while it grows, over all its tool rounds.

    Parameters
    ----------
    clock
        Seconds; for how long thinking and tools took.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._blocks: list[dict[str, Any]] = []
        self._texts: dict[int, list[str]] = {}
        self._here: dict[int, int] = {}  # wire index of this round → answer block
        self._since: dict[int, float] = {}
        self._sources: dict[str, int] = {}
        self._last_kind: str | None = None
        self.letters = 0

    def round(self) -> None:
        """A new response begins: its wire indexes start from 0 again."""
        self._here.clear()
        self._last_kind = None

    def frozen(self) -> tuple[Block, ...]:
        """The blocks so far, texts joined; empty ones left out."""
        for i, pieces in self._texts.items():
            text = "".join(pieces)
            pieces[:] = [text]
            self._blocks[i]["text"] = text
        return tuple(dict(b) for b in self._blocks if b["type"] not in ("text",) or b["text"])

    def put(self, block: dict[str, Any]) -> Put:
        """Append a block of our own (a notice)."""
        self._blocks.append(block)
        self._last_kind = None
        return Put(len(self._blocks) - 1, block)

    def resolve(self, tool_id: str, result: str, *, error: bool, seconds: float | None) -> Put | None:
        """Give a tool call its result."""
        for i, block in enumerate(self._blocks):
            if block["type"] == "tool" and block["id"] == tool_id:
                block.update(result=result, error=error, seconds=seconds)
                return Put(i, dict(block))
        return None

    def take(self, changes: Sequence[Change]) -> list[Part]:
        """What a view is told of these changes."""
        parts: list[Part] = []
        for change in changes:
            if isinstance(change, Grew):
                block = self._here.get(change.at)
                if block is not None:
                    self._texts[block].append(change.text)
                    self.letters += len(change.text)
                    parts.append(Add(block, change.text))
            elif isinstance(change, Opened):
                parts.extend(self._open(change))
            else:
                parts.extend(self._close(change))
        return parts

    def _open(self, change: Opened) -> list[Part]:
        kind, data = change.block.get("type"), change.block
        previous, self._last_kind = self._last_kind, kind
        if kind == "text":
            text = data.get("text") or ""
            if previous == "text" and self._texts:
                block = max(self._texts)
                self._here[change.at] = block
                self._texts[block].append(text)
                return [Add(block, text)] if text else []
            return [self._begin(change.at, {"type": "text", "text": text}, text)]
        if kind in ("thinking", "redacted_thinking"):
            text = data.get("thinking") or ""
            return [self._begin(change.at, {"type": "thinking", "text": text, "seconds": None}, text)]
        if kind in _CALLS:
            call = {
                "type": "tool", "id": data.get("id"), "name": data.get("name"), "kind": _CALLS[kind],
                "input": None, "result": None, "error": False, "seconds": None,
            }  # fmt: skip
            return [self._begin(change.at, call)]
        if kind == "compaction":
            return [
                self.put(
                    {
                        "type": "notice",
                        "level": "info",
                        "text": "The service condensed the earlier conversation.",
                    }
                )
            ]
        if isinstance(kind, str) and kind.endswith("_tool_result"):
            put = self._server_result(data)
            return [put] if put else []
        return []

    def _begin(self, at: int, block: dict[str, Any], text: str | None = None) -> Put:
        self._blocks.append(block)
        here = self._here[at] = len(self._blocks) - 1
        self._since[here] = self._clock()
        if text is not None:
            self._texts[here] = [text]
            self.letters += len(text)
        return Put(here, dict(block))

    def _close(self, change: Closed) -> list[Part]:
        here = self._here.get(change.at)
        if here is None:
            return []
        block, kind = self._blocks[here], change.block.get("type")
        if kind == "text":
            return [self._cite(here, c) for c in change.block.get("citations") or ()]
        block["seconds"] = round(self._clock() - self._since[here], 1)
        if kind in _CALLS:
            block["input"] = change.block.get("input")
            block["seconds"] = None
            return [Put(here, dict(block))]
        told = {k: v for k, v in block.items() if k != "text"}
        return [Put(here, {**told, "text": "".join(self._texts[here])})]

    def _cite(self, here: int, citation: dict[str, Any]) -> Put:
        url = citation.get("url") or ""
        title = citation.get("title") or citation.get("document_title") or url
        number = self._sources.setdefault(url or title, len(self._sources) + 1)
        self._blocks.append(
            {
                "type": "citation",
                "n": number,
                "at": sum(map(len, self._texts[here])),
                "title": title,
                "url": url,
                "cited": citation.get("cited_text") or "",
            }
        )
        return Put(len(self._blocks) - 1, dict(self._blocks[-1]))

    def _server_result(self, data: dict[str, Any]) -> Put | None:
        content = data.get("content")
        if isinstance(content, list):
            lines = [f"{r.get('title') or ''} {r.get('url') or ''}".strip() for r in content]
            return self.resolve(
                data["tool_use_id"], "\n".join(filter(None, lines)), error=False, seconds=None
            )
        code = content.get("error_code") if isinstance(content, dict) else None
        text = f"failed: {code}" if code else "done"
        return self.resolve(data.get("tool_use_id", ""), text, error=bool(code), seconds=None)
