"""Text files → attachments, and bytes → text in whatever encoding they are."""

from __future__ import annotations

from typing import Final

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.files.citations import text_document
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text.fence import Redactor, fenced, printable, text_attachment
from claude_jupyter.content.text.printed_text import without_base64
from claude_jupyter.content.text.rows_in_text import CODE
from claude_jupyter.content.text.token_estimate import tokens_of_text
from claude_jupyter.content.text.whole import whole
from claude_jupyter.content.values import outlines

DOCUMENTS: Final = frozenset(
    {"", ".txt", ".text", ".md", ".markdown", ".rst", ".adoc", ".org", ".tex", ".log", ".srt", ".vtt", ".eml"}
)
"""Suffixes of what people read and quote; source code and data are not cited."""


def text_file(
    text: str,
    label: str,
    rules: Rules,
    *,
    encoding: str = "utf-8",
    suffix: str = "",
    kind: str = "",
    document: bool = False,
) -> Attachment:
    """A text file or source, its middle left out where it is very long; `document`: one that Claude can cite."""
    if rules.row_limit == 0 and suffix not in CODE and (outline := outlines.of_text(text)):
        return outlines.withheld(outline, label, kind or (f"file {suffix}" if suffix else "text"), rules)
    redactor = Redactor(rules)
    lines = text.count("\n") + (not text.endswith("\n"))
    text_sent, cut, reasons = whole(without_base64(text), rules, redactor)
    notes = list(reasons)
    odd = "" if encoding == "utf-8" else f", read as {encoding}"
    if odd:
        notes.append(odd.removeprefix(", "))
    kind = (kind or (f"file {suffix}" if suffix else "text")) + odd
    many = "1 line" if lines == 1 else f"{lines:,} lines"
    sent = many + (f"{cut} characters" if cut else "")
    if not (document and rules.documents and text_sent.strip()):
        return text_attachment(text_sent, label, kind, rules, sent=sent, notes=notes, redactor=redactor)
    text_sent = printable(text_sent)
    name = redactor(label)
    words = fenced(f"A text, {many}: it follows here.", name, kind)
    return Attachment(
        label=label,
        kind="document",
        blocks=({"type": "text", "text": words}, text_document(text_sent, name)),
        sent=sent,
        tokens=tokens_of_text(words) + tokens_of_text(text_sent),
        notes=(*notes, *redactor.noted(words + text_sent)),
    )


def decode(data: bytes) -> tuple[str, str | None]:
    """Text and its encoding; None if the bytes are not text."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            try:
                return data.decode(encoding), "utf-8" if encoding == "utf-8-sig" else encoding
            except UnicodeDecodeError:
                break
    start = data[:4096]
    if b"\x00" in start:
        for encoding, zeros, letters in (
            ("utf-16-le", start[1::2], start[::2]),
            ("utf-16-be", start[::2], start[1::2]),
        ):
            if zeros.count(0) > 0.7 * len(zeros) and letters.count(0) < 0.1 * len(letters):
                try:
                    return data.decode(encoding), encoding
                except UnicodeDecodeError:
                    continue
        return "", None
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        odd = sum(byte < 9 or 13 < byte < 32 for byte in start)
        return ("", None) if odd > len(start) * 0.02 else (data.decode("latin-1"), "latin-1")


def decode_text(data: bytes) -> str:
    """Text of the beginning of a file, which may end inside a character."""
    text, encoding = decode(data)
    return text if encoding is not None and encoding != "latin-1" else data.decode("utf-8", "replace")
