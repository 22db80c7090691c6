"""Every serialized form of an answer, read and written here: saved conversations and the journal, the notebook's output, the live page.

One version number, one set of names. The forms differ in how much they hold: a saved answer is whole; what stays in a notebook is
bounded, holds nothing opaque, and gives its texts as ranges of the Markdown next to it; the page is sent the same with its texts.
The TypeScript side reads `tests/fixtures/answers.json`, which is written by this module.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, get_args

from claude_jupyter.answer.model import Answer, Attachment, Block, Level, Turn, join_texts
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.encodable import encodable

MIME: Final = "application/vnd.claude-jupyter.answer+json"
VERSION: Final = 1
LEVELS: Final[tuple[str, ...]] = get_args(Level)

THUMBNAIL: Final = 3 * 1024
"""Characters of an attachment's thumbnail in a notebook."""
THUMBNAILS: Final = 12 * 1024
"""Characters of all thumbnails of one answer."""
CALL: Final = 20_000
"""Characters of a tool's input, and of its result, in a notebook."""

_OPAQUE: Final = frozenset({"encrypted_content", "encrypted_index", "signature"})
_THUMBNAIL: Final = re.compile(r"data:image/(?:png|jpeg|webp|gif);base64,[A-Za-z0-9+/]+={0,2}")
_MOST: Final = 10**15
_AMOUNT: Final = re.compile(r"-?\d{1,12}(\.\d{1,30})?")


# -- Values as they may be read from a file that anybody can have edited ------------------------------------------------------


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _MOST
    return value if good else None


def _count(value: Any) -> int:
    return int(_number(value) or 0)


def _true(value: Any) -> bool:
    return value is True


def _amount(value: Any) -> Decimal | None:
    text = value if isinstance(value, str) else ""
    return Decimal(text) if _AMOUNT.fullmatch(text) else None


def _range(value: Any) -> list[int] | None:
    fits = isinstance(value, list) and len(value) == 2 and all(_number(n) is not None for n in value)
    return [int(n) for n in value] if fits and value[0] <= value[1] else None


def _level(value: Any) -> Level:
    return value if value in LEVELS else _OLD_LEVELS.get(str(value), "info")


def _json_value(value: Any) -> Any:
    return _plain(value, opaque=frozenset())


_OLD_LEVELS: Final[Mapping[str, Level]] = {"warn": "warning"}

BLOCKS: Final[Mapping[str, Mapping[str, Callable[[Any], Any]]]] = {
    "text": {"text": _text},
    "thinking": {"text": _text, "seconds": _number},
    "tool": {
        "name": _text,
        "id": _text_or_none,
        "kind": _text,
        "input": _json_value,
        "result": _json_value,
        "error": _true,
        "seconds": _number,
        "tokens": _count,
        "price": _text,
    },
    "citation": {
        "title": _text,
        "n": _count,
        "at": _count,
        "url": _text,
        "cited": _text,
        "pages": _range,
        "characters": _range,
    },
    "notice": {"text": _text, "level": _level},
    "step": {
        "title": _text,
        "code": _text,
        "cell": _text_or_none,
        "effects": _json_value,
        "approval": _text,
        "changed": _json_value,
        "seconds": _number,
        "number": _count,
        "error": _text,
    },
}
"""The kinds of blocks and how each field is read. The first field must be there as text; fields that are missing stay so.

A new kind, or a new field of one, is a row here, its drawing in `display/bundle.py` and in the page.
"""


# -- Writing ------------------------------------------------------------------------------------------------------------------


def answer_to_json(answer: Answer) -> dict[str, Any]:
    """An answer as plain JSON values, for saved conversations and the journal.

    `message`, `value`, `sent` and the attachments' blocks are left out: the turn's messages hold them, or what they were made of.
    """
    attachments = [
        {**_attachment_facts(a), "rows": a.rows, "notes": list(a.notes)} for a in answer.attachments
    ]
    return _facts(answer, [dict(b) for b in answer.blocks], attachments)


def output_json(answer: Answer, ranges: Mapping[int, tuple[int, int]] | None = None) -> dict[str, Any]:
    """The answer as it appears in a notebook's output, or as a page is sent it.

    Parameters
    ----------
    ranges
        Start and end of each text block, by its index, in code points of the output's Markdown. None: texts stay in their blocks.
    """
    blocks = [_bounded(block) for block in answer.blocks]
    texts = [n for n, block in enumerate(answer.blocks) if block["type"] == "text"]
    for n in texts if ranges is not None else ():
        start, end = (ranges or {})[n]
        blocks[n] = {"type": "text", "start": start, "end": end}
        if len(texts) > 1:  # where its own text ends in `text/plain`
            text = encodable(answer.blocks[n]["text"])
            blocks[n]["length"] = len(text if n == texts[0] else text.strip("\n"))
    return _facts(answer, blocks, _bounded_attachments(answer.attachments))


def turn_to_json(turn: Turn) -> dict[str, Any]:
    """A turn as plain JSON values, images included."""
    return {
        "messages": [dict(m) for m in turn.messages],
        "answer": answer_to_json(turn.answer),
        "cell": turn.cell,
        "execution": turn.execution,
        "since": turn.since,
        "prompt": turn.prompt,
        "starts": turn.starts,
        "hidden": turn.hidden,
        **({"deleted": True} if turn.deleted else {}),
        "unseen": turn.unseen,
        "system": turn.system,
        "prefix": turn.prefix,
        "digest": turn.digest,
    }


def _facts(answer: Answer, blocks: list[Any], attachments: list[Any]) -> dict[str, Any]:
    """All but the blocks; what is seldom anything but its default comes last, and only where it is."""
    cost = answer.cost
    return {
        "version": VERSION,
        "id": answer.id,
        "chat": encodable(answer.chat),
        "turn": answer.turn,
        "model": answer.model,
        "provider": answer.provider,
        "blocks": blocks,
        "attachments": attachments,
        "usage": answer.usage.to_json(),
        "cost": None if cost is None else format(cost, "f"),
        "estimated": answer.estimated,
        "complete": answer.complete,
        "stop_reason": answer.stop_reason,
        "started": answer.started.astimezone(UTC).isoformat() if answer.started else None,
        "seconds": answer.seconds,
        "replayed": answer.replayed,
        **(
            {} if answer.billed is _is_billed(answer.provider, answer.replayed) else {"billed": answer.billed}
        ),
        **{name: True for name in ("once", "starts") if getattr(answer, name)},
        **({"saved": format(cost.saved, "f")} if cost is not None and cost.saved else {}),
        **({"rewritten": answer.rewritten} if answer.rewritten else {}),
        **({"usage_details": more} if (more := _usage_details(answer.usage)) else {}),
        **({"cost_details": details} if (details := _cost_details(cost, estimated=answer.estimated)) else {}),
    }


def _is_billed(provider: str, replayed: bool) -> bool:
    """Whether an answer that does not say so was billed."""
    return provider != "demo" and not replayed


def _usage_details(usage: Usage) -> dict[str, int]:
    """What the five counts of `usage` do not say."""
    more = {"thinking": usage.thinking, "web_searches": usage.web_searches}
    return {name: count for name, count in more.items() if count}


def _cost_details(cost: Cost | None, *, estimated: bool) -> dict[str, Any]:
    """What the sum does not say."""
    if cost is None:
        return {}
    details: dict[str, Any] = {}
    parts = {name: usd for name, usd in cost.parts.items() if usd}
    if parts != _one_part(cost):
        details["parts"] = {name: format(usd, "f") for name, usd in parts.items()}
    if cost.thinking:
        details["thinking"] = format(cost.thinking, "f")
    if cost.unknown:
        details["unknown"] = cost.unknown
    if cost.estimated != estimated:
        details["estimated"] = cost.estimated
    return details


def _one_part(usd: Decimal) -> dict[str, Decimal]:
    return {"output": Decimal(usd)} if usd else {}


def _attachment_facts(attachment: Attachment) -> dict[str, Any]:
    """What was sent, not the bytes."""
    return {
        "label": attachment.label,
        "kind": attachment.kind,
        "tokens": attachment.tokens,
        "sent": attachment.sent,
        **({"size": list(attachment.size)} if attachment.size is not None else {}),
        **({"thumbnail": attachment.thumbnail} if attachment.thumbnail is not None else {}),
    }


def _bounded_attachments(attachments: Iterable[Attachment]) -> list[dict[str, Any]]:
    room = THUMBNAILS
    items: list[dict[str, Any]] = []
    for attachment in attachments:
        item = _plain(_attachment_facts(attachment))
        size = len(item.get("thumbnail") or "")
        if size > THUMBNAIL or size > room:
            del item["thumbnail"]
        else:
            room -= size
        items.append(item)
    return items


def _bounded(block: Block) -> dict[str, Any]:
    return {
        key: _cut(_plain(value)) if key in ("input", "result") else _plain(value)
        for key, value in block.items()
    }


def _cut(value: Any) -> Any:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return value if len(text) <= CALL else f"{text[:CALL]} … (cut: {len(text):,} characters in all)"


def _plain(value: Any, opaque: frozenset[str] = _OPAQUE) -> Any:
    """As JSON that every reader takes: no NaN, no lone surrogates, no bytes of images, nothing encrypted."""
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        if value.get("type") == "base64" and "data" in value:
            value = {k: v for k, v in value.items() if k != "data"} | {"data": "left out"}
        return {encodable(str(k)): _plain(v, opaque) for k, v in value.items() if k not in opaque}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(v, opaque) for v in value]
    return encodable(str(value)) if not isinstance(value, bytes | bytearray) else f"{len(value):,} bytes"


# -- Reading ------------------------------------------------------------------------------------------------------------------


def read_output(data: Mapping[str, Any]) -> Answer | None:
    """The answer in an output's data, its texts as the service sent them; None if there is none that this version can read."""
    saved = data.get(MIME)
    if not isinstance(saved, Mapping) or saved.get("version") != VERSION or not _text(saved.get("id")):
        return None
    return answer_from_json(saved, joined(data.get("text/plain", data.get("text/markdown"))))


def answer_from_json(data: Mapping[str, Any], plain: str = "") -> Answer:
    """An answer from any of its forms; what does not fit its type gets its default, unknown kinds of blocks are skipped.

    Parameters
    ----------
    plain
        The text that ranges stand for.

    Raises
    ------
    ValueError
        If it has no id.
    """
    if not _text(data["id"]):
        raise ValueError("an answer without an id")
    provider = _text(data.get("provider")) or "anthropic"
    replayed, estimated = data.get("replayed") is True, data.get("estimated") is True
    billed = data.get("billed")
    return Answer(
        id=data["id"],
        chat=_text(data.get("chat")) or "main",
        turn=_count(data.get("turn")),
        model=_text(data.get("model")),
        provider=provider,
        blocks=_blocks(data.get("blocks"), plain),
        attachments=tuple(a for item in _mappings(data.get("attachments")) if (a := _attachment(item))),
        usage=_usage(data.get("usage"), data.get("usage_details")),
        cost=_cost(data, estimated=estimated),
        estimated=estimated,
        complete=data.get("complete") is True,
        stop_reason=_text_or_none(data.get("stop_reason")),
        started=_moment(data.get("started")),
        seconds=float(_number(data.get("seconds")) or 0),
        replayed=replayed,
        billed=billed if isinstance(billed, bool) else _is_billed(provider, replayed),
        once=data.get("once") is True,
        starts=data.get("starts") is True,
        rewritten=_count(data.get("rewritten")),
    )


def turn_from_json(data: Mapping[str, Any]) -> Turn:
    """The inverse of `turn_to_json`, with the digest as it was saved.

    Raises
    ------
    ValueError, KeyError, TypeError
        For what cannot have been a turn: messages that do not alternate, or hold something else than blocks.
    """
    messages = tuple(_message(m) for m in data["messages"])
    roles = [m["role"] for m in messages]
    if not roles or roles != ["user", "assistant"] * (len(roles) // 2):
        raise ValueError("messages do not alternate")
    return Turn(
        messages=messages,
        answer=answer_from_json(data["answer"]),
        cell=_text_or_none(data.get("cell")),
        execution=_text_or_none(data.get("execution")),
        since=_count(data.get("since")),
        prompt=_text(data.get("prompt")),
        starts=data.get("starts") is True,
        hidden=data.get("hidden") is True,
        deleted=data.get("deleted") is True,
        unseen=data.get("unseen") is True,
        system=_text_or_none(data.get("system")),
        prefix=_text(data.get("prefix")),
        digest=_text(data.get("digest")),
    )


def joined(value: Any) -> str:
    """Text as a notebook's file holds it: whole, or as a list of lines."""
    if isinstance(value, list):
        return "".join(line for line in value if isinstance(line, str))
    return _text(value)


def _message(data: Mapping[str, Any]) -> dict[str, Any]:
    content = data["content"]
    if (
        not isinstance(content, list)
        or not content
        or any(not isinstance(b, dict) or "type" not in b for b in content)
    ):
        raise ValueError("a message without blocks")
    if any(b["type"] == "text" and not str(b.get("text") or "").strip() for b in content):
        raise ValueError("an empty text block")
    return {"role": data["role"], "content": content}


def _blocks(items: Any, plain: str) -> tuple[Block, ...]:
    blocks: list[dict[str, Any]] = []
    ranges: dict[int, Mapping[str, Any]] = {}
    for item in _mappings(items):
        fields = BLOCKS.get(_text(item.get("type")), {})
        if item.get("type") == "text" and "text" not in item:
            ranges[len(blocks)] = item
            blocks.append({"type": "text", "text": ""})
        elif fields and isinstance(item.get(next(iter(fields))), str):
            blocks.append(
                {"type": item["type"], **{f: read(item[f]) for f, read in fields.items() if f in item}}
            )
    if not ranges and (not plain or any(b["type"] == "text" for b in blocks)):
        return tuple(blocks)
    texts = _split(plain, [item.get("length") for item in ranges.values()])
    if texts is None:  # the file was edited: all of the text, once
        blocks = [b for n, b in enumerate(blocks) if n not in ranges]
        return (*blocks, {"type": "text", "text": plain})
    for n, text in zip(ranges, texts, strict=True):
        blocks[n]["text"] = text
    return tuple(blocks)


def _split(plain: str, lengths: Sequence[Any]) -> list[str] | None:
    """The texts that `join_texts` made `plain` of, or None if they do not fit."""
    if len(lengths) == 1:
        return [plain]
    if not lengths:
        return None
    texts: list[str] = []
    at = 0
    for length in lengths:
        if type(length) is not int or length < 0:
            return None
        at += 2 if at and length else 0
        texts.append(plain[at : at + length])
        at += length
    return texts if join_texts(texts) == plain else None


def _attachment(data: Mapping[str, Any]) -> Attachment | None:
    label, kind, sent = (data.get(key) for key in ("label", "kind", "sent"))
    if not (isinstance(label, str) and isinstance(kind, str) and isinstance(sent, str)):
        return None
    size, thumbnail, notes = data.get("size"), data.get("thumbnail"), data.get("notes")
    fits = isinstance(size, list) and len(size) == 2 and all(type(n) is int and n > 0 for n in size)
    return Attachment(
        label=label,
        kind=kind,  # pyright: ignore[reportArgumentType]  a newer version may have more kinds
        blocks=(),
        sent=sent,
        tokens=_count(data.get("tokens")),
        size=(size[0], size[1]) if fits and isinstance(size, list) else None,
        thumbnail=thumbnail if isinstance(thumbnail, str) and _THUMBNAIL.fullmatch(thumbnail) else None,
        notes=tuple(n for n in notes if isinstance(n, str)) if isinstance(notes, list) else (),
        rows=data.get("rows") is True,
    )


def _usage(data: Any, details: Any) -> Usage:
    counts = {
        **(data if isinstance(data, Mapping) else {}),
        **(details if isinstance(details, Mapping) else {}),
    }
    return Usage.from_json({key: _count(n) for key, n in counts.items()})


def _cost(data: Mapping[str, Any], *, estimated: bool) -> Cost | None:
    cost, details = data.get("cost"), data.get("cost_details")
    saved = _amount(data.get("saved")) or Decimal(0)
    if isinstance(cost, Mapping):  # conversations that were saved before the forms were one
        return Cost(_amounts(cost), estimated=estimated, saved=saved)
    usd = _amount(cost)
    if usd is None or usd < 0:
        return None
    details = details if isinstance(details, Mapping) else {}
    parts = _amounts(details.get("parts"))
    return Cost(
        parts if parts is not None and sum(parts.values()) == usd else {"output": usd},
        estimated=details.get("estimated", estimated) is True,
        unknown=_count(details.get("unknown")),
        saved=saved,
        thinking=_amount(details.get("thinking")) or Decimal(0),
    )


def _amounts(data: Any) -> dict[str, Decimal] | None:
    if not isinstance(data, Mapping):
        return None
    return {str(name): usd for name, text in data.items() if (usd := _amount(text)) is not None}


def _moment(value: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    if not 1970 < moment.year < 9999:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
