"""However a stream is cut into pieces and whatever events come in it: what was gathered is what was sent, and nothing makes it fail.

The bytes are decoded by the SDK; what is ours begins at its events (`client/stream.py`) and ends at the page (`display/widget.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic._models import construct_type
from hypothesis import given
from hypothesis import strategies as st
from support.cases import JSON, cases, changed
from support.raw_server import End, Play, RawServer, answer, raw_server, sse

from claude_jupyter.answer.model import Add, Put
from claude_jupyter.client.events import Reply, Request
from claude_jupyter.client.service import Service
from claude_jupyter.client.stream import Accumulator, Closed, Grew, Opened, as_sent
from claude_jupyter.client.transport import Stop
from claude_jupyter.display.widget import WidgetView
from claude_jupyter.errors import ClaudeError
from claude_jupyter.settings import Settings

TEXT = st.text(max_size=8)
MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-5-5", "content": [], "stop_reason": None,
    "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 1},
}  # fmt: skip


@st.composite
def blocks(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]:
    """A content block: as it starts, its deltas, and what it adds up to."""
    kind = draw(st.sampled_from(["text", "thinking", "tool_use", "odd"]))
    if kind == "odd":
        block = {"type": "from_the_future", "note": draw(TEXT)}
        return block, [], block
    if kind == "tool_use":
        value = draw(st.dictionaries(TEXT, st.integers() | TEXT | st.lists(TEXT, max_size=2), max_size=3))
        text = json.dumps(value)
        block = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
        return (
            block,
            [{"type": "input_json_delta", "partial_json": p} for p in _cut(draw, text)],
            {**block, "input": value},
        )
    text = draw(st.text(max_size=40))
    field = {"text": "text", "thinking": "thinking"}[kind]
    block = {"type": kind, field: ""} | ({"signature": ""} if kind == "thinking" else {})
    deltas = [{"type": f"{kind}_delta", field: piece} for piece in _cut(draw, text)]
    if kind == "thinking":
        deltas.append({"type": "signature_delta", "signature": "s"})
    return block, deltas, {**block, field: text} | ({"signature": "s"} if kind == "thinking" else {})


def _cut(draw: st.DrawFn, text: str) -> list[str]:
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=5)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The events of a whole answer, pings and unknown events among them, and its content."""
    events: list[dict[str, Any]] = [{"type": "message_start", "message": MESSAGE}]
    content: list[dict[str, Any]] = []
    for index, (start, deltas, whole) in enumerate(draw(st.lists(blocks(), max_size=4))):
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
        content.append(whole)
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    events += [
        {"type": "message_delta", "delta": end, "usage": {"output_tokens": 7}},
        {"type": "message_stop"},
    ]
    for at in draw(st.lists(st.integers(1, len(events)), max_size=3)):
        events.insert(at, draw(st.sampled_from([{"type": "ping"}, {"type": "from_the_future", "x": 1}])))
    return events, content


def constructed(event: Any) -> Any:
    """The event as the SDK hands it over: typed, but not checked."""
    made = construct_type(value=event, type_=anthropic.types.RawMessageStreamEvent)
    return made


@cases(200)
@given(streams(), st.data())
def test_what_was_gathered_is_what_was_sent_however_often_one_looks(
    stream: tuple[list[dict[str, Any]], list[dict[str, Any]]], data: st.DataObject
) -> None:
    events, content = stream
    gathered, seen, closed = Accumulator(), dict[int, str](), dict[int, dict[str, Any]]()
    for event in events:
        gathered.feed(constructed(event))
        if data.draw(st.booleans()):
            gathered.content()  # looking in between changes nothing
            _follow(gathered, seen, closed)
    _follow(gathered, seen, closed)
    assert gathered.finished and gathered.result()["content"] == content
    assert [closed[n] for n in sorted(closed)] == content
    for index, block in enumerate(content):
        assert seen.get(index, "") == block.get("text", block.get("thinking", ""))
    assert all(block.get("type") != "text" or block["text"].strip() for block in as_sent(content))


def _follow(gathered: Accumulator, seen: dict[int, str], closed: dict[int, dict[str, Any]]) -> None:
    for change in gathered.drain():
        match change:
            case Opened(at, block):
                seen[at] = block.get("text") or block.get("thinking") or ""
            case Grew(at, text):
                seen[at] += text
            case Closed(at, block):
                closed[at] = block


@cases(200)
@given(streams(), st.data())
def test_events_that_no_service_would_send_do_not_make_it_fail(stream: Any, data: st.DataObject) -> None:
    drawn = data.draw(changed(stream[0], 4))
    events = (
        [e for e in drawn if isinstance(e, dict) and isinstance(e.get("type"), str)]
        if isinstance(drawn, list)
        else []
    )
    gathered = Accumulator()
    for event in events:
        try:
            gathered.feed(constructed(event))
        except (AttributeError, TypeError, KeyError, ValueError):
            return  # told as a broken stream by the wire's thread: the next test
        gathered.drain()
        json.dumps(gathered.content())


@cases(300)
@given(st.lists(st.text(max_size=9), max_size=9), st.lists(st.integers(0, 9), max_size=4))
def test_the_page_is_told_places_at_which_the_texts_fit(pieces: list[str], cuts: list[int]) -> None:
    """JavaScript counts UTF-16 units, and a message may be lost: each says where its text belongs."""
    sent: list[Any] = []

    class Page:
        def send(self, content: Any) -> None:
            sent.extend(content["ops"])

    view = WidgetView(display_id="d", publisher=None)
    view._widget, view._tex = Page(), True
    view.show([Put(0, {"type": "text", "text": "begin"})])
    for n, piece in enumerate(pieces):
        view.show([Add(0, piece), *([Add(0, "!")] if n in cuts else [])])
    text = "begin".encode("utf-16-le")
    for op in sent[1:]:
        assert op[0] == 0 and op[1] * 2 == len(text)
        text += op[2].encode("utf-16-le", "surrogatepass")
    whole = "begin" + "".join(piece + ("!" if n in cuts else "") for n, piece in enumerate(pieces))
    assert text == whole.encode("utf-16-le", "surrogatepass")


@pytest.fixture(scope="module")
def wired() -> Iterator[tuple[RawServer, Service]]:
    """One server and one client for all cases."""
    with raw_server() as server:
        service = Service(Settings(max_retries=0))
        with anthropic.Anthropic(api_key="sk-test-not-a-key", base_url=server.url, max_retries=0) as client:
            service.client = client
            yield server, service


Wired = tuple[RawServer, Service]


def asked(wired: Wired, play: Play) -> Reply:
    server, service = wired
    server.reset(play)
    params = {
        "model": "claude-sonnet-5-5",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "?"}],
    }
    *_, reply = service.send(Request(params), Stop())
    assert isinstance(reply, Reply)
    return reply


@cases(60)
@given(
    stream=streams(),
    cuts=st.lists(st.integers(0, 5000), max_size=6),
    newline=st.sampled_from([b"\n", b"\r\n"]),
)
def test_the_bytes_of_a_stream_may_be_cut_anywhere(
    stream: Any, cuts: list[int], newline: bytes, wired: Wired
) -> None:
    events, content = stream
    data = b"".join(sse(events)).replace(b"\n", newline)
    places = sorted({cut % len(data) for cut in cuts})
    pieces = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True) if b > a]
    reply = asked(wired, Play(pieces))
    assert reply.complete and reply.error is None
    assert reply.message["content"] == content


@cases(100)
@given(stream=streams(), data=st.data())
def test_a_stream_that_was_damaged_ends_in_an_answer_or_one_of_our_errors(
    stream: Any, data: st.DataObject, wired: Wired
) -> None:
    whole = b"".join(sse(stream[0]))
    odd = JSON.map(
        lambda value: b"\n\nevent: content_block_delta\ndata: " + json.dumps(value).encode() + b"\n\n"
    )
    at, gone = data.draw(st.integers(0, len(whole))), data.draw(st.integers(0, 30))
    put = data.draw(st.binary(max_size=6) | odd)
    steps: list[Any] = [whole[:at] + put + whole[at + gone :] or b"\n"]
    if data.draw(st.booleans()):
        steps.append(End.CUT)
    reply = asked(wired, Play(steps))
    assert reply.complete or isinstance(reply.error, ClaudeError), reply
    assert reply.error is None or len(str(reply.error).splitlines()) <= 2
    assert asked(wired, answer("Fine.")).message["content"] == [{"type": "text", "text": "Fine."}]
