"""Text → an attachment: redacted, labeled, and fenced so that text inside cannot pass for anything but data.

What the text says is the business of the file that made it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Final

from claude_jupyter.answer.model import Attachment, AttachmentKind
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text.token_estimate import tokens_of_text

LABEL_LIMIT: Final = 200
_TAG = re.compile(r"<(?=\s*/?\s*attachment)", re.IGNORECASE)
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Redactor:
    """Redacts texts by the rules of the request and remembers the names of what it replaced."""

    def __init__(self, rules: Rules) -> None:
        self._redact = rules.redact
        self._names: list[str] = []

    def __call__(self, text: str) -> str:
        clean, names = self._redact(text)
        self._names.extend(names)
        return clean

    def noted(self, text: str) -> tuple[str, ...]:
        """As `notes`, for what is in a finished text: a cell tried at several widths was still redacted once."""
        counts = {name: text.count(f"[redacted {name}]") for name in dict.fromkeys(self._names)}
        total = sum(counts.values())
        names = ", ".join(name for name, count in counts.items() if count)
        return (f"{total} {'value' if total == 1 else 'values'} redacted: {names}",) if total else ()

    @property
    def notes(self) -> tuple[str, ...]:
        """`2 values redacted: NAME, OTHER`; empty if nothing was."""
        if not self._names:
            return ()
        count = len(self._names)
        names = ", ".join(dict.fromkeys(self._names))
        return (f"{count} {'value' if count == 1 else 'values'} redacted: {names}",)


def fenced(text: str, label: str, kind: str) -> str:
    """The text between `<attachment label="…" kind="…">` and `</attachment>`, unable to close or open such a tag itself."""
    inside = printable(_TAG.sub("&lt;", text)).strip("\n")
    return f"<attachment label={_quoted(label)} kind={_quoted(kind)}>\n{inside}\n</attachment>"


def printable(text: str) -> str:
    """The text with U+FFFD for each control character and each half of a character."""
    return _UNPRINTABLE.sub("\ufffd", text)


def text_attachment(
    text: str,
    label: str,
    kind: str,
    rules: Rules,
    *,
    sent: str,
    as_kind: AttachmentKind = "text",
    notes: Sequence[str] = (),
    rows: bool = False,
    redactor: Redactor | None = None,
) -> Attachment:
    """A labeled, redacted, fenced text as an attachment; `redactor` may carry what was replaced before the text was cut."""
    redactor = redactor or Redactor(rules)
    block = fenced(redactor(text), redactor(label), kind)
    return Attachment(
        label=label,
        kind=as_kind,
        blocks=({"type": "text", "text": block},),
        sent=sent,
        tokens=tokens_of_text(block),
        notes=(*notes, *redactor.noted(block)),
        rows=rows,
    )


def clip(text: str, limit: int) -> str:
    """The text, or its beginning and `…` where it is longer than `limit`."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)] + "…"


def clip_middle(text: str, limit: int, why: str = "") -> tuple[str, bool]:
    """The text and False, or its beginning and end with a word on what was left out (and `why`), and True."""
    if len(text) <= limit:
        return text, False
    head = limit * 3 // 4
    tail = limit - head
    left_out = len(text) - head - tail
    return f"{text[:head]}\n[… {left_out:,} characters left out{why} …]\n{text[len(text) - tail :]}", True


def redacted_middle(text: str, limit: int, redactor: Redactor, why: str = "") -> tuple[str, bool]:
    """As `clip_middle`, redacted first, so that no half of a secret stays at the cut; of a huge text only what may be shown."""
    if len(text) <= limit * 4:
        return clip_middle(redactor(text), limit, why)
    head, tail = redactor(text[: limit * 2]), redactor(text[-limit * 2 :])
    head, tail = head[: limit * 3 // 4], tail[-(limit // 4) :]
    left_out = len(text) - len(head) - len(tail)
    return f"{head}\n[… {left_out:,} characters left out{why} …]\n{tail}", True


def _quoted(text: str) -> str:
    text = clip(" ".join(text.split()), LABEL_LIMIT)
    text = _UNPRINTABLE.sub("\ufffd", text)
    if '"' in text and "'" not in text:
        return f"'{escape(text, quote=False)}'"
    return f'"{escape(text, quote=False).replace(chr(34), "&quot;")}"'
