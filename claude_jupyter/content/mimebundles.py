"""What objects and registered functions return to show themselves (`_ai_repr_()`, mimebundles, content blocks) → attachments.

`_ai_repr_(**kwargs)` is Jupyter enhancement proposal 128/129: text or a mimebundle, sync or async.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeGuard

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.guard import guarded
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text.fence import Redactor, text_attachment
from claude_jupyter.content.text.whole import whole
from claude_jupyter.errors import AttachmentError

TEXTS: Final = ("text/markdown", "text/plain", "text/html", "text/latex", "application/json")
IMAGES: Final = ("image/png", "image/jpeg", "image/webp", "image/gif")
SVG: Final = "image/svg+xml"
PDF: Final = "application/pdf"
BLOCKS: Final = ("text", "image", "document")


def ai_repr(
    method: Callable[..., Any], label: str, rules: Rules
) -> tuple[tuple[Attachment, ...] | None, str]:
    """What `_ai_repr_()` returned as attachments; or None and a note why the ordinary rules are used instead."""
    outcome = guarded(lambda: _finished(method()))
    if outcome.failure:
        return None, f"its _ai_repr_() {outcome.failure}; shown as usual instead"
    try:
        converted = attachments(outcome.value, label, rules)
    except AttachmentError as error:
        return (
            None,
            f"its _ai_repr_() returned an image that cannot be sent ({error.message}); shown as usual instead",
        )
    if not converted:
        return None, "its _ai_repr_() returned neither text nor a mimebundle; shown as usual instead"
    if rules.row_limit == 0:
        note = "from its own _ai_repr_(), to which --rows none does not apply"
        converted = tuple(replace(a, notes=(*a.notes, note)) for a in converted)
    return converted, ""


def _finished(returned: Any) -> Any:
    """The result of an async method; in a loop of its own, because the kernel's is waiting for this cell."""
    if not inspect.isawaitable(returned):
        return returned

    async def wait() -> Any:
        return await returned

    return asyncio.run(wait())


def attachments(returned: Any, label: str, rules: Rules) -> tuple[Attachment, ...] | None:
    """Text, bytes, a mimebundle, a content block or a list of those; None for anything else."""
    if isinstance(returned, str):
        return (_text(returned, label, rules),)
    if isinstance(returned, bytes):
        from claude_jupyter.content.files import documents

        return (documents.from_bytes(returned, label, rules),)
    if (
        isinstance(returned, tuple)
        and len(returned) == 2
        and _is_bundle(returned[0])
        and isinstance(returned[1], Mapping)
    ):
        return _bundle(returned[0], label, rules)  # (data, metadata), as _repr_mimebundle_ may return
    if _is_bundle(returned):
        return _bundle(returned, label, rules)
    if _is_block(returned):
        return (_block(returned, label, rules),)
    if isinstance(returned, list) and returned and all(_showable(part) for part in returned):
        if len(returned) == 1:
            return attachments(returned[0], label, rules)
        several: list[Attachment] = []
        for position, part in enumerate(returned):
            several.extend(attachments(part, f"{label}[{position}]", rules) or ())
        return tuple(several)
    return None


def _showable(returned: Any) -> bool:
    return isinstance(returned, str | bytes) or _is_bundle(returned) or _is_block(returned)


def _is_bundle(returned: Any) -> TypeGuard[Mapping[str, Any]]:
    return (
        isinstance(returned, Mapping)
        and bool(returned)
        and all(isinstance(key, str) and key.count("/") == 1 for key in returned)
        and any(key.partition(";")[0] in (*TEXTS, *IMAGES, SVG, PDF) for key in returned)
    )


def _is_block(returned: Any) -> TypeGuard[Mapping[str, Any]]:
    return (
        isinstance(returned, Mapping)
        and returned.get("type") in BLOCKS
        and ("text" in returned or "source" in returned)
    )


def _text(text: str, label: str, rules: Rules) -> Attachment:
    redactor = Redactor(rules)
    text_sent, cut, notes = whole(text, rules, redactor)
    sent = f"{len(text):,} characters{cut}"
    return text_attachment(text_sent, label, "text", rules, sent=sent, notes=notes, redactor=redactor)


def _bundle(bundle: Mapping[str, Any], label: str, rules: Rules) -> tuple[Attachment, ...]:
    """Its picture or document, if any, and its best text, if any, as one attachment."""
    plain = {key.partition(";")[0]: value for key, value in bundle.items() if value is not None}
    main = _picture(plain, label, rules)
    text = next((plain[key] for key in TEXTS if key in plain), None)
    if text is None:
        return (main,) if main is not None else ()
    words = _text(text if isinstance(text, str) else _json(text), label, rules)
    if main is None:
        return (words,)
    blocks, notes = (*main.blocks, *words.blocks), (*main.notes, *words.notes)
    return (replace(main, blocks=blocks, notes=notes, tokens=main.tokens + words.tokens),)


def _json(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return "".join(value)
    try:
        return json.dumps(value, ensure_ascii=False, default=repr)
    except (TypeError, ValueError, RecursionError):
        return repr(value)


def _picture(plain: Mapping[str, Any], label: str, rules: Rules) -> Attachment | None:
    from claude_jupyter.content.files import documents
    from claude_jupyter.content.images import convert

    for key in IMAGES:
        if key in plain:
            return convert.from_bytes(_bytes(plain[key], label), label, rules, media_type=key)
    if SVG in plain:
        value = plain[SVG]
        return convert.from_svg(
            value if isinstance(value, str) else _bytes(value, label).decode("utf-8"), label, rules
        )
    if PDF in plain:
        return documents.from_bytes(_bytes(plain[PDF], label), label, rules)
    return None


def _bytes(value: Any, label: str) -> bytes:
    """Image data as a mimebundle holds it: bytes, or base64 text."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    try:
        return base64.b64decode(str(value), validate=False)
    except (ValueError, binascii.Error):
        raise AttachmentError(f"{label}: its image is neither bytes nor base64") from None


def _block(block: Mapping[str, Any], label: str, rules: Rules) -> Attachment:
    """A content block of the Messages API: text fenced as all text, data held to the limits, URLs as they are."""
    from claude_jupyter.content.files import documents

    if block["type"] == "text":
        return _text(str(block["text"]), label, rules)
    source = block.get("source")
    if isinstance(source, Mapping) and source.get("type") == "base64":
        return documents.from_bytes(_bytes(source.get("data", ""), label), label, rules)
    if isinstance(source, Mapping) and source.get("type") == "url":
        return documents.from_url(str(source.get("url", "")), rules, label=label, kind=str(block["type"]))
    if isinstance(source, Mapping) and source.get("type") == "text":
        return _text(str(source.get("data", "")), label, rules)
    raise AttachmentError(f"{label}: a {block['type']} block needs a base64, url or text source")
