"""The SDK reads everything the demo server says, as it reads the service: each kind of reply, each fault, the other endpoints."""

from __future__ import annotations

import json
import os
import re
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import pytest

from claude_jupyter.demo.script import Call, Cut, Event, Replies, Say, Script, Search, Think, Wait, Whole
from claude_jupyter.demo.server import DemoServer, shared, start

MODEL = "claude-sonnet-5-5"
SHOWN = {"type": "adaptive", "display": "summarized"}
MARK = {"type": "ephemeral"}
HI = [{"role": "user", "content": "hi"}]


@pytest.fixture
def serve() -> Iterator[Any]:
    """Start a server and a client on it: `serve(replies)` → (client, server)."""
    made: list[Any] = []

    def one(replies: Replies | None = None, **options: Any) -> tuple[anthropic.Anthropic, DemoServer]:
        server = start(replies, **options)
        client = anthropic.Anthropic(api_key="sk-test-of-the-stream", base_url=server.url, max_retries=0)
        made.extend((client, server))
        return client, server

    yield one
    for thing in made:
        thing.close()


def ask(client: anthropic.Anthropic, messages: Any = HI, **options: Any) -> Any:
    with client.messages.stream(
        **{"model": MODEL, "max_tokens": 4000, "messages": messages, **options}
    ) as stream:
        return stream.get_final_message()


def plain(message: Any) -> Any:
    """A message without what differs between two askings: ids, signatures, what the SDK adds, the placeholder usage."""
    data = message.model_dump(exclude={"id"})
    for block in data["content"]:
        block.pop("parsed_output", None)
        block.pop("signature", None)
    return json.loads(re.sub(r"(toolu|srvtoolu)_\w+", "ID", json.dumps(data)))


KINDS = {
    "text": Script(text="Hello, *you*."),
    "thinking": Script(thinking="Let me see.", text="Done."),
    "calls in parallel": Script(text="Two at once:", calls=[Call("f", {"x": [1, {"y": "ä"}]}), Call("g")]),
    "a search with citations": Script(
        pieces=[
            Search("weather", (("A page", "https://example.invalid", "It rains."),)),
            Say("It rains."),
            Say("So it says.", ({
                "type": "web_search_result_location", "cited_text": "It rains.", "url": "https://example.invalid",
                "title": "A page", "encrypted_index": "x",
            },)),
        ]
    ),
    "a failed search": Script(pieces=[Search("x", error="max_uses_exceeded"), Say("No luck.")]),
    "redacted thinking": Script(pieces=[Whole({"type": "redacted_thinking", "data": "xyz"}), Say("So.")]),
    "refusal": Script(stop_reason="refusal", stop_details={"type": "refusal", "category": None, "explanation": "No."}),
    "nothing": Script(),
    "an unknown event": Script(pieces=[Event("weather_report", {"sky": "blue"}), Say("After it.")]),
    "thinking and a call between": Script(pieces=[Think("a"), Call("f", {}), Think("b"), Say("c")]),
}  # fmt: skip


@pytest.mark.parametrize("script", KINDS.values(), ids=KINDS.keys())
def test_streamed_and_whole_say_the_same(serve: Any, script: Script) -> None:
    client, server = serve(script)
    tools = [{"name": n, "input_schema": {"type": "object"}} for n in "fg"]
    options = {"thinking": SHOWN, "tools": tools}
    streamed = ask(client, **options)
    whole = client.messages.create(model=MODEL, max_tokens=4000, messages=HI, **options)
    assert plain(streamed) == plain(whole)
    texts = [p.text for p in script.in_order() if isinstance(p, Say)]
    assert [b.text for b in streamed.content if b.type == "text"] == texts
    assert server.usage.output == 2 * streamed.usage.output_tokens


@pytest.mark.parametrize(
    "prompt",
    [
        "demo:fail", "demo:cut", "demo:cut 900", "demo:end", "demo:end 900", "demo:html", "demo:empty", "demo:refuse", "demo:think only",
        "demo:long 300", "demo:silence 0.01", "demo:think 0.01", "demo:slow 0.0001", "demo:error 529", "demo:cut 0",
        "demo:hang 0.01", "what is the formula of the mean?",
    ],
)  # fmt: skip
def test_each_order_of_a_prompt_does_what_its_table_says(serve: Any, prompt: str) -> None:
    client, _ = serve()
    expected: dict[str, Any] = {
        "demo:fail": anthropic.APIStatusError,
        "demo:cut": httpx2.RemoteProtocolError,
        "demo:cut 900": httpx2.RemoteProtocolError,
        "demo:html": AssertionError,
        "demo:error 529": anthropic.InternalServerError,
        "demo:cut 0": anthropic.APIConnectionError,
    }
    asked = [{"role": "user", "content": f"Please. {prompt}"}]
    if prompt in expected:
        with pytest.raises(expected[prompt]):
            ask(client, asked)
        return
    message = ask(client, asked, thinking=SHOWN)
    reasons = {
        "demo:end": None,
        "demo:end 900": None,
        "demo:refuse": "refusal",
        "demo:think only": "max_tokens",
    }
    assert message.stop_reason == reasons.get(prompt, "end_turn")


@pytest.mark.parametrize(
    ("text", "left"), [(["Hel", "lo", Cut()], "Hello"), (["Hel", Cut(clean=True), "lo"], "Hel")]
)
def test_a_line_can_be_cut_between_any_two_deltas(serve: Any, text: list[Any], left: str) -> None:
    client, server = serve(Script(text=text))
    said: list[str] = []
    try:
        with client.messages.stream(model=MODEL, max_tokens=50, messages=HI) as stream:
            said.extend(stream.text_stream)
    except httpx2.RemoteProtocolError:
        said.append("!")
    assert "".join(said) == (left if text[-1] == "lo" else f"{left}!")
    assert (server.requests[0].finished, server.requests[0].gone) == (False, False)


def test_a_rate_limit_that_passes(serve: Any) -> None:
    client, _ = serve()
    asked = [{"role": "user", "content": "demo:error 429 retry-after=7 times=1"}]
    with pytest.raises(anthropic.RateLimitError) as caught:
        ask(client, asked)
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.request_id.startswith("req_")
    assert ask(client, asked).stop_reason == "end_turn"


def test_an_answer_ends_at_max_tokens_and_at_a_stop_sequence(serve: Any) -> None:
    client, server = serve(Script(text="one two three four five six seven"))
    cut = ask(client, max_tokens=3)
    assert (cut.stop_reason, cut.content[0].text, cut.usage.output_tokens) == ("max_tokens", "one two th", 3)
    stopped = ask(client, stop_sequences=["four", "three"])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", "three")
    assert stopped.content[0].text == "one two "
    warm = ask(client, max_tokens=0)
    assert (warm.content, warm.stop_reason, warm.usage.output_tokens) == ([], "max_tokens", 0)
    assert len(server.requests) == 3


def test_thinking_is_shown_only_where_it_was_asked_for_and_signed_always(serve: Any) -> None:
    client, _ = serve(Script(thinking="Let me see.", text="Done."))
    for display, words in (("omitted", ""), (None, ""), ("summarized", "Let me see.")):
        thinking = {"type": "adaptive", "display": display}
        first = ask(client, thinking=thinking)
        block = first.content[0]
        assert (block.type, block.thinking, bool(block.signature)) == ("thinking", words, True)
        again = [*HI, {"role": "assistant", "content": first.content}, *HI]
        assert ask(client, again, thinking=thinking).stop_reason == "end_turn"


def talk(client: anthropic.Anthropic, turns: int, **options: Any) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for k in range(turns):
        messages.append({"role": "user", "content": f"question {k}"})
        messages.append(
            {"role": "assistant", "content": ask(client, messages, **options).model_dump()["content"]}
        )
        for block in messages[-1]["content"]:
            block.pop("parsed_output", None)
    return [*messages, {"role": "user", "content": "and now?"}]


def test_thinking_is_bound_to_what_came_before_it(serve: Any) -> None:
    client, _ = serve(Script(thinking="Hm.", text="So."))
    options: dict[str, Any] = {"thinking": SHOWN, "system": "Be short."}
    said = talk(client, 3, **options)

    def without(*turns: int) -> list[dict[str, Any]]:
        return [
            {**m, "content": [b for b in m["content"] if b["type"] != "thinking"]} if k in turns else m
            for k, m in enumerate(said)
        ]

    allowed: list[tuple[list[dict[str, Any]], dict[str, Any]]] = [
        (said, {}),
        (said, {"output_config": {"effort": "low"}, "cache_control": MARK, "max_tokens": 50}),
        (
            [
                {**said[0], "content": [{"type": "text", "text": "question 0", "cache_control": MARK}]},
                *said[1:],
            ],
            {},
        ),
        (without(1), {}),
        (without(1, 3), {}),
        (without(5), {}),
        (without(1, 3, 5), {}),
        (said, {"model": "claude-opus-5-5", "system": "Another."}),
    ]
    for messages, more in allowed:
        assert ask(client, messages, **{**options, **more}).content
    refused: list[tuple[list[dict[str, Any]], dict[str, Any], str]] = [
        (said, {"system": "Be long."}, "messages.1.content.0"),
        (said, {"tools": [{"name": "f", "input_schema": {"type": "object"}}]}, "messages.1.content.0"),
        ([{**said[0], "content": "question X"}, *said[1:]], {}, "messages.1.content.0"),
        ([*said[:2], {**said[2], "content": "question X"}, *said[3:]], {}, "messages.3.content.0"),
        (without(3), {}, "messages.5.content.0"),
        (said[2:], {}, "messages.1.content.0"),
    ]
    for messages, more, path in refused:
        with pytest.raises(anthropic.BadRequestError) as caught:
            ask(client, messages, **{**options, **more})
        start_of = (
            f"{path}: Invalid signature in thinking block. The block is bound to a different conversation"
        )
        assert caught.value.body["error"]["message"].startswith(start_of)  # type: ignore[index,call-overload]


def test_changed_thinking_is_refused_on_every_model(serve: Any) -> None:
    client, _ = serve(Script(thinking="Hm.", text="So."))
    options = {"model": "claude-haiku-4-5", "thinking": {"type": "enabled", "budget_tokens": 1024}}
    said = talk(client, 1, **options)
    said[1]["content"][0]["thinking"] = "Something else."
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature`"):
        ask(client, said, **options)


def test_the_breakdown_of_cache_writes_stands_in_message_start_only(serve: Any) -> None:
    client, server = serve(Script(pieces=[Search("q", (("t", "u", "word " * 700),)), Say("ok")]))
    asked = [{"role": "user", "content": "x" * 3500}]
    tools: Any = [{"type": "web_search_20260318", "name": "web_search"}]
    start_usage: Any = None
    end_usage: Any = None
    for event in client.messages.create(
        model=MODEL, max_tokens=100, messages=asked, tools=tools, cache_control=MARK, stream=True
    ):
        if event.type == "message_start":
            start_usage = event.message.usage
        elif event.type == "message_delta":
            end_usage = event.usage
    assert start_usage.cache_creation.ephemeral_5m_input_tokens == start_usage.cache_creation_input_tokens > 0
    assert not hasattr(end_usage, "cache_creation")
    assert end_usage.cache_creation_input_tokens == start_usage.cache_creation_input_tokens + 1000
    assert end_usage.server_tool_use.web_search_requests == 1
    assert server.usage.cache_write_5m == end_usage.cache_creation_input_tokens


def test_the_demos_answers_are_honest_and_know_the_history(serve: Any) -> None:
    client, _ = serve()
    first = ask(client, [{"role": "user", "content": "Who was Ada?"}])
    assert "offline demo model" in first.content[-1].text
    assert "not Claude" in first.content[-1].text
    second = ask(client, [
        {"role": "user", "content": "Who was Ada?"},
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": "And Grace?"},
    ])  # fmt: skip
    assert "Earlier in this chat you asked “Who was Ada?”" in second.content[-1].text


def test_the_demo_calls_the_tools_a_question_is_about_and_reads_the_results_back(serve: Any) -> None:
    client, _ = serve()
    tool = {
        "name": "forecast",
        "description": "The weather of a city",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
    asked = [{"role": "user", "content": "What is the forecast for Paris and Rome?"}]
    first = ask(client, asked, tools=[tool])
    calls = [b for b in first.content if b.type == "tool_use"]
    assert [c.input for c in calls] == [{"city": "Paris"}, {"city": "Rome"}]
    results = [
        {"type": "tool_result", "tool_use_id": c.id, "content": f"sun in {c.input['city']}"} for c in calls
    ]
    rounds = [*asked, {"role": "assistant", "content": first.content}, {"role": "user", "content": results}]
    text = ask(client, rounds, tools=[tool]).content[-1].text
    assert "sun in Paris" in text
    assert "sun in Rome" in text


def test_structured_answers_fit_their_schema(serve: Any) -> None:
    client, _ = serve()
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["mood", "score", "tags", "inner", "when"],
        "properties": {
            "mood": {"enum": ["good", "bad"]},
            "score": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "inner": {"$ref": "#/$defs/Inner"},
            "when": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        },
        "$defs": {
            "Inner": {
                "type": "object",
                "additionalProperties": False,
                "properties": {"x": {"type": "number"}},
            }
        },
    }
    asked = [{"role": "user", "content": "Is 7 a good number?"}]
    made = json.loads(
        ask(client, asked, output_config={"format": {"type": "json_schema", "schema": schema}})
        .content[-1]
        .text
    )
    assert made["mood"] == "good"
    assert made["score"] == 7
    assert isinstance(made["inner"]["x"], float)
    assert made["when"] == "2026-01-31"


def test_counting_costs_nothing_and_agrees_with_the_bill(serve: Any) -> None:
    client, server = serve()
    count = client.messages.count_tokens(model=MODEL, messages=HI, system="Be short.")
    assert not server.usage.total
    assert count.input_tokens == ask(client, system="Be short.").usage.input_tokens


def test_models_are_listed_with_what_they_take(serve: Any) -> None:
    client, _ = serve()
    listed = {m.id: m for m in client.models.list(limit=5)}
    assert len(listed) > 5
    sonnet = client.models.retrieve(MODEL)
    assert sonnet == listed[MODEL]
    assert sonnet.capabilities is not None
    assert sonnet.capabilities.thinking.types.between_tools.supported
    assert not sonnet.capabilities.thinking.types.disabled.supported
    assert listed["claude-sonnet-4-5"].lifecycle == "deprecated"
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("claude-nine")


def test_a_batch_runs_and_gives_each_request_its_result(serve: Any) -> None:
    client, server = serve(lambda body: f"re: {body['messages'][0]['content']}")
    params = [{"model": MODEL, "max_tokens": 50, "messages": [{"role": "user", "content": c}]} for c in "ab"]
    bad = {**params[0], "messages": [{"role": "user", "content": ""}]}
    batch = client.messages.batches.create(
        requests=[{"custom_id": f"r{k}", "params": p} for k, p in enumerate([*params, bad])]  # type: ignore[typeddict-item]
    )
    assert batch.processing_status == "in_progress"
    done = client.messages.batches.retrieve(batch.id)
    assert (done.request_counts.succeeded, done.request_counts.errored) == (2, 1)
    results = {line.custom_id: line.result for line in client.messages.batches.results(batch.id)}
    assert results["r1"].message.content[0].text == "re: b"  # type: ignore[union-attr]
    assert results["r2"].type == "errored"
    assert server.usage.output > 0
    assert [b.id for b in client.messages.batches.list()] == [batch.id]
    second = client.messages.batches.create(requests=[{"custom_id": "x", "params": params[0]}])  # type: ignore[typeddict-item]
    assert client.messages.batches.cancel(second.id).request_counts.canceled == 1
    client.messages.batches.delete(second.id)
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve(second.id)


def test_a_client_that_leaves_in_silence_is_noticed(serve: Any) -> None:
    client, server = serve(Script(text=["a", Wait(60), "b"]))
    with client.messages.stream(model=MODEL, max_tokens=50, messages=HI) as stream:
        next(iter(stream.text_stream))
    (received,) = server.requests
    gone = threading.Event()
    for _ in range(100):
        if received.gone:
            break
        gone.wait(0.05)
    assert received.gone
    assert not received.finished


def test_what_came_is_noted_without_the_key(serve: Any) -> None:
    client, server = serve("ok")
    ask(client, extra_headers={"x-test": "yes"})
    (received,) = server.requests
    assert (received.path, received.status, received.finished) == ("/v1/messages", 200, True)
    assert received.headers["x-test"] == "yes"
    assert "sk-test-of-the-stream" not in repr(received)
    assert received.body["messages"] == HI


def test_a_broken_stream_is_billed_for_what_was_generated(serve: Any) -> None:
    client, server = serve(Script(text="word " * 700, fail=("overloaded_error", "Overloaded")))
    with pytest.raises(anthropic.APIStatusError):
        ask(client)
    assert server.usage.output == 1000
    client, server = serve(Script(text="word " * 7000, cut=20_000))
    with pytest.raises(httpx2.RemoteProtocolError):
        ask(client)
    assert 0 < server.usage.output < 4000


def test_replies_are_used_up_in_order(serve: Any) -> None:
    client, _ = serve(["one", Script(status=529), "three"])
    assert ask(client).content[0].text == "one"
    with pytest.raises(anthropic.InternalServerError):
        ask(client)
    assert [ask(client).content[0].text for _ in range(2)] == ["three", "three"]


def test_only_strict_servers_refuse(serve: Any) -> None:
    client, _ = serve("ok", strict=False)
    assert ask(client, [{"role": "assistant", "content": "hi"}]).content[0].text == "ok"


def test_too_large_a_request_is_refused_with_413(serve: Any) -> None:
    client, _ = serve("ok")
    with pytest.raises(anthropic.ContentTooLargeError):
        ask(client, [{"role": "user", "content": "x" * (32 * 1024 * 1024)}])


def test_there_is_one_server_for_a_process_and_another_after_a_fork() -> None:
    first = shared()
    assert shared() is first
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # Python 3.12 warns of forks beside threads: that is the case here
        child = os.fork()
    if not child:
        os.write(write, shared().url.encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 100).decode() not in ("", first.url)
    os.close(read)
    os.close(write)
    first.close()
    assert shared() is not first
    shared().close()
