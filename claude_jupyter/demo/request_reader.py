"""What the demo model makes out of a request without understanding it: the question, what is attached, what was asked before."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any

from claude_jupyter.demo.pictures import picture
from claude_jupyter.demo.script import Body
from claude_jupyter.demo.signing import as_blocks
from claude_jupyter.demo.tokens import image_tokens, pages
from claude_jupyter.models import facts

_ATTACHMENT = re.compile(
    r"""<attachment label=(?:"([^"]*)"|'([^']*)') kind=["']([^"']*)["']>\n(.*?)\n</attachment>""", re.DOTALL
)
_TITLE = re.compile(r"^(.+?): ([\d,]+ rows?|row count unknown) × ([\d,]+) columns?$", re.MULTILINE)
_COLUMNS = re.compile(r"^column \| dtype \| what is in it\n((?:.+\n?)*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Column:
    """A column as a dataframe's profile tells it."""

    name: str
    dtype: str
    about: str

    @property
    def is_number(self) -> bool:
        """Whether it can be averaged."""
        return bool(re.match(r"(u?int|float|double|decimal)", self.dtype, re.IGNORECASE))

    @property
    def is_time(self) -> bool:
        """Whether it holds dates or times."""
        return bool(re.match(r"(datetime|date|timestamp)", self.dtype, re.IGNORECASE))

    @property
    def distinct(self) -> int:
        """How many values it has, where the profile says so; else very many."""
        found = re.search(r"([\d,]+) distinct", self.about)
        return int(found[1].replace(",", "")) if found else 10**9


@dataclass(frozen=True, slots=True)
class Frame:
    """A dataframe as its profile tells it."""

    label: str
    title: str
    rows: str
    width: str
    columns: tuple[Column, ...]

    @property
    def library(self) -> str:
        """`pandas`, `polars`, …"""
        return self.title.split()[0].lower()


@dataclass(frozen=True, slots=True)
class Text:
    """Any other attached text."""

    label: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture or document in one line of facts."""

    label: str
    kind: str
    facts: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A request, read: the newest question with what came with it, then `before`: what earlier questions showed."""

    prompt: str
    frames: tuple[Frame, ...]
    texts: tuple[Text, ...]
    shown: tuple[Shown, ...]
    results: tuple[tuple[str, str, bool], ...]
    earlier: tuple[str, ...]
    before: tuple[Frame, ...]
    labels_before: tuple[str, ...]
    system: str


def read(body: Body) -> Seen:
    """Read a request: the newest question, everything shown with it, the results of tools since, and the questions before."""
    messages: Sequence[Mapping[str, Any]] = body.get("messages") or ()
    names = {
        b["id"]: b["name"] for m in messages for b in as_blocks(m["content"]) if b.get("type") == "tool_use"
    }
    questions = [k for k, m in enumerate(messages) if m["role"] == "user" and _asks(m)]
    newest = questions[-1] if questions else len(messages) - 1
    blocks = as_blocks(messages[newest]["content"]) if messages else []
    after = [b for m in messages[newest + 1 :] for b in as_blocks(m["content"])]
    results = tuple(
        (names.get(b["tool_use_id"], "a tool"), _text_of(b.get("content")), bool(b.get("is_error")))
        for b in after
        if b.get("type") == "tool_result"
    )
    frames, texts = _attached(blocks)
    past = [b for k in questions[:-1] for b in as_blocks(messages[k]["content"])]
    old_frames, old_texts = _attached(past)
    old_shown = _shown(past, str(body.get("model")))
    return Seen(
        prompt=_prompt(blocks),
        frames=frames,
        texts=texts,
        shown=tuple(_shown(blocks, str(body.get("model")))),
        results=results,
        before=old_frames[::-1],
        labels_before=tuple(dict.fromkeys(v.label for v in (*old_frames, *old_texts, *old_shown))),
        earlier=tuple(_prompt(as_blocks(messages[k]["content"])) for k in questions[:-1]),
        system=_text_of(body.get("system")),
    )


def _asks(message: Mapping[str, Any]) -> bool:
    return any(block.get("type") != "tool_result" for block in as_blocks(message["content"]))


def _prompt(blocks: Sequence[Mapping[str, Any]]) -> str:
    texts = [
        b["text"] for b in blocks if b.get("type") == "text" and not _ATTACHMENT.fullmatch(b["text"].strip())
    ]
    return texts[-1].strip() if texts else ""


def _text_of(content: Any) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(b["text"] if b.get("type") == "text" else f"({b.get('type')})" for b in content)


def _attached(blocks: Sequence[Mapping[str, Any]]) -> tuple[tuple[Frame, ...], tuple[Text, ...]]:
    frames: list[Frame] = []
    texts: list[Text] = []
    for block in blocks:
        for match in _ATTACHMENT.finditer(block["text"]) if block.get("type") == "text" else ():
            label, kind, text = unescape(match[1] or match[2] or ""), match[3], match[4]
            if kind == "image":
                continue
            frame = _frame(label, text)
            if frame is None:
                texts.append(Text(label, kind, text))
            else:
                frames.append(frame)
    return tuple(frames), tuple(texts)


def _frame(label: str, text: str) -> Frame | None:
    title = _TITLE.match(text)
    if title is None:
        return None
    table = _COLUMNS.search(text)
    cells = [line.split(" | ", 2) for line in (table[1].splitlines() if table else []) if line]
    columns = tuple(Column(*row) for row in cells if len(row) == 3)
    return Frame(label, title[1], title[2], title[3], columns)


def _shown(blocks: Sequence[Mapping[str, Any]], model: str) -> list[Shown]:
    found: list[Shown] = []
    label = ""
    for block in blocks:
        match = _ATTACHMENT.search(block["text"]) if block.get("type") == "text" else None
        if match:
            label = unescape(match[1] or match[2] or "")
        elif block.get("type") == "image":
            found.append(Shown(label or f"picture {len(found) + 1}", "image", _image(block, model)))
            label = ""
        elif block.get("type") == "document":
            name = block.get("title") or label or f"document {len(found) + 1}"
            found.append(Shown(name, "document", _document(block)))
            label = ""
    return found


def _image(block: Mapping[str, Any], model: str) -> str:
    source = block.get("source") or {}
    shape = picture(block)
    if shape is None:
        return f"by its address ({source.get('url') or source.get('file_id')}), which the offline demo does not open"
    kilobytes = len(source["data"]) * 3 / 4 / 1024
    tokens = image_tokens(shape.width, shape.height, facts(model))
    kind = shape.media_type.removeprefix("image/").upper()
    return f"{kind}, {shape.width:,} × {shape.height:,} pixels, {kilobytes:,.0f} KB, {tokens:,} tokens"


def _document(block: Mapping[str, Any]) -> str:
    source = block.get("source") or {}
    match source.get("type"):
        case "base64":
            data = base64.b64decode(source["data"])
            count = pages(data)
            return f"PDF, {len(data) / 1024:,.0f} KB, about {count} page{'s' * (count != 1)}"
        case "text":
            return f"plain text, {len(source['data'].splitlines()):,} lines"
        case kind:
            return f"given by {kind}"
