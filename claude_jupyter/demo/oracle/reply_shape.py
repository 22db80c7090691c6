"""A script → the reply that one request gets: cut at its stop sequences and `max_tokens`, its calls named, its tokens counted.

How a reply goes over the wire is `demo/sse.py`.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from claude_jupyter.costs.usage import Usage
from claude_jupyter.demo.oracle.token_count import rate, text_tokens
from claude_jupyter.demo.script import Call, Compact, Piece, Say, Script, Search, Think, Whole
from claude_jupyter.models import Model, facts

_TOKENISH: Final = re.compile(r"\s*\w{1,7}|\s*[^\w\s]{1,3}|\s+")


@dataclass(frozen=True, slots=True)
class Reply:
    """A script as it goes out for one request: cut at stop sequences and `max_tokens`, and counted.

    Attributes
    ----------
    condensing
        What was counted for the summary that it begins with.
    edits
        What context editing cleared; None if it was not asked for.
    """

    id: str
    body: Mapping[str, Any]
    model: Model
    pieces: tuple[Piece, ...]
    stop_reason: str
    stop_sequence: str | None
    stop_details: Mapping[str, Any] | None
    output: int
    thinking: int
    searches: int
    search_tokens: int
    condensing: Usage | None = None
    edits: tuple[dict[str, Any], ...] | None = None

    def whole(self, prompt: Usage) -> Usage:
        """All that was counted: what the summary before the reply cost is told apart on the wire, and billed."""
        own = self.usage(prompt)
        return own if self.condensing is None else own + self.condensing

    def usage(self, prompt: Usage) -> Usage:
        """What the reply counts, given what its prompt did: search results join the prompt on the way."""
        grown = (
            {"cache_write_5m": prompt.cache_write_5m + self.search_tokens} if prompt.cache_write_5m else {}
        )
        return replace(
            prompt,
            **(grown or {"input": prompt.input + self.search_tokens}),
            output=self.output,
            thinking=self.thinking,
            web_searches=self.searches,
        )


def token_chunks(text: str) -> list[str]:
    """A text cut the way tokens fall: about four characters each, nothing lost."""
    return _TOKENISH.findall(text)


def new_id(prefix: str) -> str:
    """A fresh id in the service's style."""
    return f"{prefix}_01{secrets.token_hex(11)}"


def condensing(body: Mapping[str, Any], summary: str, pause: bool, prompt: Usage) -> Reply:
    """The beginning of a reply that condenses the conversation; the whole of it where the request asks to pause then."""
    model = facts(str(body.get("model")))
    counted = replace(prompt, output=text_tokens(summary, model))
    return Reply(
        id=new_id("msg"),
        body=body,
        model=model,
        pieces=(Compact(summary),),
        stop_reason="compaction" if pause else "end_turn",
        stop_sequence=None,
        stop_details=None,
        output=0,
        thinking=0,
        searches=0,
        search_tokens=0,
        condensing=counted,
    )


def _natural_end(pieces: Sequence[Piece], limit: int) -> str:
    if any(isinstance(piece, Call) for piece in pieces):
        return "tool_use"
    return "end_turn" if limit else "max_tokens"


def reply(script: Script, body: Mapping[str, Any]) -> Reply:
    """Apply the request's stop sequences and `max_tokens` to a script, give ids to its calls, count its output."""
    model = facts(str(body.get("model")))
    limit = int(body.get("max_tokens") or 0)
    pieces: list[Piece] = []
    output = thinking = 0
    reason, sequence = script.stop_reason, None
    for piece in script.in_order() if limit else ():
        shaped, sequence = _stopped(piece, body.get("stop_sequences") or ())
        count = _count(shaped, model)
        too_long = output + count > limit
        count = min(count, limit - output)
        output += count
        thinking += count if isinstance(shaped, Think) else 0
        if too_long:
            pieces += _shortened(shaped, count, model)
            reason, sequence = reason or "max_tokens", None
            break
        pieces.append(
            replace(shaped, id=shaped.id or new_id("toolu")) if isinstance(shaped, Call) else shaped
        )
        if sequence is not None:
            reason = reason or "stop_sequence"
            break
    searches = [p for p in pieces if isinstance(p, Search)]
    return Reply(
        id=new_id("msg"),
        body=body,
        model=model,
        pieces=tuple(pieces),
        stop_reason=reason or _natural_end(pieces, limit),
        stop_sequence=sequence,
        stop_details=script.stop_details,
        output=max(1, output) if limit else 0,
        thinking=thinking,
        searches=sum(s.error is None for s in searches),
        search_tokens=sum(text_tokens(text, model) for s in searches for *_, text in s.results),
    )


def _stopped(piece: Piece, sequences: Sequence[str]) -> tuple[Piece, str | None]:
    if not isinstance(piece, Say):
        return piece, None
    at, sequence = min(((piece.text.find(s), s) for s in sequences if s in piece.text), default=(-1, None))
    return (Say(piece.text[:at], piece.citations), sequence) if sequence is not None else (piece, None)


def _count(piece: Piece, model: Model) -> int:
    match piece:
        case Say(text) | Think(text):
            return text_tokens(text, model)
        case Call():
            return 8 + text_tokens(arguments(piece) + piece.name, model)
        case Search():
            return 8 + text_tokens(piece.query, model)
        case Whole(block):
            return text_tokens(json.dumps(dict(block)), model)
        case _:
            return 0


def _shortened(piece: Piece, tokens: int, model: Model) -> list[Piece]:
    """As much of a piece as the tokens left allow."""
    room = int(tokens * rate(model))
    match piece:
        case Say(text, citations) if room:
            return [Say(text.encode()[:room].decode(errors="ignore"), citations)]
        case Think(text) if room:
            return [Think(text.encode()[:room].decode(errors="ignore"))]
        case Call() if room:
            return [replace(piece, id=piece.id or new_id("toolu"), json=arguments(piece)[: max(1, room - 8)])]
        case _:
            return []


def arguments(call: Call) -> str:
    """A call's arguments as the JSON text that is streamed."""
    return json.dumps(call.input, ensure_ascii=False) if call.json is None else call.json
