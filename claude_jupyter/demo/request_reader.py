"""What the demo model extracts from a request without understanding it: the question, attachments, earlier questions."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import unescape
from typing import Any, TypeVar

from claude_jupyter.demo.oracle.image_rules import picture
from claude_jupyter.demo.oracle.signing import as_blocks
from claude_jupyter.demo.oracle.token_count import image_tokens, pages
from claude_jupyter.demo.script import Body
from claude_jupyter.demo.statements import figure_text, pictures
from claude_jupyter.demo.statements.figure_text import Figure, figure_of
from claude_jupyter.demo.statements.profile_text import Frame, frame_of
from claude_jupyter.models import facts

_ATTACHMENT = re.compile(
    r"""<attachment label=(?:"([^"]*)"|'([^']*)') kind=["']([^"']*)["']>\n(.*?)\n</attachment>""", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Text:
    """Any other attached text."""

    label: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Media:
    """A picture or document in one line of facts; `data` are a picture's base64 letters."""

    label: str
    kind: str
    facts: str
    data: str = ""

    @property
    def colors(self) -> str:
        """How bright a picture is, and its main colors."""
        return pictures.colors(self.data) if self.data else ""


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """A request, read: the newest question with what came with it, then `before`: what earlier questions showed."""

    prompt: str
    frames: tuple[Frame, ...]
    figures: tuple[Figure, ...]
    texts: tuple[Text, ...]
    media: tuple[Media, ...]
    results: tuple[tuple[str, str, bool], ...]
    earlier: tuple[str, ...]
    before: tuple[Frame, ...]
    figures_before: tuple[Figure, ...]
    labels_before: tuple[str, ...]
    system: str


def read(body: Body) -> ParsedRequest:
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
    frames, figures, texts = _attached(blocks)
    past = [b for k in questions[:-1] for b in as_blocks(messages[k]["content"])]
    old_frames, old_figures, old_texts = _attached(past)
    old_media = _media(past, str(body.get("model")))
    return ParsedRequest(
        prompt=_prompt(blocks),
        frames=frames,
        figures=figures,
        texts=texts,
        media=tuple(_media(blocks, str(body.get("model")))),
        results=results,
        before=_newest(old_frames),
        figures_before=_newest(old_figures),
        labels_before=tuple(dict.fromkeys(v.label for v in (*old_frames, *old_texts, *old_media))),
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


_Labeled = TypeVar("_Labeled", Frame, Figure)


def _newest(values: Sequence[_Labeled]) -> tuple[_Labeled, ...]:
    """The newest first, each label once."""
    return tuple({value.label: value for value in reversed(values)}.values())


def _attached(
    blocks: Sequence[Mapping[str, Any]],
) -> tuple[tuple[Frame, ...], tuple[Figure, ...], tuple[Text, ...]]:
    frames: list[Frame] = []
    figures: list[Figure] = []
    texts: list[Text] = []
    for n, block in enumerate(blocks):
        names_document = n + 1 < len(blocks) and blocks[n + 1].get("type") == "document"
        is_text = block.get("type") == "text" and not names_document
        for match in _ATTACHMENT.finditer(block["text"]) if is_text else ():
            label, kind, text = unescape(match[1] or match[2] or ""), match[3], match[4]
            if kind == "image":
                continue
            if kind == figure_text.KIND:
                figures += [figure] if (figure := figure_of(label, text)) else []
            elif (frame := frame_of(label, text)) is not None:
                frames.append(frame)
            else:
                texts.append(Text(label, kind, text))
    return tuple(frames), tuple(figures), tuple(texts)


def _media(blocks: Sequence[Mapping[str, Any]], model: str) -> list[Media]:
    media: list[Media] = []
    label = ""
    for block in blocks:
        match = _ATTACHMENT.search(block["text"]) if block.get("type") == "text" else None
        if match:
            label = unescape(match[1] or match[2] or "") if match[3] != figure_text.KIND else ""
        elif block.get("type") == "image":
            name = label or f"picture {len(media) + 1}"
            media.append(Media(name, "image", _image(block, model), _data(block)))
            label = ""
        elif block.get("type") == "document":
            name = block.get("title") or label or f"document {len(media) + 1}"
            media.append(Media(name, "document", _document(block)))
            label = ""
    return media


def _data(block: Mapping[str, Any]) -> str:
    return str((block.get("source") or {}).get("data") or "")


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
