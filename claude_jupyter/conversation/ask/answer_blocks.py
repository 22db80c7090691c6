"""Content blocks as they arrive → the blocks of an answer as people see them, with updates for the view.

Texts that citations split are one text again, each tool call appears once, with its result, sources are numbered.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from claude_jupyter.answer.model import Add, Block, Part, Put, Status
from claude_jupyter.client.stream import Change, Closed, Grew, Opened
from claude_jupyter.conversation.work.proposal import RUN_CELL

_CALLS = {"tool_use": "python", "server_tool_use": "server", "mcp_tool_use": "server"}
_PARAGRAPH: Final = re.compile(r"(?<!\n)\n\n(?=\S)")
_ENOUGH: Final = 8
"""Characters of the next paragraph that tell whether it is an item of a list."""
_ITEM: Final = re.compile(r"(?:[-*+]|\d{1,9}[.)])(?:\s|$)", re.MULTILINE)
_FENCE: Final = re.compile(r"^ {0,3}(?:```|~~~)|^\$\$|\$\$$", re.MULTILINE)


class Blocks:
    """The blocks of one answer while it grows, across all its tool rounds.

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
        self._quoted: int | None = None  # the text block that holds claims with quotes
        self._pending = ""  # its newest letters, until it is known whether they begin a paragraph
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
            self._blocks[i]["text"] = text + (self._pending if i == self._quoted else "")
        return tuple(dict(b) for b in self._blocks if b["type"] not in ("text",) or b["text"])

    def put(self, block: dict[str, Any]) -> Put:
        """Append a block of our own (a notice)."""
        self._blocks.append(block)
        self._last_kind = None
        return Put(len(self._blocks) - 1, block)

    def resolve(
        self, tool_id: str, result: str, *, error: bool, seconds: float | None, **more: Any
    ) -> Put | None:
        """Give a tool call its result; `more` goes into its block as it is."""
        for i, block in enumerate(self._blocks):
            if block["type"] == "tool" and block["id"] == tool_id:
                block.update(result=result, error=error, seconds=seconds, **more)
                return Put(i, dict(block))
        return None

    def take(self, changes: Sequence[Change]) -> list[Part]:
        """What a view is told of these changes."""
        parts: list[Part] = []
        for change in changes:
            if isinstance(change, Grew):
                if change.at in self._here:
                    self.letters += len(change.text)
                    parts.extend(self._grow(change.at, change.text))
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
                self.letters += len(text)
                return self._grow(change.at, text) if text else []
            return [*self.release(), self._begin(change.at, {"type": "text", "text": text}, text)]
        released = self.release()
        return [*released, *self._open_other(change, str(kind))]

    def _open_other(self, change: Opened, kind: str) -> list[Part]:
        data = change.block
        if kind in ("thinking", "redacted_thinking"):
            text = data.get("thinking") or ""
            return [self._begin(change.at, {"type": "thinking", "text": text, "seconds": None}, text)]
        if kind == "tool_use" and data.get("name") == RUN_CELL["name"]:
            return [Status("Writing the next cell")]  # it is shown as a cell
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
                        "text": "The service summarized the earlier conversation.",
                    }
                )
            ]
        if kind.endswith("_tool_result"):
            put = self._server_result(data)
            return [put] if put else []
        return []

    def _begin(
        self, at: int, block: dict[str, Any], text: str | None = None, *, counted: bool = False
    ) -> Put:
        self._blocks.append(block)
        here = self._here[at] = len(self._blocks) - 1
        self._since[here] = self._clock()
        if text is not None:
            self._texts[here] = [text]
            self.letters += 0 if counted else len(text)
        return Put(here, dict(block))

    def _close(self, change: Closed) -> list[Part]:
        here = self._here.get(change.at)
        if here is None:
            return []
        block, kind = self._blocks[here], change.block.get("type")
        if kind == "text":
            ended = self._settle(change.at, ended=True) if here == self._quoted else []
            here = self._here[change.at]
            return [*ended, *(self._cite(here, c) for c in change.block.get("citations") or ())]
        block["seconds"] = round(self._clock() - self._since[here], 1)
        if kind in _CALLS:
            block["input"] = change.block.get("input")
            block["seconds"] = None
            return [Put(here, dict(block))]
        fields = {k: v for k, v in block.items() if k != "text"}
        return [Put(here, {**fields, "text": "".join(self._texts[here])})]

    def _grow(self, at: int, text: str) -> list[Part]:
        """Text that arrived, of an answer's text or of thinking."""
        block = self._here[at]
        if block == self._quoted:
            self._pending += text
            return self._settle(at)
        self._texts[block].append(text)
        return [Add(block, text)]

    def _settle(self, at: int, *, ended: bool = False) -> list[Part]:
        """Show what is held of a text with quotes; a new paragraph begins a block of its own, so that the quotes are above it."""
        block, pending = self._here[at], self._pending
        boundary = _PARAGRAPH.search(pending)
        if boundary is None:
            tail = len(pending) - len(pending.rstrip("\n"))
            return self._add(block, pending[: len(pending) - tail], pending[len(pending) - tail :])
        before, after = pending[: boundary.start()], pending[boundary.end() :]
        if not ended and len(after) < _ENOUGH:
            return self._add(block, before, pending[boundary.start() :])
        if not _divides("".join(self._texts[block]) + before, after):
            end = boundary.end()
            return [*self._add(block, pending[:end], after), *self._settle(at, ended=ended)]
        parts = self._add(block, before, "")
        self._quoted = None
        return [*parts, self._begin(at, {"type": "text", "text": after}, after, counted=True)]

    def _add(self, block: int, text: str, pending: str) -> list[Part]:
        self._pending = pending
        if not text:
            return []
        self._texts[block].append(text)
        return [Add(block, text)]

    def release(self) -> list[Part]:
        """Show what is held: another block begins, or the answer is over."""
        block, self._quoted = self._quoted, None
        return self._add(block, self._pending, "") if block is not None else []

    def _cite(self, here: int, citation: dict[str, Any]) -> Put:
        url = citation.get("url") or ""
        title = citation.get("title") or citation.get("document_title") or url
        number = self._sources.setdefault(url or title, len(self._sources) + 1)
        place = _place(citation)
        if place:
            self._quoted = here
        block = {
            "type": "citation",
            "n": number,
            "at": sum(map(len, self._texts[here])),
            "title": title,
            "url": url,
            "cited": citation.get("cited_text") or "",
            **place,
        }
        self._blocks.append(block)
        return Put(len(self._blocks) - 1, dict(block))

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


def _place(citation: dict[str, Any]) -> dict[str, list[int]]:
    """Where a quote is in its document: first and last page, or start and end of its characters; nothing for a web page."""
    match citation:
        case {"type": "page_location", "start_page_number": int(first), "end_page_number": int(after)}:
            return {"pages": [first, max(first, after - 1)]}  # the service's end is excluded
        case {"type": "char_location", "start_char_index": int(start), "end_char_index": int(end)}:
            return {"characters": [start, max(start, end)]}
        case _:
            return {}


def _divides(before: str, after: str) -> bool:
    """Whether a text may be divided between these paragraphs: not inside code or mathematics, nor between items of a list."""
    if before.endswith("\n") or len(_FENCE.findall(before)) % 2:
        return False
    last = before.rpartition("\n\n")[2]
    return not (_ITEM.match(after) and (_ITEM.match(last) or last[:1].isspace()))
