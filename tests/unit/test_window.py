"""What a user gets when a conversation outgrows the context: it goes on, it says what was left out, and it can be condensed."""

from __future__ import annotations

import pytest
from support.long_talk import document
from support.world import stage

from claude_jupyter.conversation.ask import context_window as window
from claude_jupyter.demo.script import Call, Compact, Say, Script
from claude_jupyter.errors import OverloadedError, StoppedError, UsageError

SMALL = "claude-haiku-4-5"
"""A model with 200,000 tokens of context, which the service does not condense for."""


def notices(answer):
    return [b["text"] for b in answer.blocks if b["type"] == "notice"]


def asked(body):
    return [m["content"][-1].get("text") for m in body["messages"] if m["role"] == "user"]


def test_the_gauge_follows_the_service_s_own_count():
    with stage("An answer.") as s:
        assert s.claude.context == (0, 1_000_000)
        answer = s.claude.ask("q", *document(10_000))
        assert s.claude.context.used == answer.usage.prompt + answer.usage.output
        s.claude.model = SMALL
        assert s.claude.context.size == 200_000 and 0.04 < s.claude.context.share < 0.07
        s.claude.clear()
        assert s.claude.context.used == 0


def test_the_oldest_turns_are_left_out_and_the_answer_says_so():
    with stage("An answer.") as s:
        s.claude.model = SMALL
        for n in range(6):
            answer = s.claude.ask(f"question {n}", *document(40_000))
        assert asked(s.bodies[-1])[-1] == "question 5" and len(asked(s.bodies[-1])) < 5
        (told,) = notices(answer)
        gone = 6 - len(asked(s.bodies[-1]))
        assert (
            f"The {gone} oldest turns were not sent" in told
            and "200,000" in told
            and "claude.compact()" in told
        )
        assert len(s.claude.turns) == 6
        # The server refuses what the service refuses: thinking whose prefix is gone, more than the context, a wrong beginning.
        assert all(r.status == 200 for r in s.server.requests)


def test_what_is_left_out_stays_the_same_for_many_questions_so_that_the_cache_is_used():
    with stage("An answer.") as s:
        s.claude.model = SMALL
        for n in range(4):
            s.claude.ask(f"large {n}", *document(45_000))
        firsts = []
        for n in range(6):
            s.claude.ask(f"small {n}")
            firsts.append(asked(s.bodies[-1])[0])
        assert len(set(firsts)) == 1 and firsts[0] != "large 0"
        reads = [r.usage.cache_read for r in s.server.requests[-5:]]
        assert min(reads) > 40_000


def test_a_tool_result_never_loses_its_call():
    tool = {"name": "look", "description": "Look.", "input_schema": {"type": "object", "properties": {}}}
    replies = ["An answer."] * 2 + [Script(calls=[Call("look", {}, id="toolu_1")]), "Seen.", "An answer."]
    with stage(replies) as s:
        s.claude.model = SMALL
        s.claude.ask("large 0", *document(30_000), tool=tool)
        s.claude.ask("large 1", *document(45_000), tool=tool)
        s.claude.ask("look", *document(45_000), tool=tool)
        s.claude.ask(tool_results={"toolu_1": "a cat"}, tool=tool)
        for n in range(4):
            s.claude.ask(f"more {n}", *document(20_000), tool=tool)
        assert all(r.status == 200 for r in s.server.requests)


def test_one_question_that_is_too_large_alone_goes_without_history():
    with stage("An answer.") as s:
        s.claude.model = SMALL
        s.claude.ask("before", *document(60_000))
        answer = s.claude.ask("huge", *document(120_000))
        assert asked(s.bodies[-1]) == ["huge"] and "The oldest turn was not sent" in notices(answer)[0]


def test_a_short_conversation_asks_for_no_condensing():
    with stage("An answer.") as s:
        s.claude.ask("q")
        s.claude.ask("q2")
        assert not any("context_management" in b for b in s.bodies)


def test_the_service_condenses_and_its_block_is_sent_back_as_it_came(monkeypatch):
    monkeypatch.setattr(window, "_REQUESTED_FROM", 0.005)
    block = {"type": "compaction", "content": "They talked about cats."}
    with stage([Script(pieces=[Compact(block["content"]), Say("Right.")]), "On we go.", "Small."]) as s:
        answer = s.claude.ask("long", *document(20_000))
        body, request = s.bodies[0], s.server.requests[0]
        (edit,) = body["context_management"]["edits"]
        assert edit == {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 800_000}}
        assert "compact-2026-01-12" in request.headers["anthropic-beta"]
        assert any("summarized" in n for n in notices(answer)) and answer.text == "Right."
        s.claude.ask("next")
        assert s.bodies[1]["messages"][1]["content"] == [block, {"type": "text", "text": "Right."}]
        assert "context_management" in s.bodies[1]
        # A model that does not know such blocks gets the summary as text, without what it stands for.
        s.claude.ask("and now?", model="haiku")
        sent = s.bodies[2]
        assert "compaction" not in str(sent) and "They talked about cats." in str(sent["messages"][1])


def test_a_long_conversation_goes_on_after_the_service_condensed_it(monkeypatch):
    """A whole life of one: to the trigger, past it with thinking and tools, and on from the summary; each token is billed."""
    monkeypatch.setattr(window, "_REQUESTED_FROM", 0.01)
    monkeypatch.setattr(window, "_TRIGGER", 0.055)

    def look(n: int) -> str:
        """Look it up."""
        return "found"

    def reply(body):
        last = body["messages"][-1]["content"][-1]
        if last["type"] == "text" and last["text"] == "Look it up":
            return Script(thinking="Hm.", calls=[Call("look", {"n": 1})])
        return Script(thinking="Let me think.", text=f"Answer {len(body['messages'])}.")

    with stage(reply) as s:
        s.claude.model = "opus"
        s.claude.ask("one", *document(30_000))
        assert s.claude.ask("two", *document(30_000)).usage.prompt > 55_000
        used = s.claude.context.used
        told = [t.answer for t in s.claude.turns if any("summarized" in n for n in notices(t.answer))]
        assert len(told) == 1 and used < 2_000 and told[0].text.startswith("Answer")
        assert told[0].cost.parts["input"] + told[0].cost.parts["cache_write"] > 0
        s.claude.ask("Look it up", tool=look)
        s.claude.ask("three", effort="low")
        assert sum(r.usage.prompt for r in s.server.requests[2:]) < 10_000
        assert all(r.status == 200 for r in s.server.requests)
        assert s.claude.usage.total == s.server.usage.total and s.ledger.spent(kernel="kernel-1").kernel
        # Counting applies the summary as well, and names the beta that its block needs.
        assert s.claude.count("four").exact and s.claude.count("four").tokens < 5_000
        s.claude.model = "haiku"
        assert s.claude.ask("five").complete and "compaction" not in str(s.bodies[-1])


def test_condensing_can_be_switched_off(monkeypatch):
    monkeypatch.setattr(window, "_REQUESTED_FROM", 0.0)
    with stage("An answer.") as s:
        s.settings.compact = "off"
        s.claude.ask("q")
        s.claude.ask("q2")
        assert not any("context_management" in b for b in s.bodies)


def test_compact_sums_up_and_goes_on_from_there_and_undo_takes_it_back():
    with stage(["One.", "Two.", "Summary: cats.", "Go on.", "Three."]) as s:
        s.claude.ask("first")
        s.claude.ask("second", *document(10_000))
        assert s.claude.context.used > 10_000
        answer = s.claude.compact()
        assert 0 < s.claude.context.used < 100
        assert answer.text == "Summary: cats." and answer.cost > 0 and s.view.ended[-1] is answer
        assert len(asked(s.bodies[2])) == 3
        s.claude.ask("third")
        assert "Summary: cats." in str(s.bodies[3]) and "first" not in str(s.bodies[3])
        assert [t.answer.text for t in s.claude.turns] == ["One.", "Two.", "Summary: cats.", "Go on."]
        s.claude.undo(2)
        s.claude.ask("third")
        assert asked(s.bodies[4]) == ["first", "second", "third"]


def test_compact_that_fails_or_is_stopped_changes_nothing():
    with stage(["One.", Script(status=529, headers={"retry-after-ms": "1"})]) as s:
        with pytest.raises(UsageError, match="nothing to summarize"):
            s.claude.compact()
        s.claude.ask("first")
        with pytest.raises(OverloadedError):
            s.claude.compact()
        s.view.at_part = lambda part: s.stops[-1].request()
        with pytest.raises(StoppedError):
            s.claude.compact()
        assert [t.prompt for t in s.claude.turns] == ["first"] and len(s.claude.messages) == 2


def test_a_condensed_chat_that_held_rows_still_refuses_rows_none():
    import pandas as pd

    with stage(["One.", "Summary.", "Two."]) as s:
        s.claude.ask("look", pd.DataFrame({"a": [1, 2]}))
        s.claude.compact()
        with pytest.raises(UsageError, match="rows none"):
            s.claude.ask("and?", rows="none")
