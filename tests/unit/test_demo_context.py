"""The demo server condenses, clears and limits as the service describes it: betas, triggers, usage by rounds, headers."""

from __future__ import annotations

import time

import anthropic
import pytest
from support.long_talk import Clock

from claude_jupyter.demo.oracle.rate_limits import Limits
from claude_jupyter.demo.server import start

COMPACT, EDITING = "compact-2026-01-12", "context-management-2025-06-27"
LONG = [{"role": "user", "content": "word " * 40_000}]
TOOL = {"name": "look", "input_schema": {"type": "object"}}


def edit(least=50_000, **more):
    return {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": least}, **more}


@pytest.fixture
def server():
    with start("Fine.") as running:
        yield running


@pytest.fixture
def client(server):
    with anthropic.Anthropic(api_key="k", base_url=server.url, max_retries=0) as made:
        yield made


def ask(client, messages=LONG, edits=(), betas=(COMPACT, EDITING), model="claude-opus-5-5", **more):
    managed = {"context_management": {"edits": list(edits)}} if edits else {}
    return client.beta.messages.create(
        model=model, max_tokens=500, messages=messages, betas=list(betas), **managed, **more
    )


def test_from_the_trigger_on_an_answer_begins_with_a_summary_and_usage_tells_both_rounds(client, server):
    below = ask(client, edits=[edit(100_000)])
    assert [b.type for b in below.content] == ["text"] and below.usage.input_tokens > 50_000
    above = ask(client, edits=[edit()])
    summary, text = above.content
    assert summary.type == "compaction" and "offline demo" in summary.content and text.text == "Fine."
    first, second = above.usage.iterations
    assert (first.type, second.type) == ("compaction", "message") and first.input_tokens > 50_000
    assert above.usage.input_tokens == second.input_tokens < 200
    counted = server.requests[-1].usage
    assert counted.prompt == first.input_tokens + second.input_tokens
    assert counted.output == first.output_tokens + second.output_tokens
    again = [*LONG, {"role": "assistant", "content": above.content}, {"role": "user", "content": "And?"}]
    assert ask(client, again).usage.input_tokens < 500
    assert ask(client, again[1:]).usage.input_tokens < 500  # what stands before the summary may be left out
    count = client.beta.messages.count_tokens(model="claude-opus-5-5", messages=again, betas=[COMPACT])
    assert count.input_tokens < 500


def test_it_streams_as_the_service_streams_it_and_may_pause_there(client):
    with client.beta.messages.stream(
        model="claude-opus-5-5", max_tokens=500, messages=LONG, betas=[COMPACT],
        context_management={"edits": [edit(pause_after_compaction=True, instructions="Keep the names.")]},
    ) as stream:  # fmt: skip
        events = [e.type for e in stream]
        message = stream.get_final_message()
    assert "compaction" in events and message.stop_reason == "compaction"
    assert [b.type for b in message.content] == ["compaction"] and "Keep the names" in message.content[
        0
    ].content
    assert [i.type for i in message.usage.iterations] == ["compaction"]


def test_old_tool_results_and_thinking_are_cleared(client):
    messages = []
    for n in range(5):
        messages += [
            {"role": "user", "content": f"Question {n}"} if not n else {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": f"toolu_{n - 1}", "content": "found " * 20_000}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": f"toolu_{n}", "name": "look", "input": {}}]},
        ]  # fmt: skip
    messages.append(
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_4", "content": "x"}]}
    )
    plain = ask(client, messages, tools=[TOOL])
    clear = {"type": "clear_tool_uses_20250919", "keep": {"type": "tool_uses", "value": 2}}
    cleared = ask(client, messages, edits=[clear], tools=[TOOL])
    (told,) = cleared.context_management.applied_edits
    assert told.cleared_tool_uses == 3 and told.cleared_input_tokens > 90_000
    assert cleared.usage.input_tokens == plain.usage.input_tokens - told.cleared_input_tokens
    large = {**clear, "clear_at_least": {"type": "input_tokens", "value": 10**6}}
    assert ask(client, messages, edits=[large], tools=[TOOL]).context_management.applied_edits == []


@pytest.mark.parametrize(
    ("edits", "betas", "model", "says"),
    [
        ([edit(49_999)], (COMPACT,), "claude-opus-5-5", "50000"),
        ([edit()], (EDITING,), "claude-opus-5-5", "needs the beta compact"),
        ([edit()], (COMPACT,), "claude-haiku-5-5", "not supported"),
        ([edit(often=True)], (COMPACT,), "claude-opus-5-5", "Extra inputs"),
        ([{"type": "clear_everything"}], (EDITING,), "claude-opus-5-5", "does not match"),
        ([{"type": "clear_tool_uses_20250919"}], (COMPACT,), "claude-opus-5-5", "needs the beta"),
        ([edit(), {"type": "clear_thinking_20251015"}], (COMPACT, EDITING), "claude-opus-5-5", "must be the first"),
        ([edit()], (), "claude-opus-5-5", "Extra inputs"),
    ],
)  # fmt: skip
def test_what_the_service_refuses_of_it_is_refused(client, edits, betas, model, says):
    with pytest.raises(anthropic.BadRequestError, match=says):
        ask(client, edits=edits, betas=betas, model=model)


def test_compaction_blocks_need_their_beta_a_model_that_knows_them_and_an_assistant(client):
    def said(role="assistant", content="They talked."):
        block = {"type": "compaction", "content": content}
        return [
            {"role": "user", "content": "Hi"},
            {"role": role, "content": [block]},
            {"role": "user", "content": "?"},
        ]

    assert ask(client, said()).content and ask(client, said(content=None)).content
    for messages, betas, model in [
        (said(), (EDITING,), "claude-opus-5-5"), (said(), (COMPACT,), "claude-haiku-5-5"),
        (said("user"), (COMPACT,), "claude-opus-5-5"), (said(content=""), (COMPACT,), "claude-opus-5-5"),
    ]:  # fmt: skip
        with pytest.raises(anthropic.BadRequestError):
            ask(client, messages, betas=betas, model=model)


def test_rate_limits_are_told_and_kept():
    clock = Clock()
    with start("Fine.", limits=Limits(requests=3, input_tokens=10_000), clock=clock) as server:
        client = anthropic.Anthropic(api_key="k", base_url=server.url, max_retries=0)
        question = {
            "model": "claude-opus-5-5",
            "max_tokens": 100,
            "messages": [{"role": "user", "content": "Hi"}],
        }
        answer = client.messages.with_raw_response.create(**question)
        told = {
            k.removeprefix("anthropic-ratelimit-"): v for k, v in answer.headers.items() if "ratelimit" in k
        }
        assert (told["requests-limit"], told["requests-remaining"]) == ("3", "2")
        assert told["tokens-limit"] == "10000" and int(told["input-tokens-remaining"]) < 10_000
        assert time.strptime(told["requests-reset"], "%Y-%m-%dT%H:%M:%SZ")
        for _ in range(2):
            client.messages.create(**question)
        with pytest.raises(anthropic.RateLimitError) as refused:
            client.messages.create(**question)
        assert refused.value.response.headers["retry-after"] == "20"
        assert refused.value.response.headers["anthropic-ratelimit-requests-remaining"] == "0"
        other = anthropic.Anthropic(api_key="another-key-of-nobody", base_url=server.url, max_retries=0)
        assert other.messages.create(**question).content
        clock.now += 20
        assert client.messages.create(**question).content
        client.close()
        other.close()
