"""Tokens as the service counted them, from the wire's final usage."""

import json
from decimal import Decimal

import pytest

from claude_jupyter.costs.usage import Usage, dollars, rounds


def test_all_kinds_of_tokens_are_told_apart():
    usage = Usage.from_wire(
        {
            "input_tokens": 12_000,
            "cache_creation_input_tokens": 5_000,
            "cache_read_input_tokens": 50_000,
            "cache_creation": {"ephemeral_5m_input_tokens": 3_000, "ephemeral_1h_input_tokens": 2_000},
            "output_tokens": 1_500,
            "output_tokens_details": {"thinking_tokens": 400},
            "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
            "service_tier": "standard",
        }
    )
    assert usage == Usage(12_000, 1_500, 50_000, 3_000, 2_000, 400, 2)
    assert usage.prompt == 67_000
    assert usage.total == 68_500


@pytest.mark.parametrize("empty", [{}, {"input_tokens": None, "iterations": None, "cache_creation": None}])
def test_what_is_missing_or_none_counts_nothing(empty: dict[str, None]):
    assert Usage.from_wire(empty) == Usage()


def test_a_stale_breakdown_is_billed_at_the_lifetime_asked_for():
    # As recorded: the breakdown is a copy of message_start's (0), the total is the final one.
    wire = {
        "input_tokens": 1,
        "cache_creation_input_tokens": 17_269,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 1,
    }
    assert Usage.from_wire(wire).cache_write_5m == 17_269
    assert Usage.from_wire(wire, ttl="1h").cache_write_1h == 17_269


def test_only_the_unexplained_rest_of_a_breakdown_is_assumed():
    wire = {
        "cache_creation_input_tokens": 1_000,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 300},
    }
    assert (Usage.from_wire(wire).cache_write_5m, Usage.from_wire(wire).cache_write_1h) == (700, 300)
    late = Usage.from_wire(wire, ttl="1h")
    assert (late.cache_write_5m, late.cache_write_1h) == (100, 900)


def test_a_breakdown_larger_than_the_total_never_bills_more_than_the_total():
    wire = {
        "cache_creation_input_tokens": 100,
        "cache_creation": {"ephemeral_5m_input_tokens": 400, "ephemeral_1h_input_tokens": 80},
    }
    assert Usage.from_wire(wire).cache_write == 100


def test_compaction_is_billed_though_the_totals_leave_it_out():
    wire = {
        "input_tokens": 181,
        "output_tokens": 8,
        "iterations": [
            {
                "type": "compaction",
                "input_tokens": 100,
                "output_tokens": 83,
                "cache_read_input_tokens": 55_096,
            },
            {"type": "message", "input_tokens": 181, "output_tokens": 8},
        ],
    }
    assert Usage.from_wire(wire) == Usage(input=281, output=91, cache_read=55_096)


def test_an_advisor_keeps_its_own_model_and_searches_are_counted_once():
    wire = {
        "input_tokens": 4_727,
        "output_tokens": 3_391,
        "server_tool_use": {"web_search_requests": 3},
        "output_tokens_details": {"thinking_tokens": 50},
        "iterations": [
            {"type": "message", "input_tokens": 1_051, "output_tokens": 35},
            {
                "type": "advisor_message",
                "model": "claude-opus-4-7",
                "input_tokens": 2_728,
                "output_tokens": 3_880,
            },
            {"type": "message", "input_tokens": 3_676, "output_tokens": 3_356},
        ],
    }
    assert [r.model for r in rounds(wire)] == [None, "claude-opus-4-7", None]
    total = Usage.from_wire(wire)
    assert (total.input, total.output) == (7_455, 7_271)
    assert (total.web_searches, total.thinking) == (3, 50)
    assert rounds(wire)[2].usage.web_searches == 3


def test_a_model_that_declined_before_any_output_is_not_billed():
    wire = {
        "input_tokens": 412,
        "output_tokens": 264,
        "iterations": [
            {"type": "message", "model": "claude-fable-5", "input_tokens": 408, "output_tokens": 0},
            {
                "type": "fallback_message",
                "model": "claude-opus-4-8",
                "input_tokens": 412,
                "output_tokens": 264,
            },
        ],
    }
    assert rounds(wire) == (("claude-opus-4-8", Usage(input=412, output=264)),)


def test_json_round_trip_keeps_the_counts_of_the_answer_format():
    usage = Usage(1, 2, 3, 4, 5)
    assert Usage.from_json(json.loads(json.dumps(usage.to_json()))) == usage


def test_no_price_is_shown_as_nothing():
    assert dollars(Decimal("0.00005")) == "< $0.0001" and dollars(Decimal("0.000051")) == "$0.0001"
    assert dollars(Decimal("0.00005"), estimated=True) == "≥ $0.00005"


def test_a_lower_bound_is_marked_as_one_however_small_it_is():
    assert dollars(Decimal("0.0000312"), estimated=True) == "≥ $0.00003"
    assert dollars(Decimal("1E-7"), estimated=True) == "≥ $0.0000001"
    assert dollars(Decimal("0.00003")) == "< $0.0001"
    assert dollars(Decimal(0), estimated=True) == "≥ $0"
