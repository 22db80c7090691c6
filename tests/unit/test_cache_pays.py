"""What caching gives a user: long conversations at a fraction of their price, by the service's published accounting rules."""

from __future__ import annotations

import pytest
from support.long_talk import ANSWER, Clock, converse, document, dollars, talk
from support.world import stage

from claude_jupyter.answer.codec import MIME
from claude_jupyter.conversation import chat
from claude_jupyter.costs import usage
from claude_jupyter.costs.prices import list_price
from claude_jupyter.demo.script import Call, Script
from claude_jupyter.display.bundle import bundle, footer_line
from claude_jupyter.display.transcript import transcript


def test_twenty_turns_over_50_000_tokens_cost_at_most_14_percent_of_the_same_uncached():
    whole, cached = talk(20, 50_000, cache="off"), talk(20, 50_000)
    assert cached.prompt == whole.prompt and cached.output == whole.output == 20 * 250
    assert 0.13 < dollars(cached) / dollars(whole) <= 0.14
    assert not cached.input


def test_each_answer_and_the_conversation_say_what_caching_saved():
    with stage(ANSWER) as s:
        converse(s, 3, 50_000)
        first, *_, last = [t.answer for t in s.claude.turns]
        rates = list_price(last.model)
        read, written = last.usage.cache_read, last.usage.cache_write_5m
        saved = read * (rates.input - rates.cache_read) + written * (rates.input - rates.cache_write_5m)
        assert first.cost.saved < 0 < last.cost.saved == saved / 1_000_000
        assert s.claude.cost.saved == sum(t.answer.cost.saved for t in s.claude.turns)
        data = bundle(last)[0]
        assert data[MIME]["saved"] == f"{last.cost.saved:f}"
        assert "from cache, saved $0.09" in footer_line(last)
        told = transcript("main", s.claude.turns, s.claude.usage, s.claude.cost)[0]["text/plain"]
        assert "from cache, saved $0.09" in told and "caching saved $0.1" in told


def test_one_hour_entries_are_written_and_read_as_well():
    cached = talk(20, 50_000, cache="1h")
    assert not cached.cache_write_5m and cached.cache_write_1h < 60_000 and cached.cache_read > 900_000


def test_many_blocks_in_one_turn_are_found_again_by_the_next():
    with stage(ANSWER) as s:
        s.claude.ask("Compare", *[letter * 2000 for letter in "abcdefghijklmnopqrstuvwxyz"])
        s.claude.ask("And now?")
        first, second = [t.answer.usage for t in s.claude.turns]
        assert second.cache_read == first.prompt and second.cache_write < 400


def test_tool_rounds_with_many_results_read_what_came_before():
    def look(n: int) -> str:
        """Look it up."""
        return "found " * 300

    replies = [Script(calls=[Call("look", {"n": n}) for n in range(25)]), ANSWER, ANSWER]
    with stage(replies) as s:
        s.claude.ask("Look at all", *document(10_000), tool=look)
        s.claude.ask("And now?", tool=look)
        sizes = [r.usage for r in s.server.requests]
        assert sizes[1].cache_read == sizes[0].prompt
        assert sizes[2].cache_read >= sizes[1].prompt


def test_a_long_system_prompt_and_tools_are_read_by_a_fresh_start():
    def look(n: int) -> str:
        """Look it up."""
        return "found"

    with stage(ANSWER) as s:
        s.claude.system = "Be brief. " * 2000
        s.claude.ask("one", tool=look)
        s.claude.ask("two", tool=look, new=True)
        assert s.server.requests[1].usage.cache_read > 5000
        assert max(str(b).count("cache_control") for b in s.bodies) <= 4


def test_a_pause_longer_than_the_entries_live_is_told_in_the_footer(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(chat.time, "monotonic", clock)
    monkeypatch.setattr(chat.time, "time", clock)
    with stage(ANSWER, clock=clock) as s:
        converse(s, 2, 20_000)
        clock.now += 301
        s.claude.ask("After lunch?", dry_run=True)  # looks ahead, and warms nothing
        answer = s.claude.ask("After lunch?")
        written = answer.usage.cache_write
        assert written > 20_000
        assert (
            f"cache had expired, {written:,} tokens written again · {usage.dollars(answer.cost)}"
            in footer_line(answer)
        )
        # From now on entries live an hour, so the next long pause costs nothing.
        clock.now += 1000
        again = s.claude.ask("After the meeting?")
        assert again.usage.cache_read >= written and not again.rewritten


@pytest.mark.parametrize("cache", ["off", "5m"])
def test_without_a_pause_nothing_is_told(cache):
    with stage(ANSWER) as s:
        s.settings.cache = cache
        converse(s, 3, 5_000)
        assert not any(t.answer.rewritten for t in s.claude.turns)
