"""A PDF → a base64 document block, its pages counted and its limits checked without a PDF library."""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterator
from typing import Final

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.files.citations import TITLE
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text.fence import Redactor, fenced
from claude_jupyter.content.text.token_estimate import tokens_of_text
from claude_jupyter.errors import AttachmentError

LARGEST: Final = 32 * (1 << 20)
PAGES: Final = 600
PAGES_SMALL: Final = 100
SMALL_CONTEXT: Final = 1_000_000
TOKENS_A_PAGE: Final = 2250 + 1600
"""Text of a page (1,500–3,000 tokens) and its picture (platform.claude.com/docs/en/build-with-claude/pdf-support)."""
UNPACKED: Final = 64 * (1 << 20)
_PAGE: Final = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_COUNT: Final = re.compile(rb"/Type\s*/Pages\b[^>]*?/Count\s+(\d+)|/Count\s+(\d+)[^>]*?/Type\s*/Pages\b")
_STREAM: Final = re.compile(rb"stream\r?\n")
_ENCRYPTED: Final = re.compile(rb"/Encrypt\s+(\d+\s+\d+\s+R|<<)")


def attach(data: bytes, label: str, rules: Rules) -> Attachment:
    """The whole PDF as a document block.

    Raises
    ------
    AttachmentError
        If it is encrypted, too large, or has too many pages.
    """
    size = (len(data) + 2) // 3 * 4
    if size > LARGEST:
        raise AttachmentError(
            f"{label}: as base64 this PDF is {size / (1 << 20):,.1f} MB, and a request can hold 32 MB. Send only some of its pages"
        )
    if _ENCRYPTED.search(data):
        raise AttachmentError(f"{label} is encrypted; save it without a password first")
    pages = page_count(data)
    limit = PAGES if rules.model.context >= SMALL_CONTEXT else PAGES_SMALL
    if pages is not None and pages > limit:
        raise AttachmentError(
            f"{label} has {pages:,} pages; {rules.model.id} accepts at most {limit} in one request. Send only some of its pages"
        )
    redactor = Redactor(rules)
    many = "pages unknown" if pages is None else f"{pages:,} {'page' if pages == 1 else 'pages'}"
    words = fenced(f"A PDF, {many}: it follows here.", redactor(label), "document")
    source = {
        "type": "base64",
        "media_type": "application/pdf",
        "data": base64.b64encode(data).decode("ascii"),
    }
    return Attachment(
        label=label,
        kind="document",
        blocks=(
            {"type": "text", "text": words},
            {"type": "document", "source": source, "title": redactor(label)[:TITLE]},
        ),
        sent=many,
        tokens=tokens_of_text(words) + TOKENS_A_PAGE * (pages or max(len(data) // 50_000, 1)),
        notes=redactor.notes,
    )


def page_count(data: bytes) -> int | None:
    """Pages by the page tree's own count, also inside compressed object streams; None if it cannot be found."""
    plain = [data, *_object_streams(data)]
    counts = [int(a or b) for part in plain for a, b in _COUNT.findall(part)]
    leaves = sum(len(_PAGE.findall(part)) for part in plain)
    return max(counts, default=0) or leaves or None


def _object_streams(data: bytes) -> Iterator[bytes]:
    remaining = UNPACKED
    for match in re.finditer(rb"/ObjStm\b", data):
        start = _STREAM.search(data, match.end(), match.end() + 4096)
        if start is None or remaining <= 0:
            continue
        try:
            unpacked = zlib.decompressobj().decompress(data[start.end() :], remaining)
        except zlib.error:
            continue
        remaining -= len(unpacked)
        yield unpacked
