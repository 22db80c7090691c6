"""A script and a request → the events of the stream, or the one message, exactly as the Messages API writes them.

https://platform.claude.com/docs/en/build-with-claude/streaming. Nothing here waits or sends: delays are yielded as numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

from claude_jupyter.costs.usage import Usage
from claude_jupyter.demo.oracle.reply_shape import Reply, arguments, new_id, token_chunks
from claude_jupyter.demo.oracle.signing import end_of
from claude_jupyter.demo.script import Call, Compact, Cut, Event, Piece, Say, Search, Think, Wait, Whole
from claude_jupyter.models import Model

FIRST: Final = "first"
CHUNK: Final = "chunk"
Delay: TypeAlias = "float | str"
"""Seconds, or `first` / `chunk`: the server's own pace."""


class Broken(Exception):
    """The script cuts the line here."""

    def __init__(self, clean: bool) -> None:
        super().__init__(clean)
        self.clean = clean


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
    prompt = answer.condensing or prompt
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
    if answer.condensing is not None:
        rounds = [{"type": "compaction", **usage_fields(answer.condensing, {})}]
        own = [{"type": "message", **usage_fields(answer.usage(prompt), overrides)}]
        fields["iterations"] = [*rounds, *([] if answer.stop_reason == "compaction" else own)]
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
    assembled: dict[str, Any] = {}
    blocks: list[dict[str, Any]] = []
    parts: dict[int, str] = {}
    for event, _ in events(answer, prompt, overrides, None):
        match event:
            case {"type": "message_start", "message": started}:
                assembled = dict(started)
            case {"type": "content_block_start", "content_block": block}:
                blocks.append(dict(block))
            case {"type": "content_block_delta", "index": index, "delta": delta}:
                _apply(blocks[index], delta, parts, index)
            case {"type": "message_delta", "delta": delta, "usage": usage}:
                assembled |= delta
                assembled |= {k: v for k, v in event.items() if k == "context_management"}
                assembled["usage"] = assembled["usage"] | usage
            case _:
                pass
    for index, text in parts.items():
        try:
            blocks[index]["input"] = json.loads(text or "{}")
        except ValueError:
            blocks[index]["input"] = {}
    return assembled | {"content": blocks}


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
        case {"type": "compaction_delta", "content": text}:
            block["content"] = text
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
    managed = {} if answer.edits is None else {"context_management": {"applied_edits": list(answer.edits)}}
    yield {"type": "message_delta", "delta": ending, "usage": usage, **managed}, pending
    yield {"type": "message_stop"}, 0.0


Deltas: TypeAlias = Iterator[tuple[dict[str, Any] | None, Delay]]
"""Deltas with the delay before each; None for a silence."""


def _blocks(piece: Piece, shows: bool) -> Iterator[tuple[dict[str, Any], Deltas]]:
    """The blocks a piece becomes: each with its start and its deltas."""
    match piece:
        case Say(citations=citations):
            yield {"type": "text", "text": ""} | ({"citations": []} if citations else {}), _text_deltas(piece)
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
        case Compact(summary):
            delta: dict[str, Any] = {"type": "compaction_delta", "content": summary}
            yield {"type": "compaction", "content": None}, iter([(delta, CHUNK)])
        case _:
            return


def _text_deltas(piece: Say) -> Deltas:
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
        case "compaction", Compact(summary):
            return dict(start) | {"content": summary}
        case "server_tool_use", Search():
            return dict(start) | {"input": {"query": piece.query}}
        case _:
            return dict(start)
