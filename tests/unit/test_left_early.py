"""A stream that the user's code leaves is a stopped answer: what arrived is kept, and what it cost at least is in the ledger."""

from __future__ import annotations

from decimal import Decimal

from support.world import stage

from claude_jupyter.costs.ledger.calls import Where
from claude_jupyter.demo.script import Script

SLOW = Script(text="One two three four five six seven eight nine ten. " * 40, pace=0.02)


def test_a_stream_left_early_is_billed_as_a_lower_bound_and_kept() -> None:
    with stage(SLOW) as here:
        with here.claude.stream("Count.", max_tokens=500) as stream:
            next(iter(stream))
        (row,) = here.ledger.rows(Where())
        assert row["stop_reason"] == "stopped" and row["estimated"] and not row["complete"]
        assert row["input_tokens"] == here.server.requests[0].usage.input > 0
        assert row["output_tokens"] > 0 and Decimal(row["cost_usd"]) > 0
        assert row["request_id"] == here.server.requests[0].request_id
        assert stream.answer.estimated and not stream.answer.complete
        assert stream.answer.cost == here.claude.cost == Decimal(row["cost_usd"])


def test_what_arrived_is_in_the_history_and_resume_goes_on_from_it() -> None:
    with stage(SLOW) as here:
        with here.claude.stream("Count.", max_tokens=500) as stream:
            text = next(iter(stream))
        assert stream.answer.text.startswith(text.rstrip())
        here.claude.resume()
        roles = [m["role"] for m in here.bodies[-1]["messages"]]
        assert roles == ["user", "assistant", "user"]
        assert here.bodies[-1]["messages"][1]["content"][0]["text"].startswith("One")


def test_an_exception_of_the_users_own_in_the_loop_leaves_it_too() -> None:
    with stage(SLOW) as here:
        try:
            for _ in here.claude.stream("Count.", max_tokens=500):
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        (row,) = here.ledger.rows(Where())
        assert row["estimated"] and Decimal(row["cost_usd"]) > 0
