"""Formats and sizes of images, read from the bytes' header, and the service's limits on them. No decoding, no Pillow."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

MEDIA_TYPES: Final = ("image/jpeg", "image/png", "image/gif", "image/webp")
_NO_LENGTH: Final = frozenset((0x01, *range(0xD0, 0xDA)))
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class Picture(NamedTuple):
    """What an image is: its media type (or `url`, `file`) and its size in pixels."""

    media_type: str
    width: int
    height: int


def measure(data: bytes) -> Picture | None:
    """Format and size of PNG, JPEG, GIF or WebP bytes; None for anything else."""
    try:
        if data[:8] == b"\x89PNG\r\n\x1a\n" and data[12:16] == b"IHDR":
            return Picture("image/png", *struct.unpack(">II", data[16:24]))
        if data[:6] in (b"GIF87a", b"GIF89a"):
            return Picture("image/gif", *struct.unpack("<HH", data[6:10]))
        if data[:3] == b"\xff\xd8\xff":
            return _jpeg(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
    except (struct.error, IndexError):
        return None
    return None


def _jpeg(data: bytes) -> Picture | None:
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return Picture("image/jpeg", width, height)
        at += 2 if marker in _NO_LENGTH else 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    return None


def _webp(data: bytes) -> Picture | None:
    match data[12:16]:
        case b"VP8X":
            return Picture(
                "image/webp",
                int.from_bytes(data[24:27], "little") + 1,
                int.from_bytes(data[27:30], "little") + 1,
            )
        case b"VP8 ":
            width, height = struct.unpack("<HH", data[26:30])
            return Picture("image/webp", width & 0x3FFF, height & 0x3FFF)
        case b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return Picture("image/webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        case _:
            return None


def picture(block: Mapping[str, Any]) -> Picture | None:
    """What a base64 image block holds; None for URLs, files and bytes that are no image."""
    source = block.get("source") or {}
    if source.get("type") != "base64":
        return None
    try:
        # Sizes are in the first bytes, except in JPEGs with long metadata.
        head = base64.b64decode((source.get("data") or "")[:4096])
        return measure(head) or measure(base64.b64decode(source["data"], validate=True))
    except (binascii.Error, ValueError, KeyError):
        return None


def images(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every image block of a request with its path (`messages.0.content.1`), those in tool results included."""
    for i, message in enumerate(body.get("messages") or ()):
        yield from _images_in(message.get("content"), f"messages.{i}.content")


def _images_in(content: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(content, str) or content is None:
        return
    for j, block in enumerate(content):
        if block.get("type") == "image":
            yield f"{path}.{j}", block
        elif block.get("type") in ("tool_result", "document"):
            inner = block.get("content") or (block.get("source") or {}).get("content")
            yield from _images_in(inner, f"{path}.{j}.content")
