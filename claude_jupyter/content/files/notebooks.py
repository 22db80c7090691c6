"""A notebook file → its cells and outputs as text, with its pictures as pictures; base64 never as text.

Read as JSON, so that any version and a half-broken notebook can be shown.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final

from claude_jupyter.answer.model import Attachment, Block
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text import markup, printed_tables, printed_text
from claude_jupyter.content.text.fence import Redactor, redacted_middle, text_attachment
from claude_jupyter.content.text.whole import whole
from claude_jupyter.errors import AttachmentError

OUTPUT_CHARACTERS: Final = 12_000
IMAGES: Final = 10
TABLE: Final = "[table withheld: --rows none]"
OUTPUT: Final = "[output withheld: --rows none]"


def attach(data: bytes, label: str, rules: Rules) -> Attachment:
    """The notebook's cells in order, each with what it printed and showed.

    Raises
    ------
    AttachmentError
        If the file is not a notebook.
    """
    try:
        notebook = json.loads(data)
        cells = notebook["cells"] if "cells" in notebook else notebook["worksheets"][0]["cells"]
        if not isinstance(cells, list):
            raise TypeError
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        raise AttachmentError(f"{label} is not a notebook that can be read") from None
    redactor = Redactor(rules)
    pictures: list[tuple[str, str, Any]] = []
    parts = [
        _cell(i, cell, pictures, rules, redactor)
        for i, cell in enumerate(cells, 1)
        if isinstance(cell, Mapping)
    ]
    text, cut, reasons = whole("\n\n".join(parts), rules, redactor)
    notes = list(reasons)
    if len(pictures) > IMAGES:
        notes.append(f"{IMAGES} of its {len(pictures)} pictures are shown")
    attachment = text_attachment(
        text, label, "notebook", rules, sent=_sent(len(parts), min(len(pictures), IMAGES), cut), notes=notes, redactor=redactor,
        rows=rules.row_limit != 0 and any(cell.get("outputs") for cell in cells if isinstance(cell, Mapping)),
    )  # fmt: skip
    return _with_pictures(attachment, pictures[-IMAGES:], label, rules)


def _with_pictures(
    attachment: Attachment, pictures: list[tuple[str, str, Any]], label: str, rules: Rules
) -> Attachment:
    from dataclasses import replace

    from claude_jupyter.content.images import convert

    blocks: list[Block] = []
    tokens, notes = attachment.tokens, list(attachment.notes)
    for name, kind, value in pictures:
        try:
            if kind == "image/svg+xml":
                drawn = convert.from_svg(_joined(value), f"{label} {name}", rules)
            else:
                drawn = convert.from_bytes(
                    base64.b64decode(_joined(value)), f"{label} {name}", rules, media_type=kind
                )
        except (AttachmentError, ValueError, binascii.Error) as error:
            notes.append(f"{name} could not be shown ({error})")
            continue
        blocks.extend(drawn.blocks)
        tokens += drawn.tokens
    return replace(attachment, blocks=(*blocks, *attachment.blocks), tokens=tokens, notes=tuple(notes))


def _sent(cells: int, pictures: int, cut: str) -> str:
    words = f"{cells:,} {'cell' if cells == 1 else 'cells'}" + (f"{cut} characters" if cut else "")
    return words + (f", {pictures} {'picture' if pictures == 1 else 'pictures'}" if pictures else "")


def _joined(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else str(value)


def _cell(
    number: int,
    cell: Mapping[str, Any],
    pictures: list[tuple[str, str, Any]],
    rules: Rules,
    redactor: Redactor,
) -> str:
    kind = str(cell.get("cell_type", "code"))
    source = _joined(cell.get("source", cell.get("input", "")))
    lines = [f"## cell {number} ({kind})", printed_text.without_base64(source)]
    outputs = [output for output in cell.get("outputs") or [] if isinstance(output, Mapping)]
    lines.extend(_output(number, output, pictures, rules, redactor) for output in outputs)
    return "\n".join(line for line in lines if line)


_PICTURES: Final = {
    **{media: media for media in ("image/png", "image/jpeg", "image/webp", "image/gif", "image/svg+xml")},
    "png": "image/png",
    "jpeg": "image/jpeg",
    "svg": "image/svg+xml",
}
"""Where a bundle's picture may be, the last three in notebooks of format 3, and its mime type."""


def _output(
    number: int,
    output: Mapping[str, Any],
    pictures: list[tuple[str, str, Any]],
    rules: Rules,
    redactor: Redactor,
) -> str:
    kind = output.get("output_type")
    if kind == "stream":
        text = _joined(output.get("text", ""))
        if rules.row_limit == 0:
            return TABLE if printed_tables.looks_like_table(text) else OUTPUT
        return "output: " + _short(text, rules, redactor)
    if kind in ("error", "pyerr"):
        if rules.row_limit == 0:
            return f"error: {output.get('ename')}: [message withheld: --rows none]"
        trace = "\n".join(map(str, output.get("traceback") or []))
        return "error: " + (
            _short(trace, rules, redactor) or f"{output.get('ename')}: {output.get('evalue')}"
        )
    bundle = output.get("data", output)
    return _bundle(number, bundle, pictures, rules, redactor) if isinstance(bundle, Mapping) else ""


def _bundle(
    number: int,
    bundle: Mapping[str, Any],
    pictures: list[tuple[str, str, Any]],
    rules: Rules,
    redactor: Redactor,
) -> str:
    words: list[str] = []
    if media := next((m for m in _PICTURES if m in bundle), None):
        name = f"picture {len(pictures) + 1}"
        pictures.append((f"{name} of cell {number}", _PICTURES[media], bundle[media]))
        words.append(f"output: [{name}]")
    text = next(
        (bundle[m] for m in ("text/markdown", "text/plain", "text/latex", "text") if m in bundle), None
    )
    html = _joined(bundle.get("text/html", ""))
    if text is not None and (not words or "<table" in html):
        if rules.row_limit == 0:
            words.append(TABLE if "<table" in html else OUTPUT)
        else:
            words.append("output: " + _short(_joined(text), rules, redactor, table="<table" in html))
    elif html and not words:
        words.append(
            TABLE
            if rules.row_limit == 0
            else "output (HTML): " + _short(markup.words(html), rules, redactor, table="<table" in html)
        )
    return "\n".join(words)


def _short(text: str, rules: Rules, redactor: Redactor, *, table: bool = False) -> str:
    shortened = printed_tables.limited(text, rules.row_limit, table=table).strip("\n")
    return redacted_middle(shortened, OUTPUT_CHARACTERS, redactor)[0]
