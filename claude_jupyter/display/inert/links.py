"""Links that are safe to keep, and images turned into links. A destination is judged by every way a parser might read it."""

from __future__ import annotations

import re
from typing import Final

_ALT: Final = r"!\[([^\[\]\n`$<>\"\\|&!@]{0,500})\]"
_DEST: Final = r"\([ \t]*<?((?:[^\s()<>\"\\$`|@]|(?<=[/\w])@)+)>?(?:[ \t]+(?:\"[^\"\n<>\\$`|&\[\]@]*\"|'[^'\"\n<>\\$`|&\[\]@]*'))?[ \t]*\)"
IMAGE: Final = re.compile(_ALT + _DEST)
LINKED: Final = re.compile(rf"\[{_ALT}{_DEST}\](?:{_DEST})")
_REFERENCE: Final = re.compile(_ALT + r"(?:\[([^\[\]\n`$<>\"\\|&!@]{0,500})\])?")
_NEAR: Final = re.compile(r"[^\n]{0,500}?\]\(\s*<?(https?://[^\s)>]{1,500})")
_HOST: Final = re.compile(r"(?i:https?:)?//(?:[^/?#\s\\]*@)?([\w.-]+(?::\d+)?)(?=[/?#]|$)")
_DEFINITION: Final = re.compile(r"^[ \t>*+\d.)-]*\[([^\[\]\n\\]{1,500})\]:[ \t]*<?(\S+)", re.MULTILINE)
_SAFE: Final = re.compile(r"(?i:https?://|mailto:)|[^\s:&\\<>()/?#\x00-\x20\x7f]*(?:[/?#) \t\n]|\Z|:[ \t\n])")
_REMOVED: Final = re.compile(
    r"(?:data|attachment|javascript|vbscript):(?:\([^\s()>\"\]]*\)|[^\s()>\"\]])*", re.IGNORECASE
)

Definitions = dict[str, str]


def definitions(markdown: str) -> Definitions:
    """Reference definitions: label → where it leads."""
    return {_label(m[1]): m[2] for m in _DEFINITION.finditer(markdown)}


def destination(text: str, at: int) -> tuple[str, int]:
    """The destination that a parser may read at a position: what to write before the rest, and where the rest begins.

    Blanks, a line's end, a quote's `>` and `<` may come first. A `#` in front makes any other scheme a place in the page.
    """
    start = at
    while at < len(text) and text[at] in " \t\n>":
        at += 1
    if text.startswith("<", at):
        at += 1
    if match := _REMOVED.match(text, at):
        return text[start:at] + "#left-out", match.end()
    if _SAFE.match(text, at):
        return "", start
    return text[start:at] + "#", at


def image(text: str, at: int, definitions: Definitions) -> tuple[str, int]:
    """What to show for the image whose `!` is at a position, and where it ends."""
    if m := IMAGE.match(text, at):
        if _REMOVED.match(m[2]):
            return _left_out(m[1]), m.end()
        return f"[{_caption(m[1], m[2])}]", text.index("](", at) + 1
    if m := _REFERENCE.match(text, at):
        label = m[2] or m[1]
        if dest := definitions.get(_label(label)):
            if _REMOVED.match(dest):
                return _left_out(m[1]), m.end()
            return f"[{_caption(m[1], dest)}][{label}]", m.end()
    if (m := _NEAR.match(text, at + 2)) and (host := _HOST.match(m[1])):
        return f"&#33;[(image: {host[1]}) ", at + 2
    return "&#33;", at + 1


def linked_image(text: str, at: int) -> tuple[str, int] | None:
    """The same for `[![alt](image)](page)`: a link to each, since links do not nest."""
    m = LINKED.match(text, at)
    if m is None or _REMOVED.match(m[2]) or _REMOVED.match(m[3]):
        return None
    first, second = (_guarded(dest) for dest in (m[2], m[3]))
    host = _HOST.match(m[3])
    return f"[{_caption(m[1], m[2])}]({first}) [→ {host[1] if host else 'link'}]({second})", m.end()


def _guarded(dest: str) -> str:
    before, at = destination(dest, 0)
    return before + dest[at:]


def _caption(alt: str, dest: str) -> str:
    host = _HOST.match(dest)
    what = f"image: {host[1]}" if host else "image"
    return f"{alt} ({what})" if alt.strip() else what


def _left_out(alt: str) -> str:
    return f"(image left out: {alt})" if alt.strip() else "(image left out)"


def _label(text: str) -> str:
    return " ".join(text.casefold().split())
