"""An answer as the mimebundle that stays in the notebook, and such a bundle read again from a file that anybody may have edited.

Markdown for every reader, the text verbatim for `restore()`, and the facts as data for our own views. What is drawn of it is
the views' business (`labextension/src/answer/`); how text is made harmless is `inert`'s.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote, urlsplit

from claude_jupyter.costs.usage import dollars
from claude_jupyter.display.inert import apart, inert_parts, literal
from claude_jupyter.display.structured import readable
from claude_jupyter.turns import Answer, Attachment, Block

MIME: Final = "application/vnd.claude-jupyter.answer+json"
VERSION: Final = 1
THUMBNAIL: Final = 3 * 1024
THUMBNAILS: Final = 12 * 1024
CALL: Final = 20_000
"""Characters of a tool's input, and of its result, that are kept."""

_LONGEST_NOTICE: Final = 1_000
_LONGEST_ADDRESS: Final = 2_000
_OPAQUE: Final = frozenset({"encrypted_content", "encrypted_index", "signature"})

Bundle = tuple[dict[str, Any], dict[str, Any]]


def bundle(answer: Answer) -> Bundle:
    """The durable output of an answer, finished, stopped or failed: (data, metadata).

    Its Markdown is the answer made inert, a small italic line for each notice, the sources it cites and a line of
    facts. In the JSON a text block is a range of it, in code points; tool inputs and results are cut at `CALL` characters and say so.
    """
    markdown, ranges = _markdown(answer)
    data: dict[str, Any] = {
        MIME: _json(answer, ranges),
        "text/markdown": markdown,
        "text/plain": _encodable(answer.text),
    }
    return data, {}


def snapshot(answer: Answer) -> Bundle:
    """The same for an answer that is still arriving: complete in itself, an open fence closed, marked as unfinished."""
    return bundle(answer)


def facts_line(answer: Answer) -> str:
    """Model, day on this machine and price: `claude-sonnet-5-5 · 2026-11-22 · $0.0134`."""
    day = answer.started.astimezone().date().isoformat() if answer.started else ""
    return " · ".join(filter(None, (answer.model or "unknown model", day, _price(answer))))


def footer_line(answer: Answer) -> str:
    """The footer where it is text: `claude-sonnet-5-5 · 5,528 in · 418 out · 35 % from cache, saved $0.12 · $0.0134 · 9.1 s`."""
    usage = answer.usage
    lower = "≥ " if answer.estimated else ""
    tokens = f"{lower}{usage.prompt:,} in · {'~' if lower else ''}{usage.output:,} out"
    facts = (
        answer.model or "unknown model",
        tokens if usage.total else "",
        from_cache(answer),
        _price(answer),
        f"{answer.seconds:.1f} s" if answer.seconds else "",
    )
    return " · ".join(filter(None, facts))


def from_cache(answer: Answer) -> str:
    """How much of the prompt was read from the cache, and what that saved: `35 % from cache, saved $0.12`."""
    usage = answer.usage
    share = round(100 * usage.cache_read / usage.prompt) if usage.prompt else 0
    if not share:
        return ""
    saved = answer.cost.saved if answer.cost is not None else Decimal(0)
    return f"{share} % from cache" + (f", saved {dollars(saved)}" if saved > 0 else "")


def _price(answer: Answer) -> str:
    if answer.replayed:
        return "replayed, $0"
    lower = answer.estimated or (answer.cost is not None and answer.cost.estimated)
    price = dollars(answer.cost, estimated=lower)
    return f"{price} (demo, nothing billed)" if answer.provider == "demo" or not answer.billed else price


def _markdown(answer: Answer) -> tuple[str, dict[int, tuple[int, int]]]:
    read = readable if answer.value is not None else str
    texts = {n: _encodable(read(b["text"])) for n, b in enumerate(answer.blocks) if b["type"] == "text"}
    for n in list(texts)[1:]:
        texts[n] = texts[n].strip("\n")
    shown = dict(zip(texts, inert_parts(list(texts.values())), strict=True))
    pieces: list[str] = []
    ranges: dict[int, tuple[int, int]] = {}
    length = 0
    for n, block in enumerate(answer.blocks):
        piece = shown.get(n) if n in shown else _notice(block)
        if not piece:
            if n in shown:
                ranges[n] = (length, length)
            continue
        gap = 2 if pieces else 0
        pieces.append(piece)
        if n in shown:
            ranges[n] = (length + gap, length + gap + len(piece))
        length += gap + len(piece)
    return "\n\n".join([*pieces, *_lines_after(answer)]), ranges


def _notice(block: Block) -> str:
    text = literal(_encodable(str(block["text"]))[:_LONGEST_NOTICE]) if block["type"] == "notice" else ""
    return f"*{apart(text)}*" if text else ""


def _lines_after(answer: Answer) -> Iterator[str]:
    if not answer.complete and not any(b["type"] == "notice" for b in answer.blocks):
        began = any(b["type"] in ("text", "thinking", "tool") for b in answer.blocks)
        yield "*This answer is unfinished.*" if began else "*No answer came.*"
    sources = dict[Any, str]()
    for block in answer.citations:
        sources.setdefault(block.get("n"), _source(block))
    if sources:
        yield "\n".join(sources.values())
    yield f"*{literal(facts_line(answer)).replace('&#36;', '$')}*"


def _source(block: Block) -> str:
    url = _encodable(str(block.get("url") or ""))
    host = urlsplit(url).hostname if _is_web(url) else None
    title = literal(_encodable(str(block.get("title") or url or "source"))[:300])
    label = f"&#91;{literal(str(block.get('n') or ''))}&#93; {title}"
    if not host:
        return f"- {label}"
    address = quote(url, safe="/:?#=%+,;.-~!").replace("%26", "&amp;")
    return f"- [{label} — {literal(host)}]({address})"


def _is_web(url: str) -> bool:
    if not re.match(r"https?://[\w.-]+(?::\d+)?(?:[/?#]|$)", url) or len(url) > _LONGEST_ADDRESS:
        return False
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False


def _json(answer: Answer, ranges: Mapping[int, tuple[int, int]]) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = []
    for n, block in enumerate(answer.blocks):
        if n in ranges:
            blocks.append({"type": "text", "start": ranges[n][0], "end": ranges[n][1]})
        else:
            blocks.append({key: _kept(value, key) for key, value in block.items()})
    return {
        "version": VERSION,
        "id": answer.id,
        "chat": _encodable(answer.chat),
        "turn": answer.turn,
        "model": answer.model,
        "provider": answer.provider,
        "blocks": blocks,
        "attachments": _attachments(answer.attachments),
        "usage": answer.usage.to_json(),
        "cost": None if answer.cost is None else format(answer.cost, "f"),
        "estimated": answer.estimated,
        "complete": answer.complete,
        "stop_reason": answer.stop_reason,
        "started": answer.started.astimezone(UTC).isoformat(timespec="seconds") if answer.started else None,
        "seconds": round(answer.seconds, 3),
        "replayed": answer.replayed,
        **(
            {"saved": format(answer.cost.saved, "f")} if answer.cost is not None and answer.cost.saved else {}
        ),
        **{name: True for name in ("once", "starts") if getattr(answer, name)},
    }


def _attachments(attachments: Iterable[Attachment]) -> list[dict[str, Any]]:
    room = THUMBNAILS
    listed: list[dict[str, Any]] = []
    for attachment in attachments:
        item = _plain(attachment.to_json())
        size = len(item.get("thumbnail") or "")
        if size > THUMBNAIL or size > room:
            del item["thumbnail"]
        else:
            room -= size
        listed.append(item)
    return listed


def _kept(value: Any, key: str) -> Any:
    value = _plain(value)
    if key not in ("input", "result"):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return value if len(text) <= CALL else f"{text[:CALL]} … (cut: {len(text):,} characters in all)"


def _plain(value: Any) -> Any:
    """As JSON that every reader takes: no NaN, no lone surrogates, no bytes of images, nothing encrypted."""
    if isinstance(value, str):
        return _encodable(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        if value.get("type") == "base64" and "data" in value:
            value = {k: v for k, v in value.items() if k != "data"} | {"data": "left out"}
        return {_encodable(str(k)): _plain(v) for k, v in value.items() if k not in _OPAQUE}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_plain(v) for v in value]
    return _encodable(str(value)) if not isinstance(value, bytes | bytearray) else f"{len(value):,} bytes"


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def parse(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """The answer JSON of an output in a notebook file, in the shape of SPEC section 5, or None where there is none.

    A file is anybody's: what does not fit its type is left out or set to its default, blocks of kinds that a newer
    version may have are passed over, and where a text range does not fit the Markdown, the whole Markdown is the text.
    """
    told = data.get(MIME)
    if not isinstance(told, Mapping) or not isinstance(told.get("id"), str) or not told["id"]:
        return None
    markdown = _joined(data.get("text/markdown"))
    usage: Any = told.get("usage") if isinstance(told.get("usage"), Mapping) else {}
    return {
        "version": VERSION,
        "id": told["id"],
        "chat": _text(told, "chat") or "main",
        "turn": _count(told.get("turn")),
        "model": _text(told, "model"),
        "provider": _text(told, "provider"),
        "blocks": _blocks(told.get("blocks"), markdown),
        "attachments": [a for item in _items(told.get("attachments")) if (a := _attachment(item))],
        "usage": {
            key: _count(usage.get(key))
            for key in ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
        },
        "cost": cost if _AMOUNT.fullmatch(cost := _text(told, "cost")) else None,
        "estimated": told.get("estimated") is True,
        "complete": told.get("complete") is True,
        "stop_reason": _text(told, "stop_reason") or None,
        "started": _text(told, "started") or None,
        "seconds": float(_number(told.get("seconds"))),
        "replayed": told.get("replayed") is True,
        **({"saved": saved} if _AMOUNT.fullmatch((saved := _text(told, "saved")).removeprefix("-")) else {}),
    }


_AMOUNT: Final = re.compile(r"\d{1,12}(\.\d{1,30})?")


def verbatim(data: Mapping[str, Any]) -> str:
    """The answer's text of such an output as the service sent it: `text/plain`, else the Markdown."""
    return _joined(data.get("text/plain")) or _joined(data.get("text/markdown"))


def _blocks(told: Any, markdown: str) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    at, whole = 0, True
    for item in _items(told):
        kind = item.get("type")
        if kind == "text":
            start, end = item.get("start"), item.get("end")
            if not (type(start) is int and type(end) is int and at <= start <= end <= len(markdown)):
                whole = False
                continue
            at = end
            blocks.append({"type": "text", "start": start, "end": end})
        elif (
            isinstance(kind, str)
            and kind in _FIELDS
            and all(isinstance(item.get(f), str) for f in _FIELDS[kind])
        ):
            blocks.append(_plain(item))
    texts = [b for b in blocks if b["type"] == "text"]
    if (whole and texts) or not markdown:
        return blocks
    return [*(b for b in blocks if b["type"] != "text"), {"type": "text", "start": 0, "end": len(markdown)}]


_FIELDS: Final[Mapping[Any, tuple[str, ...]]] = {
    "thinking": ("text",),
    "tool": ("name",),
    "citation": ("title",),
    "notice": ("text",),
}
_THUMBNAIL: Final = re.compile(r"data:image/(?:png|jpeg|webp|gif);base64,[A-Za-z0-9+/]+={0,2}")


def _attachment(item: Mapping[str, Any]) -> dict[str, Any] | None:
    if not all(isinstance(item.get(key), str) for key in ("label", "kind", "sent")):
        return None
    listed: dict[str, Any] = {
        "label": item["label"],
        "kind": item["kind"],
        "tokens": _count(item.get("tokens")),
    }
    listed["sent"] = item["sent"]
    size = item.get("size")
    if isinstance(size, Sequence) and len(size) == 2 and all(type(n) is int and n > 0 for n in size):
        listed["size"] = list(size)
    thumbnail = item.get("thumbnail")
    if isinstance(thumbnail, str) and len(thumbnail) <= THUMBNAIL and _THUMBNAIL.fullmatch(thumbnail):
        listed["thumbnail"] = thumbnail
    return listed


def _items(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _joined(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return value if isinstance(value, str) else ""


def _text(told: Mapping[str, Any], key: str) -> str:
    value = told.get(key)
    return value if isinstance(value, str) else ""


def _number(value: Any) -> int | float:
    good = (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    )
    return value if good else 0


def _count(value: Any) -> int:
    return int(_number(value))
