"""The text of simple PDFs by page, without a PDF library: what is in parentheses before `Tj` and `TJ`.

Enough for files whose fonts use one byte a letter; of others (subset fonts, scans) there is no text, and the demo quotes none.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from typing import Final

_OBJECT: Final = re.compile(rb"(?:^|\s)(\d+)\s+\d+\s+obj\b(.*?)\bendobj", re.DOTALL)
_REFERENCE: Final = re.compile(rb"(\d+)\s+\d+\s+R")
_KEY: Final = rb"/%s\s*(\[[^\]]*\]|\d+\s+\d+\s+R)"
_STREAM: Final = re.compile(rb"stream\r?\n(.*?)\r?\n?endstream", re.DOTALL)
_TEXT_OPERATORS: Final = re.compile(
    rb"(\((?:\\.|[^\\()])*\)|\[(?:\((?:\\.|[^\\()])*\)|[^\]()])*\])\s*(?:Tj|TJ|')|(\bT\*|\bTd|\bTD|\bTm|\bET)",
    re.DOTALL,
)
_STRING: Final = re.compile(rb"\(((?:\\.|[^\\()])*)\)", re.DOTALL)
_ESCAPE: Final = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_ESCAPES: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"", b"f": b""}
_UNPACKED: Final = 8 << 20
_DEEPEST: Final = 20


def page_texts(data: bytes) -> list[str]:
    """The text of each page, in order; empty if nothing can be read."""
    objects = {int(number): body for number, body in _OBJECT.findall(data)}
    root = next((n for n, b in objects.items() if re.search(rb"/Type\s*/Catalog\b", b)), None)
    pages = _references(objects[root], b"Pages") if root is not None else []
    return [_text(objects, page) for top in pages for page in _leaves(objects, top, 0)]


def _references(body: bytes, key: bytes) -> list[int]:
    match = re.search(_KEY % key, body)
    return [int(n) for n in _REFERENCE.findall(match[1])] if match else []


def _leaves(objects: dict[int, bytes], number: int, depth: int) -> Iterator[int]:
    body = objects.get(number, b"")
    kids = _references(body, b"Kids")
    if kids and depth < _DEEPEST:
        for kid in kids:
            yield from _leaves(objects, kid, depth + 1)
    elif re.search(rb"/Type\s*/Page\b", body):
        yield number


def _text(objects: dict[int, bytes], page: int) -> str:
    parts: list[str] = []
    for number in _references(objects[page], b"Contents"):
        for operand, moved in _TEXT_OPERATORS.findall(_unpacked(objects.get(number, b""))):
            if moved:
                parts.append("\n")
            else:
                parts += [_letters(piece) for piece in _STRING.findall(operand)]
    return re.sub(r"\n+", "\n", "".join(parts)).strip("\n")


def _unpacked(body: bytes) -> bytes:
    stream = _STREAM.search(body)
    if stream is None:
        return b""
    if b"/FlateDecode" not in body[: stream.start()]:
        return stream[1]
    try:
        return zlib.decompressobj().decompress(stream[1], _UNPACKED)
    except zlib.error:
        return b""


def _letters(raw: bytes) -> str:
    def escaped(match: re.Match[bytes]) -> bytes:
        code = match[1]
        return bytes([int(code, 8) & 255]) if code.isdigit() else _ESCAPES.get(code, code)

    return _ESCAPE.sub(escaped, raw).decode("cp1252", "replace")
