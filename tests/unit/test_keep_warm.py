"""What `cache = "auto"` chooses, and what `cache = "warm"` does between two questions: what it reads, costs, marks, and when it ends."""

from __future__ import annotations

from decimal import Decimal

import pytest
from support.long_talk import ANSWER, Later, converse
from support.world import stage

from claude_jupyter.answer.codec import MIME
from claude_jupyter.conversation import chat as chats
from claude_jupyter.conversation.drivers import keep_warm
from claude_jupyter.costs.cache_lifetimes import kept_lifetime, lifetime, reads_worth
from claude_jupyter.costs.ledger.calls import Where
from claude_jupyter.demo.script import Script
from claude_jupyter.display.bundle import bundle, footer_line

SONNET, HAIKU = "claude-sonnet-5-5", "claude-haiku-5-5"
CHEAP_READS = "claude-fable-5-2"
"""Reads cost 0.025 times the input here, so that 5-minute entries are the ones to keep."""
SHORT, LONG, LONGER = 60.0, 900.0, 7200.0


@pytest.mark.parametrize(
    ("pauses", "kind"),
    [
        ([], "5m"),
        ([SHORT] * 30, "5m"),
        ([LONG], "1h"),
        ([SHORT] * 20 + [LONG], "1h"),
        ([LONGER], "5m"),
        ([LONGER] * 3 + [LONG], "5m"),
        ([LONGER, LONG, LONG], "1h"),
        ([300.0], "5m"),
    ],
)
@pytest.mark.parametrize("model", [SONNET, HAIKU])
def test_auto_takes_the_kind_that_would_have_been_cheaper_so_far(pauses, kind, model):
    assert lifetime(pauses, model) == kind


def test_auto_goes_by_the_prices_of_the_model():
    rates = {"input": 2, "output": 10, "cache_read": 0.1, "cache_write_5m": 2.5}
    assert lifetime([LONG], "x", {"x": {**rates, "cache_write_1h": 4}}) == "1h"
    assert lifetime([LONG], "x", {"x": {**rates, "cache_write_1h": 6}}) == "5m"
    assert lifetime([LONG, LONG], "x", {"x": {**rates, "cache_write_1h": 6}}) == "1h"
    assert lifetime([LONG] * 9, "claude-of-unknown-price") == "5m"


def test_an_entry_is_worth_as_many_reads_as_a_rewrite_would_cost():
    assert reads_worth(SONNET, "5m") == 24 and reads_worth(HAIKU, "5m") == 11
    assert reads_worth("claude-of-unknown-price", "5m") == 0
    free = {"x": {"input": 2, "output": 10, "cache_read": 0}}
    assert reads_worth("x", "5m", free) == 26 and reads_worth("x", "1h", free) == 2, "never beyond two hours"


@pytest.mark.parametrize(
    ("model", "kind"),
    [(SONNET, "1h"), (HAIKU, "1h"), (CHEAP_READS, "5m"), ("claude-of-unknown-price", "5m")],
)
def test_the_kind_kept_alive_is_the_one_that_is_cheaper_over_two_hours(model, kind):
    assert kept_lifetime(model) == kind


@pytest.fixture
def later(monkeypatch):
    later = Later()
    monkeypatch.setattr(chats.time, "monotonic", later.clock)
    monkeypatch.setattr(chats.time, "time", later.clock)
    monkeypatch.setattr(keep_warm.time, "time", later.clock)
    return later


def warm_stage(later):
    return stage(ANSWER, clock=later.clock)


def prepare(s, later, model=CHEAP_READS):
    s.env.later = later
    s.settings.cache, s.settings.model = "warm", model
    converse(s, 2, 20_000)
    return len(s.bodies)


def test_a_pause_of_half_an_hour_finds_its_entry_and_every_read_is_a_marked_row(later):
    with warm_stage(later) as s:
        asked = prepare(s, later)
        later.passes(1800)
        reads = s.bodies[asked:]
        assert len(reads) == 6 and {b["max_tokens"] for b in reads} == {0}
        answer = s.claude.ask("And after lunch?")
        assert answer.usage.cache_read > 20_000 and answer.usage.cache_write < 2_000
        assert not [b for b in answer.blocks if b["type"] == "notice"]
        rows = [r for r in s.ledger.rows(Where()) if r["stop_reason"] == "warm"]
        assert len(rows) == 6 and all(r["turn"] == 2 and r["cache_read"] > 20_000 for r in rows)
        assert s.claude.cost == sum(Decimal(r["cost_usd"]) for r in s.ledger.rows(Where()))


@pytest.mark.parametrize(("model", "reads"), [(CHEAP_READS, 26), (SONNET, 2)])
def test_it_ends_two_hours_after_the_question(later, model, reads):
    with warm_stage(later) as s:
        asked = prepare(s, later, model)
        later.passes(6 * 3600)
        assert len(s.bodies) - asked == reads
        again = s.claude.ask("Next day?")
        assert again.rewritten == again.usage.cache_write > 20_000 and not later_notices(again)
        assert f"cache had expired, {again.rewritten:,} tokens written again" in footer_line(again)
        assert bundle(again)[0][MIME]["rewritten"] == again.rewritten
        assert not s.claude.ask("And the next?").rewritten


def test_it_ends_when_more_reads_would_cost_more_than_writing_it_again(later):
    with warm_stage(later) as s:
        rates = {"input": 2, "output": 10, "cache_read": 0.1, "cache_write_5m": 2.5, "cache_write_1h": 100}
        s.settings.prices = {SONNET: rates}
        asked = prepare(s, later, SONNET)
        later.passes(6 * 3600)
        assert len(s.bodies) - asked == 24
        rates = [Decimal(r["cost_usd"]) for r in s.ledger.rows(Where()) if r["stop_reason"] == "warm"]
        assert len(rates) == 24 and sum(rates) < Decimal("0.07")


def test_a_recording_touches_no_cache_entry(later, tmp_path):
    for replayed in (False, True):
        with warm_stage(later) as s:
            s.settings.replay, s.settings.replay_dir = "auto", str(tmp_path)
            assert s.claude.ask("Word " * 9000).replayed == replayed
            answer = s.claude.ask(f"And now? {replayed}")
            assert not answer.replayed and not answer.rewritten, "nothing had expired"


def test_hour_long_entries_are_kept_alive_by_a_read_an_hour(later):
    with warm_stage(later) as s:
        asked = prepare(s, later, SONNET)
        later.passes(1800)
        assert len(s.bodies) == asked
        later.passes(2 * 3600)
        assert len(s.bodies) == asked + 2
        answer = s.claude.ask("And after lunch?")
        assert answer.usage.cache_read > 20_000 and answer.usage.cache_write < 2_000
        rows = [r for r in s.ledger.rows(Where()) if r["stop_reason"] == "warm"]
        assert len(rows) == 2 and sum(Decimal(r["cost_usd"]) for r in rows) < Decimal("0.007")


def test_a_chat_whose_setting_changes_is_kept_alive_from_its_next_question_on(later):
    with warm_stage(later) as s:
        s.env.later = later
        s.settings.cache, s.settings.model = "5m", SONNET
        converse(s, 2, 20_000)
        s.settings.cache = "warm"
        assert s.claude.ask("And now?").usage.cache_read > 20_000
        asked = len(s.bodies)
        later.passes(int(2.5 * 3600))
        assert len(s.bodies) == asked + 2
        assert s.claude.ask("After lunch?").usage.cache_read > 20_000


def test_the_life_of_an_entry_begins_before_its_answer_is_complete(later):
    with warm_stage(later) as s:
        asked = prepare(s, later, SONNET)

        slow = iter([120.0])

        def takes_its_time(_part):
            if len(s.bodies) > asked:
                later.clock.now += next(slow, 0.0)

        s.view.at_part = takes_its_time
        s.claude.ask("And slowly?")
        later.passes(3540 - 120)
        assert len(s.bodies) == asked + 2
        assert s.server.requests[-1].usage.cache_read > 20_000


def test_a_side_question_is_not_kept_alive_and_ends_nothing(later):
    with warm_stage(later) as s:
        asked = prepare(s, later, SONNET)
        later.passes(3000)
        assert not s.claude.ask("By the way " * 9000, once=True).usage.cache_write_1h
        later.passes(3000)
        assert [b["max_tokens"] for b in s.bodies[asked + 1 :]] == [0]
        assert s.claude.ask("And?").usage.cache_read > 20_000


@pytest.mark.parametrize(
    "end",
    [
        lambda s: setattr(s.settings, "cache", "5m"),
        lambda s: s.claude.clear(),
        lambda s: setattr(s.settings, "budget", 0.0001),
    ],
    ids=["the setting", "the history", "a budget"],
)
def test_nothing_is_read_once_it_is_not_wanted_or_not_allowed(later, end):
    with warm_stage(later) as s:
        asked = prepare(s, later)
        later.passes(300)
        assert len(s.bodies) == asked + 1
        end(s)
        later.passes(3600)
        assert len(s.bodies) == asked + 1 and not later.due


def test_a_machine_that_slept_does_not_write_the_entry_again_by_itself(later):
    with warm_stage(later) as s:
        asked = prepare(s, later)
        later.clock.now += 4000
        later.passes(3600)
        assert len(s.bodies) == asked


def later_notices(answer):
    return [b["text"] for b in answer.blocks if b["type"] == "notice"]


def test_a_model_whose_thinking_has_a_budget_is_told_of_once(later):
    with warm_stage(later) as s:
        s.env.later = later
        s.settings.cache, s.settings.model = "warm", "claude-haiku-4-5"
        converse(s, 3, 20_000, thinking="show")
        assert s.bodies[0]["thinking"]["type"] == "enabled" and not later.due
        first, *others = map(later_notices, s.view.ended)
        assert len(first) == 1 and 'cache = "warm"' in first[0] and others == [[], []]


@pytest.mark.parametrize("cache", ["auto", "5m", "1h", "off"])
def test_without_it_nothing_is_sent_between_questions(later, cache):
    with warm_stage(later) as s:
        s.env.later = later
        s.settings.cache = cache
        converse(s, 2, 20_000)
        assert not later.due


def test_what_was_asked_for_once_or_failed_is_not_kept_alive(later):
    with stage([ANSWER, Script(status=400)], clock=later.clock) as s:
        s.env.later = later
        s.settings.cache = "warm"
        s.claude.ask("Once " * 9000, once=True)
        with pytest.raises(Exception, match=r"."):
            s.claude.ask("Broken " * 9000)
        assert not later.due
