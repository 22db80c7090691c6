"""Code in fences and backticks that some parsers may not treat as code: written to be harmless either way."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

GAP: Final = "\u200b"
"""Invisible, and no tag, link, image or TeX command continues after it."""

LOADS: Final = "bbox|class|cssId|csname|data|href|html[a-zA-Z]*|includegraphics|mmlToken|require|style|url"
"""TeX commands that load, link, or set attributes and styles in MathJax or KaTeX (`\\bbox` and `\\mmlToken` take CSS)."""

TEX: Final = re.compile(rf"\\(?=(?:{LOADS})(?![a-zA-Z]))")
_RISK: Final = re.compile(
    rf"<(?=[a-zA-Z/!?])|&(?=#|bsol)|!(?=\[)|\](?=[(:])|\\(?=@|(?:{LOADS})(?![a-zA-Z]))|^[ \t]*:(?=[ \t])"
)
_LINKS: Final = re.compile(r":(?=//)|www(?=\.)|@")
_NOT_INFO: Final = re.compile(r"[^\w+#.,:=/{} -]+")
_OPENER: Final = re.compile(r"([ \t>*+\d.):-]*+)((?:`{3,}(?=[^`]*+$)|~{3,}))(.*)$")
_DRAWS: Final = re.compile(
    r"&|#\w+;|\\|@\{|%%\{|//|\]\(|!\[|url\s*\(|\b(?:click|href|import|script|data:)|<(?!br */?>)[a-zA-Z/!?]|\A\s*---\s*$",
    re.IGNORECASE | re.MULTILINE,
)


def plain_info(info: str, content: str | None) -> str:
    """A fence's info string without what could leave the attribute that JupyterLab puts it in.

    Mermaid that could load or link something, or whose end parsers see at different lines (`content` None), is named
    `text`, so that it is shown and not drawn: nbconvert writes its source into the page unescaped.
    """
    info = _NOT_INFO.sub("", info)
    if info.strip().lower().startswith("mermaid") and (content is None or _DRAWS.search(content)):
        return "text"
    return info


def plain_opener(line: str) -> str:
    """The same for a line that some parser may take for a fence's first one: behind a list's or a quote's marker."""
    m = _OPENER.match(line)
    if m is None or not m[3].strip():
        return line
    # An empty one would make a fence's last line of it.
    return m[1] + m[2] + (plain_info(m[3], None).rstrip() or GAP)


def no_opener(line: str) -> str:
    """A line of text that must not become a fence's first one because what followed its backticks is spelled now."""
    m = _OPENER.match(line)
    return m[1] + GAP + m[2] + m[3] if m and _NOT_INFO.search(m[3]) else line


def fence_block(content: Sequence[str], clean: bool) -> list[str]:
    """A fence's content: as it is where everyone agrees that it is code."""
    if clean:
        return list(content)
    safe = [_RISK.sub(lambda m: m[0] + GAP, plain_opener(line)) for line in content]
    whole = "".join(safe)
    if '"' in whole and ("$" in whole or "\\" in whole):
        safe = [_LINKS.sub(lambda m: m[0] + GAP, line) for line in safe]
    return safe


def spelled(content: str) -> str:
    """A code span as HTML that looks the same: every character that any parser gives a meaning is a numeric entity."""
    if len(content) > 2 and content[0] == content[-1] == " " and content.strip():
        content = content[1:-1]
    # Where the tag does not count (in a title, say) the page would typeset what the entities stand for.
    content = TEX.sub(lambda m: m[0] + GAP, content).replace("@@", f"@{GAP}@")
    return "<code>" + re.sub(r"[^\w\s]|_", lambda m: f"&#{ord(m[0])};", content) + "</code>"
