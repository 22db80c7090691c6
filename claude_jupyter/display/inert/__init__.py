"""Markdown from a model, made inert: nothing in it runs, and no viewer fetches anything automatically.

What is stored in a notebook is read by parsers that disagree (marked behind JupyterLab's extraction of mathematics, mistune
in nbconvert, the CommonMark of GitHub and VS Code), and the first two sanitize nothing. So this is a scanner that leaves a
risky character as it is only where all of them must agree that it is code, and elsewhere writes what looks the same
and cannot act. It is neither a parser nor a renderer; our own views also sanitize. `tests/inert/` holds it to both pipelines.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from claude_jupyter.display.inert.code import GAP
from claude_jupyter.display.inert.regions import ODD, State, lines_of, regions
from claude_jupyter.display.inert.text import Reader, open_labels

__all__ = ["apart", "inert", "inert_parts", "literal"]


def inert(markdown: str) -> str:
    """The same Markdown, safe in viewers that sanitize nothing.

    Ordinary text, mathematics and code come back byte for byte. Raw HTML shows as text (bare `<br>`, `<sub>`, `<sup>` and
    `<kbd>` pass), links with schemes other than http, https and mailto lead nowhere, images become links with their host
    shown, TeX that loads or links is shown instead of run, and a fence that was left open is closed. Takes linear time. What
    follows can change how an earlier part is treated, so give it whole texts, not deltas.

    Examples
    --------
    >>> inert("![chart](https://example.org/c.png) <img src=x onerror=alert(1)>")
    '[chart (image: example.org)](https://example.org/c.png) &lt;img src=x onerror=alert(1)>'
    """
    return inert_parts([markdown])[0]


def inert_parts(parts: Sequence[str]) -> list[str]:
    """Texts that will be in one Markdown document, a blank line between each two: what one leaves open must not reach the next."""
    divided = [lines_of(part) for part in parts]
    reader = Reader("\n\n".join("\n".join(lines) for lines in divided))
    state = State()
    inert_lines = [_inert(lines, reader, state) for lines in divided]
    # What is written now may have joined brackets that code or an image kept apart, so labels are looked for last.
    labels = open_labels("\n\n".join("\n".join(line for line, _ in lines) for lines in inert_lines))
    number = 0
    joined: list[str] = []
    for lines in inert_lines:
        out = [
            line.replace("[", GAP + "[", 1) if n in labels and is_text else line
            for n, (line, is_text) in enumerate(lines, number)
        ]
        number += len(lines) + 1
        joined.append("\n".join(out))
    return joined


def _inert(lines: Sequence[str], reader: Reader, state: State) -> list[tuple[str, bool]]:
    """The lines of a part as they will be, each with whether it is text."""
    out: list[tuple[str, bool]] = []
    for region in regions(lines, state):
        safe_lines = region.lines if region.fence else reader.text(region)
        if region.apart and out and out[-1][0].strip() and safe_lines[0].strip():
            out.append(("", True))
        out += [(line, not region.fence) for line in safe_lines]
    return out


def literal(text: str) -> str:
    """Text on one line that shows as it is, whatever it holds: nothing in it is Markdown, HTML, mathematics or an address."""
    words = " ".join(text.translate(ODD).split()).replace("@@", f"@{GAP}@")
    return re.sub(
        r"^\d+[.)]|^[-+=:]|[^\w\s.,;?(%)='/:·–—…≥-]|(?<![^\W_])_|_(?![^\W_])|:(?=/)|(?<=www)\.",
        _entities,
        words,
    )


def harmless(text: str) -> str:
    """Text for a file that people read: only what could become a tag, a link, a picture or a fence is written otherwise.

    Dollar signs, underscores and asterisks stay. Meant for short texts beside answers (a question, a file's name), not for answers.
    """
    words = text.translate(ODD)
    words = re.sub(r"<(?=[A-Za-z/!?])|&(?=#\w+;|\w+;)", _entities, words)
    words = re.sub(r"(?<=\])(?=[(\[:])|(?<=!)(?=\[)", r"\\", words)
    words = re.sub(r"\\(?=(?:href|url|html\w*|class|style|cssId|require|begin)\b)", _entities, words)
    return re.sub(r"(?m)^(\s*)(`{3,}|~{3,})", lambda m: f"{m[1]}\\{m[2]}", words)


def apart(marked: str) -> str:
    """Literal text with each dollar sign in an element of its own, if it has several.

    An entity keeps them from parsers of Markdown only. What typesets looks at the page, and takes two in one element for mathematics.
    """
    return marked.replace("&#36;", "<span>&#36;</span>") if marked.count("&#36;") > 1 else marked


def _entities(m: re.Match[str]) -> str:
    # An entity hides a TeX command from parsers only: what is typeset is the text that the page shows.
    return "".join(f"&#{ord(c)};" + (GAP if c == "\\" else "") if not c.isalnum() else c for c in m[0])
