"""A notebook file → its cells and outputs as text, with its pictures as pictures; base64 never as text.

Read as JSON, so that any version and a half-broken notebook can be shown.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final

from claude_jupyter.content import markup, outputs, printed
from claude_jupyter.content.fence import Redactor, redacted_middle, text_attachment
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.tokens import characters_of
from claude_jupyter.errors import AttachmentError
from claude_jupyter.turns import Attachment, Block

NOTEBOOK_TOKENS: Final = 20_000
OUTPUT_CHARACTERS: Final = 2_000
IMAGES: Final = 10
TABLE: Final = "[table withheld: --rows none]"
OUTPUT: Final = "[output withheld: --rows none]"


def attach(data: bytes, label: str, rules: Rules) -> Attachment:
    """The notebook's cells in order, each with what it printed and showed.

    Raises
    ------
    AttachmentError
        Where the file is no notebook.
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
    text, cut = redacted_middle("\n\n".join(parts), characters_of(NOTEBOOK_TOKENS), redactor)
    notes = ["the middle left out"] if cut else []
    if len(pictures) > IMAGES:
        notes.append(f"{IMAGES} of its {len(pictures)} pictures are shown")
    shown = text_attachment(
        text, label, "notebook", rules, sent=_sent(len(parts), min(len(pictures), IMAGES)), notes=notes, redactor=redactor,
        rows=rules.row_limit != 0 and any(cell.get("outputs") for cell in cells if isinstance(cell, Mapping)),
    )  # fmt: skip
    return _with_pictures(shown, pictures[-IMAGES:], label, rules)


def _with_pictures(
    shown: Attachment, pictures: list[tuple[str, str, Any]], label: str, rules: Rules
) -> Attachment:
    from dataclasses import replace

    from claude_jupyter.content import images

    blocks: list[Block] = []
    tokens, notes = shown.tokens, list(shown.notes)
    for name, kind, value in pictures:
        try:
            if kind == "image/svg+xml":
                drawn = images.from_svg(_joined(value), f"{label} {name}", rules)
            else:
                drawn = images.from_bytes(
                    base64.b64decode(_joined(value)), f"{label} {name}", rules, media_type=kind
                )
        except (AttachmentError, ValueError, binascii.Error) as error:
            notes.append(f"{name} could not be shown ({error})")
            continue
        blocks.extend(drawn.blocks)
        tokens += drawn.tokens
    return replace(shown, blocks=(*blocks, *shown.blocks), tokens=tokens, notes=tuple(notes))


def _sent(cells: int, pictures: int) -> str:
    words = f"{cells:,} {'cell' if cells == 1 else 'cells'}"
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
    lines = [f"## cell {number} ({kind})", outputs.without_base64(source)]
    shown = [output for output in cell.get("outputs") or [] if isinstance(output, Mapping)]
    lines.extend(_output(number, output, pictures, rules, redactor) for output in shown)
    return "\n".join(line for line in lines if line)


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
            return TABLE if printed.looks_like_table(text) else OUTPUT
        return "output: " + _short(text, rules, redactor)
    if kind in ("error", "pyerr"):
        if rules.row_limit == 0:
            return f"error: {output.get('ename')}: [message withheld: --rows none]"
        trace = "\n".join(map(str, output.get("traceback") or []))
        return "error: " + (
            _short(trace, rules, redactor) or f"{output.get('ename')}: {output.get('evalue')}"
        )
    bundle = output.get("data", output)
    if not isinstance(bundle, Mapping):
        return ""
    words: list[str] = []
    for media in (
        "image/png",
        "image/jpeg",
        "image/webp",
        "image/gif",
        "image/svg+xml",
        "png",
        "jpeg",
        "svg",
    ):
        if media in bundle:
            name = f"picture {len(pictures) + 1}"
            full = media if "/" in media else {"svg": "image/svg+xml"}.get(media, f"image/{media}")
            pictures.append((f"{name} of cell {number}", full, bundle[media]))
            words.append(f"output: [{name}]")
            break
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
    shown = printed.told(text, rules.row_limit, table=table).strip("\n")
    return redacted_middle(shown, OUTPUT_CHARACTERS, redactor)[0]
