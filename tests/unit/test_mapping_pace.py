"""How a map's concurrency follows the service: small at first, more while it keeps up, fewer when it says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from claude_jupyter.conversation.map.concurrency import FIRST, Throttle


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def headers(left: int, limit: int = 1000, seconds: float = 60, kind: str = "requests") -> dict[str, str]:
    reset = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
    name = f"anthropic-ratelimit-{kind}"
    return {f"{name}-limit": str(limit), f"{name}-remaining": str(left), f"{name}-reset": reset}


def filled(pace: Throttle) -> int:
    while pace.may_start():
        pace.start()
    return pace.running


def test_it_starts_small_and_doubles_while_the_service_answers():
    pace = Throttle(50, Clock())
    assert filled(pace) == FIRST
    for wanted in (16, 32, 50, 50):
        for _ in range(pace.running):
            pace.answered({})
        assert filled(pace) == wanted


def test_headers_with_room_for_all_open_it_at_once():
    pace = Throttle(50, Clock())
    filled(pace)
    pace.answered(headers(900))
    assert filled(pace) == 50


def test_no_more_are_started_than_the_headers_leave():
    pace = Throttle(50, Clock())
    filled(pace)
    pace.answered(headers(3))
    assert filled(pace) == FIRST + 1  # the limit grew by one
    for _ in range(FIRST):
        pace.end()
    assert filled(pace) == 1 + 2  # and three were left in all


def test_a_used_up_limit_is_waited_out_only_as_long_as_the_next_request_needs():
    clock = Clock()
    pace = Throttle(50, clock)
    filled(pace)
    pace.answered(headers(0, limit=60, seconds=60))
    for _ in range(FIRST):
        pace.end()
    assert not pace.may_start() and 0.5 < pace.waits() < 2
    clock.now += 2
    assert pace.may_start()


def test_used_up_tokens_are_waited_out_too():
    pace = Throttle(50, Clock())
    filled(pace)
    pace.answered(headers(0, seconds=30, kind="output-tokens"))
    assert pace.waits() > 1


def test_a_refusal_slows_it_down_once_and_answers_bring_it_back():
    clock = Clock()
    pace = Throttle(50, clock, limit=40)
    filled(pace)
    for _ in range(10):
        pace.refused(2.0)
    assert pace.limit == 28 and not pace.may_start() and pace.waits() == 2.0
    clock.now += 2.5
    for _ in range(40):
        pace.end()
    assert filled(pace) == 28
    for _ in range(48):
        pace.answered({})
    assert 35 < pace.limit < 50


def test_odd_headers_do_no_harm():
    pace = Throttle(50, Clock())
    filled(pace)
    pace.answered({"anthropic-ratelimit-requests-remaining": "many"})
    pace.answered(
        {"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "soon"}
    )
    pace.end()
    assert pace.waits() == 0
