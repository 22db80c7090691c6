"""PNG files with damaged metadata, which every browser shows and Pillow refuses.

Source: PNG (Third Edition), section 5.4: the case of a chunk's first letter says whether a picture can be shown without it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


def without_damaged_metadata(data: bytes) -> bytes:
    """The same file without the ancillary chunks whose checksum is wrong; what is no PNG as it is."""
    if not data.startswith(SIGNATURE):
        return data
    return SIGNATURE + b"".join(_sound(data))


def _sound(data: bytes) -> Iterator[bytes]:
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        end = at + 12 + length
        critical = not data[at + 4] & 0x20
        if end > len(data):
            break
        if critical or struct.unpack(">I", data[end - 4 : end])[0] == zlib.crc32(data[at + 4 : end - 4]):
            yield data[at:end]
        at = end
    yield data[at:]
