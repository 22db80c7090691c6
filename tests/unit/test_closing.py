"""What is kept of an answer, however it ended."""

from __future__ import annotations

import pytest

from claude_jupyter.conversation.ask.turn_messages import turn_messages

QUESTION = [{"type": "text", "text": "q"}]
TEXT = {"type": "text", "text": "Half"}
SIGNED = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
UNSIGNED = {"type": "thinking", "thinking": "Hm.", "signature": ""}
CALL = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "1"}]}
SEARCH = {"type": "server_tool_use", "id": "w1", "name": "web_search", "input": {}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "w1", "content": []}


def kept(content, rounds=(), *, complete=False, cut=False):
    messages = turn_messages(QUESTION, rounds, content, complete=complete, cut=cut)
    return [[b["type"] for b in m["content"]] for m in messages[1:]]


@pytest.mark.parametrize(
    ("content", "left"),
    [
        ([SIGNED, TEXT], ["thinking", "text"]),
        ([UNSIGNED], None),
        ([SIGNED], ["thinking", "text"]),
        ([SIGNED, TEXT, CALL], ["thinking", "text"]),
        ([CALL], None),
        ([SIGNED, SEARCH], ["thinking", "text"]),
        ([SIGNED, SEARCH, FOUND, SIGNED], ["thinking", "server_tool_use", "web_search_tool_result", "thinking", "text"]),
        ([], None),
    ],
)  # fmt: skip
def test_a_stopped_answer(content, left):
    assert kept(content) == ([left] if left else [])


def test_a_complete_answer_keeps_its_open_calls_but_not_when_it_was_cut():
    assert kept([TEXT, CALL], complete=True) == [["text", "tool_use"]]
    assert kept([TEXT, CALL], complete=True, cut=True) == [["text"]]


def test_stopped_between_a_call_and_its_result():
    rounds = [{"role": "assistant", "content": [SIGNED, CALL]}]
    assert kept([], rounds) == [["thinking", "tool_use"], ["tool_result"], ["text"]]


def test_stopped_after_the_result():
    rounds = [{"role": "assistant", "content": [SIGNED, CALL]}, RESULT]
    assert kept([], rounds) == [["thinking", "tool_use"], ["tool_result"], ["text"]]
    assert kept([TEXT], rounds) == [["thinking", "tool_use"], ["tool_result"], ["text"]]


def test_a_paused_answer_and_what_followed_are_one_message():
    rounds = [{"role": "assistant", "content": [SEARCH, FOUND]}]
    assert kept([TEXT], rounds, complete=True) == [["server_tool_use", "web_search_tool_result", "text"]]
