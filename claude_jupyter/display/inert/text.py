"""Text between fences, made inert: paragraph by paragraph, outside code spans first, inside them only where parsers may disagree."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

from claude_jupyter.display.inert.code import GAP, LOADS, no_opener, plain_opener, spelled
from claude_jupyter.display.inert.links import definitions, destination, image, linked_image
from claude_jupyter.display.inert.regions import Region

_SPACE: Final = re.compile(r"\s")
_TICKS: Final = re.compile(r"`+")
_MATH: Final = re.compile(r"\$|\\\\?[(\[]|\\begin\b|&#|&\w{1,30};")
_DELIMITER: Final = re.compile(r"(?<!\\)\$\$?|\\\\?[()\[\]]|\\(?:begin|end)\{[a-zA-Z]*\*?\}")
_CLOSES: Final = {"$": "$", "$$": "$$", "\\(": "\\)", "\\[": "\\]", "\\\\(": "\\\\)", "\\\\[": "\\\\]"}
_LINK: Final = re.compile(r"\][(:\[]|://|www\.|@|`{3}|~{3}")
_RISK: Final = re.compile(
    r"<(?=[a-zA-Z/!?])|\[(?=!\[)|!(?=\[)|\][(:]|\"|\\@|&(?=#|bsol|commat)|"
    rf"\\(?=(?:{LOADS})(?![a-zA-Z]))|^[ \t]*:(?=[ \t])",
    re.MULTILINE,
)
_PLAIN_LINK: Final = re.compile(r"\]\([^\s()<>\"'`$\\|]*(?:[ \t]+\"[^\"`$\\|<>\n]*\")?\)")
_AT: Final = r"@|&(?:#0*64|#[xX]0*40|commat)"
_AT_BEFORE: Final = re.compile(rf"(?:{_AT});?\Z")
_AT_AFTER: Final = re.compile(rf"{_AT}|\\")
_CODE_RISK: Final = re.compile(rf"<(?=[a-zA-Z/!?])|!(?=\[)|\\@|\\(?:{LOADS})(?![a-zA-Z])")
_LEADS: Final = re.compile(r"\][(:]")
_BARE: Final = re.compile(r"<(?:br ?/?|/?(?:sub|sup|kbd))>")
_AUTOLINK: Final = re.compile(
    r"<(?:https?://[\w./?=&%#~+,:;!()'-]+|(?:mailto:)?[\w.+-]+@[\w-]+(?:\.[\w-]+)+)>"
)
_MARKERS: Final = re.compile(r"[ \t>*+#|:=~_-]*+(?:\d+[.)][ \t>*+#|:=~_-]*+)*+(?:\[[ xX]\][ \t]*+)?")
_REFERENCE: Final = re.compile(r"&#(?:[xX]0*([0-9a-fA-F]{1,6})|0*([0-9]{1,7}))(?![0-9a-fA-F])")
_LABEL: Final = re.compile(r"^[ \t>*+\d.)-]*\[((?:\\.|[^\[\]\\])*+)\]:", re.MULTILINE | re.DOTALL)
_TITLE: Final = re.compile(
    r"^[ \t>*+\d.)-]*\[(?:\\.|[^\[\]\\])*+\]:[ \t]*(?:\n[ \t>]*)?[^\s]+(?:[ \t]*\n[ \t>]*|[ \t]+)([\"'(])([^\n]*)",
    re.MULTILINE | re.DOTALL,
)


class Reader:
    """What the whole text says about its parts: its definitions, and whether there may be mathematics at all.

    Parameters
    ----------
    markdown
        The whole text, its lines divided as `lines_of` does.
    """

    def __init__(self, markdown: str) -> None:
        self.definitions = definitions(markdown)
        self.defines = "]:" in markdown
        self.math = _MATH.search(markdown) is not None
        self.fences = "```" in markdown or "~~~" in markdown
        labels = list(_LABEL.finditer(markdown)) if self.defines else []
        self.ticked_labels = any("`" in m[1] for m in labels)

    def text(self, region: Region) -> list[str]:
        """A region of text as inert lines."""
        lines = [plain_opener(line) for line in region.lines]
        if region.before_fence and lines[-1].rstrip().endswith("]:"):
            lines[-1] = lines[-1].rstrip()[:-1] + "&#58;"
        text = _Paragraph("\n".join(lines), self, doubt=region.doubt).inert()
        if self.defines and "]:" in text:
            text = _TITLE.sub(_closed_title, text)
        return [no_opener(line) for line in text.split("\n")]


def open_labels(markdown: str) -> frozenset[int]:
    """Numbers of the lines where a label begins that ends lines later: a definition that swallows what is between."""
    if "]:" not in markdown:
        return frozenset()
    positions = [m.start(1) - 1 for m in _LABEL.finditer(markdown) if "\n" in m[1]]
    ends = [m.start() for m in re.finditer("\n", markdown)]
    return frozenset(bisect_right(ends, at) for at in positions)


def _closed_title(m: re.Match[str]) -> str:
    quote = m[1]
    if ({"(": ")"}.get(quote, quote)) in re.sub(r"\\.", "", m[2]):
        return m[0]
    return m[0][: m.start(1) - m.start()] + f"&#{ord(quote)};" + m[2]


class _Paragraph:
    def __init__(self, text: str, reader: Reader, *, doubt: bool) -> None:
        self.source = text
        self.reader = reader
        self.doubt = doubt
        self.pieces = list(_pieces(text))
        self.prose = prose = "".join(" " * (b - a) if code else text[a:b] for a, b, code in self.pieces)
        self.in_math = _Intervals(prose)
        opens = _MATH.search(text) is not None
        self.quotes = opens and _LINK.search(text) is not None
        ticks = _TICKS.findall(prose) or any(len(t) > 1 for t in _TICKS.findall(text)) or "\\`" in text
        coded = "".join(text[a:b] for a, b, code in self.pieces if code)
        bare = _PLAIN_LINK.sub("", prose) + coded
        links = "](" in bare or "]:" in bare or (reader.ticked_labels and "[" in bare)
        self.agreed = not (doubt or opens or ticks or links)
        self.marks = "<" in prose or "[" in prose
        self.line, self.line_ends, self.words = 0, -1, 0

    def inert(self) -> str:
        return "".join(self._code(a, b) if code else self._prose(a, b) for a, b, code in self.pieces)

    def _code(self, start: int, end: int) -> str:
        span = self.source[start:end]
        ticks = len(span) - len(span.lstrip("`"))
        content = span[ticks:-ticks]
        if not (_CODE_RISK.search(content) or _leads_astray(content) or (self.quotes and '"' in content)):
            return span
        # A bare address takes in the backtick that follows it; for marked so does `~`.
        near = self.source[max(0, start - 200) : start]
        word = near if near and not near[-1].isspace() else ""
        glued = any(mark in word for mark in ("://", "www.", "@", "~")) or (
            len(word) == 200 and not _SPACE.search(word)
        )
        mixed = any(c in content for c in "|\\$") or any(
            c in content and (self.marks or c in self.prose) for c in "*_~"
        )
        return span if self.agreed and not glued and not mixed else spelled(content)

    def _prose(self, start: int, end: int) -> str:
        out: list[str] = []
        at = start
        while m := _RISK.search(self.source, at, end):
            out.append(self.source[at : m.start()])
            text, at = self._risk(m)
            out.append(text)
        out.append(self.source[at:end])
        return "".join(out)

    def _risk(self, m: re.Match[str]) -> tuple[str, int]:
        text, at, sign = self.source, m.start(), m[0]
        math = self.in_math(at)
        if sign == "<":
            return self._tag(at, math)
        if sign == "!":
            return ("! ", at + 1) if math else image(text, at, self.reader.definitions)
        if sign == "[":
            return (None if math else linked_image(text, at)) or ("[", at + 1)
        if sign in ("](", "]:"):
            before, rest = destination(text, m.end())
            return sign + before, rest
        if sign == '"':
            return ("&quot;" if self.quotes else sign), m.end()
        if sign.endswith(":"):
            # nbconvert's definition lists take in the fences before and after them.
            return sign[:-1] + ("&#58;" if self.reader.fences else ":"), m.end()
        if sign == "&":
            return _entity(text, at), m.end()
        if sign == "\\@":
            at_sign = f"{GAP}@{GAP}" if _is_doubled(text, at, m.end()) else "&#64;"
            return ("\\ @" if math else at_sign), m.end()
        if not self.reader.math:
            return sign, m.end()
        return ("\\backslash " if math else "\\" + GAP), m.end()

    def _tag(self, at: int, math: bool) -> tuple[str, int]:
        text = self.source
        if math:
            return "< ", at + 1
        if link := _AUTOLINK.match(text, at):
            return link[0], link.end()
        while self.line_ends < at:
            self.line, self.line_ends = self.line_ends + 1, _end_of_line(text, self.line_ends + 1)
            marked = _MARKERS.match(text, self.line)
            self.words = marked.end() if marked else self.line
        if (bare := _BARE.match(text, at)) and self.words < at:
            # As the first thing on its line it could begin a block of HTML, in which a fence is not a fence.
            return bare[0], bare.end()
        # In what may be code after all an entity would be seen; a gap never is.
        code = self.doubt or text.startswith(("    ", "\t"), self.line)
        return ("<" + GAP if code else "&lt;"), at + 1


def _leads_astray(content: str) -> bool:
    return any(destination(content, m.end())[0] for m in _LEADS.finditer(content))


def _entity(text: str, at: int) -> str:
    """`&`, unless what it stands for is a letter, a digit or `\\`, which spell TeX commands that no scanner sees, or an `@` of several."""
    m = _REFERENCE.match(text, at)
    if m is None:
        name = text.startswith("&commat", at)
        unread = text.startswith("&#", at) or (name and not _is_doubled(text, at, at + len("&commat;")))
        return "&" if unread else "&amp;"
    code = int(m[1], 16) if m[1] else int(m[2])
    spells = code < 128 and (chr(code).isalnum() or chr(code) == "\\")
    end = m.end() + text.startswith(";", m.end())
    return "&amp;" if spells or (code == ord("@") and _is_doubled(text, at, end)) else "&"


def _is_doubled(text: str, start: int, end: int) -> bool:
    """Whether another `@` may be beside this one, however it is written: JupyterLab puts mathematics where it finds `@@0@@`."""
    return bool(_AT_BEFORE.search(text, max(start - 12, 0), start) or _AT_AFTER.match(text, end))


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _pieces(text: str) -> Iterator[tuple[int, int, bool]]:
    """The text as (start, end, whether it is a code span on one line), in order."""
    runs = [(m.start(), m.end()) for m in _TICKS.finditer(text)]
    partner: dict[int, int] = {}
    last: dict[int, int] = {}
    line_end = len(text)
    for n in range(len(runs) - 1, -1, -1):
        start, end = runs[n]
        newline = text.find("\n", end, runs[n + 1][0] if n + 1 < len(runs) else line_end)
        if newline >= 0:
            last = {}
        if end - start in last:
            partner[n] = last[end - start]
        last[end - start] = n
    at = n = 0
    while n < len(runs):
        if n in partner and not _escaped(text, runs[n][0]):
            start, end = runs[n][0], runs[partner[n]][1]
            yield at, start, False
            yield start, end, True
            at, n = end, partner[n]
        n += 1
    yield at, len(text), False


def _escaped(text: str, at: int) -> bool:
    start = at
    while start and text[start - 1] == "\\":
        start -= 1
    return (at - start) % 2 == 1


class _Intervals:
    """Where a reader sees mathematics; this affects only the appearance, what is shown is harmless either way."""

    def __init__(self, prose: str) -> None:
        self.bounds: list[int] = []
        opened, start = "", 0
        for m in _DELIMITER.finditer(prose):
            sign = m[0]
            if opened and sign == opened:
                if sign == "$" and (prose[m.start() - 1].isspace() or prose[m.end() : m.end() + 1].isdigit()):
                    continue
                self.bounds += (start, m.end())
                opened = ""
            elif opened in ("", "$"):
                if sign == "$" and prose[m.end() : m.end() + 1].isspace():
                    continue
                closes = _CLOSES.get(sign) or (
                    sign.replace("begin", "end", 1) if sign.startswith("\\begin") else ""
                )
                if closes:
                    opened, start = closes, m.start()

    def __call__(self, at: int) -> bool:
        return bisect_right(self.bounds, at) % 2 == 1
