"""Every recorded answer, asked for by a `%%claude` cell: text, blocks, tokens and outcome of what the notebook keeps."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support import recordings
from support.asking import ask, assert_durable, assert_next_works, assert_one_clear_line
from support.kernel import ANSWER, Kernel
from support.raw_server import Play, RawServer

ANSWERED = [
    n for n in recordings.NAMES if recordings.stop_reason(n) in ("end_turn", "max_tokens", "stop_sequence")
]
REFUSED = [n for n in recordings.NAMES if recordings.stop_reason(n) == "refusal"]
SHOWN = {
    "text": "text",
    "thinking": "thinking",
    "server_tool_use": "tool",
    "mcp_tool_use": "tool",
    "tool_use": "tool",
}


def tokens(usage: dict[str, Any]) -> dict[str, int]:
    """The tokens to be paid for, from the usage as the service told it: the sum of its iterations, where there are some.

    What a model read that then declined without a word, so that another took over, is not billed.
    """
    parts = usage.get("iterations") or [usage]
    if any(part["type"] == "fallback_message" for part in usage.get("iterations", ())):
        parts = [part for part in parts if part["type"] != "message" or part["output_tokens"]]
    long = sum((part.get("cache_creation") or {}).get("ephemeral_1h_input_tokens", 0) for part in parts)
    return {
        "input": sum(part.get("input_tokens", 0) for part in parts),
        "output": sum(part.get("output_tokens", 0) for part in parts),
        "cache_read": sum(part.get("cache_read_input_tokens", 0) for part in parts),
        "cache_write_5m": sum(part.get("cache_creation_input_tokens", 0) for part in parts) - long,
        "cache_write_1h": long,
    }


def words(message: dict[str, Any]) -> list[str]:
    """The answer's words, however its text blocks are joined."""
    return "\n".join(block["text"] for block in message["content"] if block["type"] == "text").split()


@pytest.mark.parametrize("name", ANSWERED)
def test_the_notebook_keeps_what_the_service_said(name: str, kernel: Kernel, server: RawServer):
    server.reset(Play(recordings.events(name)))
    wanted = recordings.by_the_sdk(server, beta=recordings.is_beta(name))
    server.reset(Play(recordings.events(name)))
    done = ask(kernel, "recorded", "--once", cell_id="a")
    assert done.ok, done.error
    assert_durable(done.answer)
    told = done.answer[ANSWER]
    assert "".join(done.answer["text/plain"].split()) == "".join(words(wanted))
    assert told["usage"] == tokens(wanted["usage"])
    assert told["stop_reason"] == wanted["stop_reason"]
    assert told["complete"] is True
    kinds = [SHOWN[b["type"]] for b in wanted["content"] if b["type"] in SHOWN]
    shown = [b["type"] for b in told["blocks"] if b["type"] in SHOWN.values()]
    assert [k for k in shown if k != "text"] == [k for k in kinds if k != "text"]
    json.dumps(told)


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_is_told_in_one_line_and_leaves_no_trace(name: str, kernel: Kernel, server: RawServer):
    server.reset(Play(recordings.events(name)))
    assert_one_clear_line(ask(kernel, "recorded", cell_id="a"), "RefusalError")
    assert_next_works(kernel, server)
    assert len(server.requests[-1].json["messages"]) == 1


def test_the_broken_one_gives_one_clear_line(kernel: Kernel, server: RawServer):
    server.reset(
        Play(recordings.events(recordings.BROKEN)),
        Play(recordings.events("vercel-ai/anthropic-text.chunks.txt")),
    )
    kernel.run('def get_weather(location: str) -> str:\n    """The weather."""\n    return "rain"')
    done = ask(kernel, "recorded", "-t get_weather", cell_id="a")
    if done.ok:  # the arguments were sent back to the model as an error, and it went on
        (result,) = server.requests[-1].json["messages"][-1]["content"]
        assert result["type"] == "tool_result" and result["is_error"] is True
    else:
        assert_one_clear_line(done)
    assert_next_works(kernel, server)


def test_real_tool_calls_run_and_their_results_go_back(kernel: Kernel, server: RawServer):
    name = "chatlas/test_anthropic_tool_variations.0.sse"
    (call,) = [b for b in recordings.payloads(name) if b.get("content_block", {}).get("type") == "tool_use"]
    tool = call["content_block"]["name"]
    kernel.run(f'def {tool}() -> str:\n    """A tool."""\n    return "the result"')
    server.reset(
        Play(recordings.events(name)), Play(recordings.events("vercel-ai/anthropic-text.chunks.txt"))
    )
    done = ask(kernel, "recorded", f"-t {tool}", cell_id="a")
    assert done.ok, done.error
    first, second = (request.json["messages"] for request in server.requests)
    assert second[: len(first)][0]["role"] == "user"
    (result,) = second[-1]["content"]
    assert result["tool_use_id"] == call["content_block"]["id"]
    assert "the result" in json.dumps(result)
