"""What an HTML page would run or fetch by itself: the judge of the fuzzer."""

from __future__ import annotations

import re
from html.parser import HTMLParser

TAGS = {
    *("p", "h1", "h2", "h3", "h4", "h5", "h6", "em", "strong", "del", "s", "code", "pre", "a", "hr", "br", "blockquote"),
    *("ul", "ol", "li", "dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td", "input", "div", "span"),
    *("sub", "sup", "kbd", "x-mermaid"),
}  # fmt: skip
ATTRIBUTES = {
    "a": {"href", "title", "class"},
    "code": {"class"},
    "pre": {"class"},
    "div": {"class"},
    "span": {"class"},
    "li": {"class"},
    "ol": {"start"},
    "th": {"align", "style"},
    "td": {"align", "style"},
    "input": {"type", "class", "checked", "disabled"},
    **{f"h{n}": {"id"} for n in range(1, 7)},
}
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_BLANKS = re.compile(r"[\x00-\x20\x7f-\xa0\u200b]+")
_ALIGN = re.compile(r"text-align: ?(left|right|center)")
_TEX = re.compile(
    r"(?:\$|\\[(\[]|\\begin\{)[^\0]*?\\(?:bbox|class|cssId|data|href|html[a-zA-Z]*|includegraphics|mmlToken|require|style|url)"
    r"(?![a-zA-Z])[^\0]*?(?:\$|\\[)\]]|\\end\{)"
)
_DRAWS = re.compile(r"@\{|//|url\(|%%\{|\\|<img", re.IGNORECASE)


def live(html: str) -> list[str]:
    """Everything in it that Markdown made inert must not become; empty for a harmless page."""
    page = _Page()
    page.feed(html)
    page.close()
    return page.found + _TEX.findall("".join(page.text))


def _leads_on(href: str) -> bool:
    scheme = _SCHEME.match(_BLANKS.sub("", href))
    return scheme is None or scheme[1].lower() in ("http", "https", "mailto", "ftp")


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.text: list[str] = []
        self.code = 0
        self.drawn = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # MathJax looks for formulas within what no tag but a line break parts.
        self.text.append("" if tag == "br" else "\0")
        self.code += tag in ("code", "pre")
        self.drawn += tag == "x-mermaid" or (tag == "pre" and ("class", "mermaid") in attrs)
        if tag not in TAGS:
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            if name not in ATTRIBUTES.get(tag, ()):
                self.found.append(f"<{tag} {name}>")
            elif name == "style" and not _ALIGN.fullmatch((value or "").strip(" ;")):
                self.found.append(f"<{tag} style={value}>")
            elif name == "href" and not _leads_on(value or ""):
                self.found.append(f"href={value}")

    def handle_endtag(self, tag: str) -> None:
        self.text.append("\0")
        self.code = max(0, self.code - (tag in ("code", "pre")))
        self.drawn = 0 if tag in ("x-mermaid", "pre") else self.drawn

    def handle_data(self, data: str) -> None:
        if self.drawn:
            self.found += [f"mermaid {m}" for m in _DRAWS.findall(data)]
        self.text.append("\0" if self.code else data)

    def handle_comment(self, data: str) -> None:
        self.found.append("<!--")

    def handle_decl(self, decl: str) -> None:
        self.found.append("<!")

    def handle_pi(self, data: str) -> None:
        self.found.append("<?")

    def unknown_decl(self, data: str) -> None:
        self.found.append("<![")
