"""`IPython.display.Image` and `SVG`, by their classes' names: IPython itself is not imported."""

from __future__ import annotations

from typing import Any

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.files import documents
from claude_jupyter.content.images import convert
from claude_jupyter.content.images.media_types import decode
from claude_jupyter.content.rules import Rules
from claude_jupyter.errors import AttachmentError


def attach(value: Any, label: str, rules: Rules) -> Attachment | None:
    """An `IPython.display.Image` or `SVG`, or a text that is an image in base64 or a `data:` URL; None for anything else."""
    if isinstance(value, str):
        data = decode(value)
        return None if data is None else convert.from_bytes(data, label, rules)
    kinds = {
        c.__name__
        for c in type(value).__mro__
        if c.__module__ in ("IPython.core.display", "IPython.lib.display")
    }
    if "SVG" in kinds:
        return convert.from_svg(value.data, label, rules)
    if "Image" not in kinds:
        return None
    if value.data is None:
        return documents.from_url(str(value.url), rules, label=label)
    data = value.data if isinstance(value.data, bytes) else decode(value.data)
    if data is None:
        raise AttachmentError(f"{label} contains no image that can be read.")
    return convert.from_bytes(data, label, rules)
