"""Behavior on request: what `demo:…` in a prompt makes the demo model do, to see how errors, waits and long answers look.

| in the prompt | what happens |
|---|---|
| `demo:error 529` | that status, each time the prompt comes |
| `demo:error 429 retry-after=3 times=1` | with a `retry-after`; answered after `times` refusals |
| `demo:fail` | an `overloaded_error` event in mid-answer |
| `demo:cut`, `demo:cut 500` | the connection breaks off in mid-answer (after this many bytes; 0: before the headers) |
| `demo:end`, `demo:end 500` | the body ends cleanly in mid-answer (after this many bytes) |
| `demo:html` | a 200 that is a web page, not a stream |
| `demo:empty` | an answer without content |
| `demo:slow`, `demo:slow 1` | this many seconds (0.2) per chunk of about a token |
| `demo:silence 30` | this many seconds (10) of silence in mid-answer |
| `demo:hang 30` | this many seconds (10) of silence before the headers |
| `demo:think 5` | this many seconds (3) of thinking first |
| `demo:think only` | thinking that uses all of `max_tokens` |
| `demo:refuse` | `stop_reason` "refusal" |
| `demo:long 20000` | an answer of about this many tokens (2,000), of every kind of Markdown |

Only the question itself is searched, never what is attached.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from dataclasses import replace
from typing import Final

from claude_jupyter.demo.oracle.reply_shape import token_chunks
from claude_jupyter.demo.script import Cut, Piece, Say, Script, Think, Wait

_ORDER: Final = re.compile(
    r"\bdemo:(error|fail|cut|end|html|empty|slow|silence|hang|think|refuse|long)\b((?:[ \t]+(?:[\d.]+|only|[a-z-]+=[\d.]+))*)"
)
_PAGE: Final = b"<!DOCTYPE html><title>502 Bad Gateway</title><h1>502 Bad Gateway</h1>\n"


class Orders:
    """Carries orders out; remembers only how often a prompt was refused already (`times=`)."""

    def __init__(self) -> None:
        self._refused: Counter[str] = Counter()
        self._lock = threading.Lock()

    def apply(self, prompt: str, script: Script, max_tokens: int) -> Script:
        """The script changed by every order in the prompt."""
        for name, words in _ORDER.findall(prompt):
            values = words.split()
            named = dict(v.split("=", 1) for v in values if "=" in v)
            numbers = [float(v) for v in values if re.fullmatch(r"\d+(\.\d*)?|\.\d+", v)]
            number = numbers[0] if numbers else None
            if name == "error":
                script = self._error(prompt, script, int(number or 500), named)
            elif name == "think" and "only" in values:
                script = replace(script, pieces=(Think("Thinking it over once more. " * max_tokens),))
            else:
                script = _changed(name, number, script)
        return script

    def _error(self, prompt: str, script: Script, status: int, named: dict[str, str]) -> Script:
        with self._lock:
            self._refused[prompt] += 1
            if "times" in named and self._refused[prompt] > float(named["times"]):
                del self._refused[prompt]
                return script
        headers = {"retry-after": named["retry-after"]} if "retry-after" in named else {}
        return replace(script, status=status, headers=headers)


def _changed(name: str, number: float | None, script: Script) -> Script:
    match name:
        case "fail":
            return replace(script, pieces=_half(script), fail=("overloaded_error", "Overloaded"))
        case "cut":
            return _cut(script, Cut()) if number is None else replace(script, cut=int(number))
        case "end":
            return _cut(script, Cut(clean=True)) if number is None else replace(script, end=int(number))
        case "html":
            return replace(script, raw=_PAGE, content_type="text/html")
        case "empty":
            return replace(script, pieces=(Wait(0),))
        case "slow":
            return replace(script, pace=0.2 if number is None else number)
        case "silence":
            return _cut(script, Wait(10.0 if number is None else number))
        case "hang":
            return replace(script, hang=10.0 if number is None else number)
        case "think":
            return replace(script, pieces=_thoughtful(script, 3.0 if number is None else number))
        case "refuse":
            details = {
                "type": "refusal",
                "category": None,
                "explanation": "The offline demo was asked to refuse.",
            }
            return replace(script, pieces=(Wait(0),), stop_reason="refusal", stop_details=details)
        case _:
            return replace(script, pieces=(Say(long_text(int(number or 2000))),))


def _halves(piece: Say) -> tuple[list[str], list[str]]:
    chunks = token_chunks(piece.text)
    return chunks[: len(chunks) // 2], chunks[len(chunks) // 2 :]


def _half(script: Script) -> tuple[Piece, ...]:
    """A script that breaks off in the middle of its last text."""
    pieces = list(script.in_order())
    texts = [k for k, p in enumerate(pieces) if isinstance(p, Say)]
    if not texts:
        return tuple(pieces)
    last = pieces[texts[-1]]
    return (*pieces[: texts[-1]], Say("".join(_halves(last)[0])) if isinstance(last, Say) else last)


def _cut(script: Script, what: Wait | Cut) -> Script:
    """A script with a silence or the end in the middle of its first text."""
    pieces = list(script.in_order())
    for k, piece in enumerate(pieces):
        if isinstance(piece, Say):
            first, second = _halves(piece)
            pieces[k] = replace(Say.of(*first, what, *second), citations=piece.citations)
            break
    return replace(script, pieces=tuple(pieces))


def _thoughtful(script: Script, seconds: float) -> tuple[Piece, ...]:
    pieces = [p for p in script.in_order() if not isinstance(p, Think)]
    words = "The offline demo does not think; it was asked to look as if it did, for this long. " * max(
        1, round(seconds / 2)
    )
    return (Think(words, seconds), *pieces)


def long_text(tokens: int) -> str:
    """Markdown of about this many tokens: headings, prose, lists, tables, code and mathematics in turn."""
    parts = ["This long text comes from the **offline demo model**, to see how a long answer streams.\n"]
    size = len(parts[0])
    number = 0
    while size < tokens * 3.5:
        number += 1
        part = _section(number)
        parts.append(part)
        size += len(part) + 1
    return "\n".join(parts)[: max(200, int(tokens * 3.5))]


def _section(number: int) -> str:
    half = number / 2
    return f"""
## Section {number}

Paragraph {number} of the demo says nothing about your data. It has *emphasis*, **weight**, `code` and a
[link](https://example.org/{number}), so that the view has something to lay out while more text arrives.

1. first point of section {number}
2. second point, with a nested list
   - one
   - two

| quantity | value | unit |
|---|---:|---|
| number | {number} | – |
| half | {half} | – |
| square | {number * number:,} | – |

```python
import numpy as np

values = np.arange({number})
print("section {number}:", values.sum(), values.mean() if values.size else 0)
```

The sum of the first $n = {number}$ numbers is

$$\\sum_{{k=1}}^{{{number}}} k = \\frac{{{number} \\cdot {number + 1}}}{{2}} = {number * (number + 1) // 2}$$
"""
