"""What the demo model quotes from documents with citations on: a sentence that contains a word of the question, and where it is."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from claude_jupyter.demo.documents.pdf_text import page_texts
from claude_jupyter.demo.oracle.message_rules import documents
from claude_jupyter.demo.script import Body, Piece, Say
from claude_jupyter.demo.statements.wording import code

_DOCUMENTS: Final = 3
_LONGEST: Final = 400
_SENTENCE: Final = re.compile(r"[^\s.!?][^.!?\n]*(?:\n(?!\s*\n)[^.!?\n]+)*[.!?]*")
_COMMON: Final = frozenset(
    (
        "about", "does", "document", "file", "from", "have", "page", "report", "says", "tell", "text", "that", "then", "there",
        "this", "what", "when", "where", "which", "with", "would",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Quote:
    """A sentence of a document, with the citation as the service would write it."""

    title: str
    word: str
    text: str
    citation: Mapping[str, Any]


def cited(body: Body, prompt: str) -> Sequence[Piece]:
    """The beginning of an answer: the quotes, each a paragraph; nothing where no document fits."""
    pieces: list[Piece] = []
    for quote in quotes(body, prompt):
        pieces.append(Say(f"On “{quote.word}”, {code(quote.title)} says: "))
        pieces.append(Say(f"“{_plain(quote.text)}”", (quote.citation,)))
        pieces.append(Say("\n\n"))
    return pieces


def quotes(body: Body, prompt: str) -> list[Quote]:
    """At most one of each document of the request, newest documents first."""
    words = [w for w in dict.fromkeys(re.findall(r"\w{4,}", prompt.lower())) if w not in _COMMON]
    words.sort(key=len, reverse=True)
    result: list[Quote] = []
    numbered = [(n, b) for n, b in enumerate(documents(body)) if (b.get("citations") or {}).get("enabled")]
    for index, block in reversed(numbered):
        quote = _quote(index, block, words)
        if quote is not None and len(result) < _DOCUMENTS:
            result.append(quote)
    return result


def _quote(index: int, block: Mapping[str, Any], words: Sequence[str]) -> Quote | None:
    title = block.get("title") or f"document {index + 1}"
    for page, text in _texts(block):
        for word in words:
            at = re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE)
            sentence = _around(text, at.start()) if at else None
            if sentence is None:
                continue
            start, end = sentence
            place = (
                {"type": "char_location", "start_char_index": start, "end_char_index": end}
                if page is None
                else {"type": "page_location", "start_page_number": page, "end_page_number": page + 1}
            )
            citation = {
                **place,
                "cited_text": text[start:end],
                "document_index": index,
                "document_title": block.get("title"),
                "file_id": None,
            }
            return Quote(title, word, text[start:end], citation)
    return None


def _texts(block: Mapping[str, Any]) -> Iterator[tuple[int | None, str]]:
    """(page from 1, its text) of a PDF, (None, text) of a text; nothing of what the demo cannot read."""
    source = block.get("source") or {}
    if source.get("type") == "text":
        yield None, source["data"]
    elif source.get("type") == "base64":
        yield from enumerate(page_texts(base64.b64decode(source["data"])), 1)


def _around(text: str, at: int) -> tuple[int, int] | None:
    """Where the sentence around a place begins and ends; None if it is too long to be quoted."""
    for match in _SENTENCE.finditer(text):
        if match.start() <= at < match.end():
            return (match.start(), match.end()) if match.end() - match.start() <= _LONGEST else None
    return None


def _plain(text: str) -> str:
    """The sentence on one line, without what Markdown would take for markup."""
    return re.sub(r"([\\`*_$<\[\]|~])", r"\\\1", " ".join(text.split()))
