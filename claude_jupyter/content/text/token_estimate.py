"""How many tokens a text is likely to cost, before anything is sent. The exact count is the service's (`claude.count()`)."""

from __future__ import annotations

from math import ceil
from typing import Final

CHARACTERS_PER_TOKEN: Final = 3.5


def tokens_of_text(text: str) -> int:
    """Estimated tokens: a token for 3.5 characters of Latin text, one for each wide (CJK and the like) character."""
    if text.isascii():
        return ceil(len(text) / CHARACTERS_PER_TOKEN)
    wide = sum(character >= "\u2e80" for character in text)
    return wide + ceil((len(text) - wide) / CHARACTERS_PER_TOKEN)


def characters_of(tokens: int) -> int:
    """How many characters of Latin text fit into that many tokens."""
    return int(tokens * CHARACTERS_PER_TOKEN)
