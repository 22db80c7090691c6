"""HTML → the words in it, for outputs and objects without other text. Not a renderer: layout is lost, tables become lines."""

from __future__ import annotations

import re
from html import unescape
from typing import Final

_UNSEEN: Final = re.compile(
    r"<(script|style|head|template)\b.*?</\1\s*>|<!--.*?-->", re.IGNORECASE | re.DOTALL
)
_LINE: Final = re.compile(r"<(?:br|/tr|/p|/div|/li|/h[1-6]|/table)\b[^>]*>", re.IGNORECASE)
_CELL: Final = re.compile(r"</t[dh]\s*>", re.IGNORECASE)
_TAG: Final = re.compile(r"<[^>]*>")


def words(html: str) -> str:
    """The text of an HTML fragment.

    >>> words("<table><tr><th>a</th><td>1 &lt; 2</td></tr></table>")
    'a | 1 < 2'
    """
    text = _CELL.sub(" | ", _LINE.sub("\n", _UNSEEN.sub(" ", re.sub(r"\s+", " ", html))))
    lines = (" ".join(line.split()).strip(" |") for line in unescape(_TAG.sub(" ", text)).split("\n"))
    return "\n".join(line for line in lines if line)


def has_table(text: str) -> bool:
    """Whether HTML or Markdown holds a table: it may be a dataframe's rows."""
    return "<table" in text.lower() or re.search(r"^\s*\|?\s*:?-{3,}:?\s*\|", text, re.MULTILINE) is not None
