"""A script and a request → the events of the stream, or the one message, exactly as the Messages API writes them.

https://platform.claude.com/docs/en/build-with-claude/streaming. Nothing here waits or sends: delays are yielded as numbers.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from claude_jupyter.costs.usage import Usage
from claude_jupyter.demo.script import Call, Cut, Event, Piece, Say, Script, Search, Think, Wait, Whole
from claude_jupyter.demo.signing import end_of
from claude_jupyter.demo.tokens import rate, text_tokens
from claude_jupyter.models import Model, facts

FIRST: Final = "first"
CHUNK: Final = "chunk"
Delay: TypeAlias = "float | str"
"""Seconds, or `first` / `chunk`: the server's own pace."""

_TOKENISH = re.compile(r"\s*\w{1,7}|\s*[^\w\s]{1,3}|\s+")


class Broken(Exception):
    """The script cuts the line here."""

    def __init__(self, clean: bool) -> None:
        super().__init__(clean)
        self.clean = clean


@dataclass(frozen=True, slots=True)
class Reply:
    """A script as it goes out for one request: cut at stop sequences and `max_tokens`, and counted."""

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
    found: int

    def usage(self, prompt: Usage) -> Usage:
        """What the whole reply counts, given what its prompt did: search results join the prompt on the way."""
        grown = {"cache_write_5m": prompt.cache_write_5m + self.found} if prompt.cache_write_5m else {}
        return replace(
            prompt,
            **(grown or {"input": prompt.input + self.found}),
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
        if output + count > limit:
            pieces += _shortened(shaped, limit - output, model)
            thinking += limit - output if isinstance(shaped, Think) else 0
            output, reason, sequence = limit, reason or "max_tokens", None
            break
        output += count
        thinking += count if isinstance(shaped, Think) else 0
        pieces.append(
            replace(shaped, id=shaped.id or new_id("toolu")) if isinstance(shaped, Call) else shaped
        )
        if sequence is not None:
            reason = reason or "stop_sequence"
            break
    natural = (
        "tool_use" if any(isinstance(p, Call) for p in pieces) else "end_turn" if limit else "max_tokens"
    )
    searches = [p for p in pieces if isinstance(p, Search)]
    return Reply(
        id=new_id("msg"),
        body=body,
        model=model,
        pieces=tuple(pieces),
        stop_reason=reason or natural,
        stop_sequence=sequence,
        stop_details=script.stop_details,
        output=max(1, output) if limit else 0,
        thinking=thinking,
        searches=sum(s.error is None for s in searches),
        found=sum(text_tokens(text, model) for s in searches for *_, text in s.results),
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


def _shortened(piece: Piece, left: int, model: Model) -> list[Piece]:
    """As much of a piece as the tokens left allow."""
    room = int(left * rate(model))
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


def shows_thinking(body: Mapping[str, Any], model: Model) -> bool:
    """Whether the words of thinking are returned: `display`, whose default is `omitted` from Claude 4.7 on."""
    display = (body.get("thinking") or {}).get("display")
    return display == "summarized" if display else model.image_edge <= 1568


def usage_fields(usage: Usage, overrides: Mapping[str, int]) -> dict[str, Any]:
    """The fields that both ends of a stream carry."""
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output,
    } | dict(overrides)


def _start_usage(answer: Reply, prompt: Usage) -> dict[str, Any]:
    return usage_fields(replace(prompt, output=1 if answer.output else 0), {}) | {
        "cache_creation": {
            "ephemeral_5m_input_tokens": prompt.cache_write_5m,
            "ephemeral_1h_input_tokens": prompt.cache_write_1h,
        },
        "service_tier": "standard",
        "inference_geo": answer.body.get("inference_geo") or "global",
        **({"speed": answer.body["speed"]} if answer.body.get("speed") else {}),
    }


def _end_usage(answer: Reply, prompt: Usage, overrides: Mapping[str, int]) -> dict[str, Any]:
    fields = usage_fields(answer.usage(prompt), overrides)
    if answer.thinking:
        fields["output_tokens_details"] = {"thinking_tokens": answer.thinking}
    if answer.searches:
        fields["server_tool_use"] = {"web_search_requests": answer.searches, "web_fetch_requests": 0}
    return fields


def _shell(answer: Reply, usage: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "model": answer.body["model"],
        "id": answer.id,
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "usage": usage,
    }


def message(answer: Reply, prompt: Usage, overrides: Mapping[str, int]) -> dict[str, Any]:
    """The reply as one message, made from its own events."""
    made: dict[str, Any] = {}
    blocks: list[dict[str, Any]] = []
    parts: dict[int, str] = {}
    for event, _ in events(answer, prompt, overrides, None):
        match event:
            case {"type": "message_start", "message": started}:
                made = dict(started)
            case {"type": "content_block_start", "content_block": block}:
                blocks.append(dict(block))
            case {"type": "content_block_delta", "index": index, "delta": delta}:
                _apply(blocks[index], delta, parts, index)
            case {"type": "message_delta", "delta": delta, "usage": usage}:
                made |= delta
                made["usage"] = made["usage"] | usage
            case _:
                pass
    for index, text in parts.items():
        try:
            blocks[index]["input"] = json.loads(text or "{}")
        except ValueError:
            blocks[index]["input"] = {}
    return made | {"content": blocks}


def _apply(block: dict[str, Any], delta: Mapping[str, Any], parts: dict[int, str], index: int) -> None:
    match delta:
        case {"type": "text_delta", "text": text}:
            block["text"] += text
        case {"type": "thinking_delta", "thinking": text}:
            block["thinking"] += text
        case {"type": "signature_delta", "signature": signature}:
            block["signature"] = signature
        case {"type": "citations_delta", "citation": citation}:
            block["citations"] = [*(block.get("citations") or ()), citation]
        case {"type": "input_json_delta", "partial_json": text}:
            parts[index] = parts.get(index, "") + text
        case _:
            pass


def events(
    answer: Reply, prompt: Usage, overrides: Mapping[str, int], fail: tuple[str, str] | None
) -> Iterator[tuple[Mapping[str, Any], Delay]]:
    """(event, delay before it), from `message_start` to `message_stop` or to the `error` event that comes instead."""
    yield {"type": "message_start", "message": _shell(answer, _start_usage(answer, prompt))}, 0.0
    chain = end_of(answer.body)
    shows = shows_thinking(answer.body, answer.model)
    index = 0
    delay: Delay = FIRST
    for piece in answer.pieces:
        if isinstance(piece, Wait):
            delay = piece.seconds
            continue
        if isinstance(piece, Cut):
            raise Broken(piece.clean)
        if isinstance(piece, Event):
            yield {"type": piece.name, **piece.data}, delay
            delay = 0.0
            continue
        for start, deltas in _blocks(piece, shows):
            yield {"type": "content_block_start", "index": index, "content_block": start}, delay
            if index == 0:
                yield {"type": "ping"}, 0.0
            silence = 0.0
            for delta, wait in deltas:
                if delta is None:
                    silence += float(wait)
                    continue
                yield {"type": "content_block_delta", "index": index, "delta": delta}, silence or wait
                silence = 0.0
            if isinstance(piece, Think):
                signature = chain.sign(piece.text if shows else "")
                delta = {"type": "signature_delta", "signature": signature}
                yield {"type": "content_block_delta", "index": index, "delta": delta}, silence
            yield {"type": "content_block_stop", "index": index}, 0.0
            chain.add("assistant", _finished(start, piece))
            index, delay = index + 1, 0.0
    pending = 0.0 if delay == FIRST else delay
    if fail is not None:
        yield {"type": "error", "error": {"type": fail[0], "message": fail[1]}}, pending
        return
    ending = {
        "stop_reason": answer.stop_reason,
        "stop_sequence": answer.stop_sequence,
        "stop_details": answer.stop_details,
    }
    usage = _end_usage(answer, prompt, overrides)
    yield {"type": "message_delta", "delta": ending, "usage": usage}, pending
    yield {"type": "message_stop"}, 0.0


Deltas: TypeAlias = Iterator[tuple[dict[str, Any] | None, Delay]]
"""Deltas with the delay before each; None for a silence."""


def _blocks(piece: Piece, shows: bool) -> Iterator[tuple[dict[str, Any], Deltas]]:
    """The blocks a piece becomes: each with its start and its deltas."""
    match piece:
        case Say(citations=citations):
            yield {"type": "text", "text": ""} | ({"citations": []} if citations else {}), _said(piece)
        case Think():
            yield {"type": "thinking", "thinking": "", "signature": ""}, _thought(piece, shows)
        case Call():
            start: dict[str, Any] = {"type": "tool_use", "id": piece.id, "name": piece.name, "input": {}}
            yield start, _json_deltas(arguments(piece))
        case Search():
            call = {"type": "server_tool_use", "id": new_id("srvtoolu"), "name": "web_search", "input": {}}
            yield call, _json_deltas(json.dumps({"query": piece.query}))
            yield _search_result(piece, str(call["id"])), iter(())
        case Whole(block):
            yield dict(block), iter(())
        case _:
            return


def _said(piece: Say) -> Deltas:
    for citation in piece.citations:
        yield {"type": "citations_delta", "citation": citation}, 0.0
    for chunk in token_chunks(piece.text) if piece.chunks is None else piece.chunks:
        if isinstance(chunk, Wait):
            yield None, chunk.seconds
        elif isinstance(chunk, Cut):
            raise Broken(chunk.clean)
        else:
            yield {"type": "text_delta", "text": chunk}, CHUNK


def _thought(piece: Think, shows: bool) -> Deltas:
    words = token_chunks(piece.text) if shows else []
    pace = CHUNK if piece.seconds is None else piece.seconds / max(1, len(words))
    for word in words:
        yield {"type": "thinking_delta", "thinking": word}, pace
    if not words and piece.seconds:
        yield None, piece.seconds


def _json_deltas(text: str) -> Deltas:
    yield {"type": "input_json_delta", "partial_json": ""}, 0.0
    for k in range(0, len(text), 12):
        yield {"type": "input_json_delta", "partial_json": text[k : k + 12]}, CHUNK


def _search_result(search: Search, call: str) -> dict[str, Any]:
    content: Any = [
        {
            "type": "web_search_result",
            "title": title,
            "url": url,
            "encrypted_content": "demo",
            "page_age": None,
        }
        for title, url, _ in search.results
    ]
    if search.error:
        content = {"type": "web_search_tool_result_error", "error_code": search.error}
    return {"type": "web_search_tool_result", "tool_use_id": call, "content": content}


def _finished(start: Mapping[str, Any], piece: Piece) -> dict[str, Any]:
    """A block as the client will send it back."""
    match start["type"], piece:
        case "text", Say():
            cited = {"citations": list(piece.citations)} if piece.citations else {}
            return {"type": "text", "text": piece.text} | cited
        case "tool_use", Call():
            try:
                return dict(start) | {"input": json.loads(arguments(piece) or "{}")}
            except ValueError:
                return dict(start)
        case "server_tool_use", Search():
            return dict(start) | {"input": {"query": piece.query}}
        case _:
            return dict(start)
