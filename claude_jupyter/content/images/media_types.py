"""What bytes or a text really are: an image's media type by its content, whatever its name says. Nothing is decoded here."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final
from urllib.parse import unquote_to_bytes

_SIGNATURES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
)
_SVG = re.compile(
    rb"\A(?:\xef\xbb\xbf)?(?:\s++|<\?xml[^>]*+>|<!--.*?-->|<!DOCTYPE[^>\[]*+(?:\[.*?\]\s*+)?>)*+<(?:svg:)?svg[\s>/]",
    re.DOTALL,
)
_DATA_URL = re.compile(r"\A\s*data:(image/[\w.+-]+)?((?:;[\w=.-]+)*),", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]+={0,2}\s*\Z")


def sniff(data: bytes) -> str | None:
    """The media type of an image by its first bytes, whatever its name says; None for what is not an image.

    >>> sniff(b"GIF89a...")
    'image/gif'
    """
    for signature, media_type in _SIGNATURES:
        if data.startswith(signature):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        return (
            "image/avif"
            if brand in (b"avif", b"avis")
            else "image/heic"
            if brand[:2] in (b"he", b"mi")
            else None
        )
    return "image/svg+xml" if _SVG.match(data[:4096]) else None


def decode(text: str) -> bytes | None:
    """The image's bytes in a `data:` URL or a base64 text; None if the text holds no image.

    >>> decode("data:image/svg+xml,%3Csvg/%3E"), decode("hello")
    (b'<svg/>', None)
    """
    match = _DATA_URL.match(text)
    body = text[match.end() :] if match else text
    if match and "base64" not in match[2].lower():
        data = unquote_to_bytes(body)
        return data if sniff(data) else None
    head = body.lstrip()[:64]
    if len(body) < 32 or not _BASE64.match(head) or sniff(_b64(head[:60]) or b"") is None:
        return None
    return _b64(body)


def _b64(text: str) -> bytes | None:
    try:
        return base64.b64decode(re.sub(r"\s+", "", text), validate=True)
    except (binascii.Error, ValueError):
        return None
