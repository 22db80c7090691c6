"""Text files → attachments, and bytes → text in whatever encoding they are."""

from __future__ import annotations

from typing import Final

from claude_jupyter.content.fence import Redactor, redacted_middle, text_attachment
from claude_jupyter.content.outputs import without_base64
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.tokens import characters_of
from claude_jupyter.turns import Attachment

TEXT_TOKENS: Final = 20_000


def text_file(
    text: str, label: str, rules: Rules, *, encoding: str = "utf-8", suffix: str = "", kind: str = ""
) -> Attachment:
    """A text file or source, its middle left out where it is very long."""
    redactor = Redactor(rules)
    lines = text.count("\n") + (not text.endswith("\n"))
    shown, cut = redacted_middle(without_base64(text), characters_of(TEXT_TOKENS), redactor)
    notes = [f"{len(text):,} characters, the middle left out"] if cut else []
    odd = "" if encoding == "utf-8" else f", read as {encoding}"
    if odd:
        notes.append(odd.removeprefix(", "))
    return text_attachment(
        shown,
        label,
        (kind or (f"file {suffix}" if suffix else "text")) + odd,
        rules,
        sent=("1 line" if lines == 1 else f"{lines:,} lines") + (", shortened" if cut else ""),
        notes=notes,
        redactor=redactor,
    )


def decode(data: bytes) -> tuple[str, str | None]:
    """Text and its encoding; None where the bytes are not text."""
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
