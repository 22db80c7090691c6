"""A second server, written by others: answers, history, tools, errors and cuts are understood as with ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.aimock import aimock
from support.asking import ask, assert_one_clear_line
from support.kernel import ANSWER, Kernel

FIXTURES = [
    {"match": {"userMessage": "hello"}, "response": {"content": "Hello! " * 40 + "How can I help?"}},
    {"match": {"userMessage": "and again", "turnIndex": 1}, "response": {"content": "The second turn."}},
    {
        "match": {"userMessage": "weather", "hasToolResult": False},
        "response": {"toolCalls": [{"id": "toolu_1", "name": "weather", "arguments": {"city": "Oslo"}}]},
    },
    {"match": {"toolCallId": "toolu_1", "toolResultContains": "snow in Oslo"}, "response": {"content": "It snows."}},
    {
        "match": {"userMessage": "forbidden"},
        "response": {"error": {"message": "Not for you.", "type": "permission_error"}, "status": 403},
    },
    {
        "match": {"userMessage": "cut"},
        "response": {"content": "This answer will be cut in the middle. " * 20},
        "truncateAfterChunks": 6,
        "latency": 20,
    },
    {"match": {"userMessage": "think"}, "response": {"content": "Done.", "reasoning": "First this, then that."}},
]  # fmt: skip


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with aimock(tmp_path_factory.mktemp("aimock"), FIXTURES) as url:
        yield url


@pytest.fixture
def talk(peer: str, fresh_kernel: Callable[..., Kernel]) -> Kernel:
    """A kernel that asks aimock."""
    return fresh_kernel({"ANTHROPIC_BASE_URL": peer})


def test_answer_and_history(talk: Kernel):
    done = ask(talk, "hello")
    assert done.ok, done.error
    assert done.answer["text/plain"] == "Hello! " * 40 + "How can I help?"
    assert done.answer[ANSWER]["complete"] is True
    assert ask(talk, "and again").answer["text/plain"] == "The second turn."
    assert talk.value("len(claude.turns)") == 2


def test_the_tool_loop(talk: Kernel):
    talk.run('def weather(city: str) -> str:\n    """The weather in a city."""\n    return f"snow in {city}"')
    done = ask(talk, "How is the weather?", "-t weather")
    assert done.ok, done.error
    assert done.answer["text/plain"].strip() == "It snows."
    (call,) = [block for block in done.answer[ANSWER]["blocks"] if block["type"] == "tool"]
    assert call["name"] == "weather" and call["input"] == {"city": "Oslo"}


def test_thinking(talk: Kernel):
    done = ask(talk, "think")
    assert done.answer["text/plain"] == "Done."
    assert "First this, then that." in talk.value("claude.last.thinking")


def test_a_refusal_by_status(talk: Kernel):
    assert_one_clear_line(ask(talk, "forbidden"), "PermissionDeniedError")


def test_a_cut_in_the_middle(talk: Kernel):
    done = ask(talk, "cut", cell_id="a")
    assert_one_clear_line(done)
    assert done.answer["text/plain"].startswith("This answer will be cut")
    assert done.answer[ANSWER]["complete"] is False


def test_nobody_answers(talk: Kernel, tmp_path: Path):
    with ExitStack() as stack:
        url = stack.enter_context(aimock(tmp_path, FIXTURES[:1]))
    talk.run(f"%config ClaudeMagics.base_url = '{url}'")
    assert_one_clear_line(ask(talk, "hello"), "APIConnectionError")
