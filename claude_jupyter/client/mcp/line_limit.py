"""Limits how long a line from an MCP server may be: the SDK buffers an unfinished line without a limit.

Standard output is read by a codec that counts.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from contextvars import ContextVar
from encodings import utf_8
from typing import Final

ENCODING: Final = "claude_jupyter_lines"
"""Name of the codec, for the SDK's `StdioServerParameters`."""
LONGEST: Final = 16_000_000
"""Bytes of one message; results with pictures have a few millions."""

too_long: ContextVar[Callable[[], None]] = ContextVar("too_long")
"""What the connection that is being opened does when a line is longer; nothing of it is kept then."""


class Unfinished:
    """The line that a server has not finished yet.

    Parameters
    ----------
    told
        Called when it is too long.
    """

    def __init__(self, too_long: Callable[[], None]) -> None:
        self._too_long = too_long
        self._bytes = 0

    def takes(self, data: bytes) -> bool:
        """Whether it is still short enough with these bytes; if it is not, that is told."""
        end = data.rfind(b"\n")
        self._bytes = len(data) - end - 1 if end >= 0 else self._bytes + len(data)
        if self._bytes > LONGEST:
            self._too_long()
        return self._bytes <= LONGEST


class _Decoder(utf_8.IncrementalDecoder):
    def __init__(self, errors: str = "strict") -> None:
        super().__init__(errors)
        self._line = Unfinished(too_long.get())

    def decode(self, input: bytes, final: bool = False) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().decode(input, final) if self._line.takes(input) else ""


def _codec(name: str) -> codecs.CodecInfo | None:
    if name != ENCODING:
        return None
    return codecs.CodecInfo(utf_8.encode, utf_8.decode, incrementaldecoder=_Decoder, name=ENCODING)


codecs.register(_codec)
