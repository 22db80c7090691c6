"""What the demo server counts is what the published caching rules say; so a bill reconciled with it means something."""

from __future__ import annotations

from typing import Any

import pytest

from claude_jupyter.demo.oracle.caching import Cache, prompt_tokens
from claude_jupyter.demo.oracle.token_count import image_tokens, shrunk
from claude_jupyter.models import facts

MODEL = "claude-sonnet-5-5"
MARK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def text(size: int, letter: str = "a", **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": letter * round(size * 3.5), **more}


def body(*messages: list[dict[str, Any]], model: str = MODEL, **more: Any) -> dict[str, Any]:
    roles = ("user", "assistant")
    return {
        "model": model,
        "messages": [{"role": roles[k % 2], "content": content} for k, content in enumerate(messages)],
        **more,
    }


def account(cache: Cache, request: dict[str, Any], key: str = "k") -> tuple[int, int, int, int]:
    usage = cache.account(request, facts(request["model"]), key)
    assert usage.prompt == prompt_tokens(request, facts(request["model"]))
    return usage.input, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h


def test_the_second_turn_reads_what_the_first_wrote() -> None:
    cache = Cache(Clock())
    first = [text(1000, cache_control=MARK)]
    assert account(cache, body(first)) == (0, 0, 1004, 0)
    second = body([text(1000)], [text(100)], [text(200, cache_control=MARK)])
    assert account(cache, second) == (0, 1004, 308, 0)


def test_without_a_marker_nothing_is_cached() -> None:
    cache = Cache(Clock())
    assert account(cache, body([text(1000)])) == (1004, 0, 0, 0)
    assert account(cache, body([text(1000)])) == (1004, 0, 0, 0)


def test_the_automatic_marker_stands_on_the_last_block() -> None:
    cache = Cache(Clock())
    assert account(cache, body([text(600), text(400)], cache_control=MARK)) == (0, 0, 1004, 0)
    assert account(cache, body([text(600), text(400)], cache_control=MARK)) == (0, 1004, 0, 0)


def test_prompts_below_the_models_minimum_are_not_cached() -> None:
    cache = Cache(Clock())
    short = body([text(500, cache_control=MARK)])
    assert account(cache, short) == (504, 0, 0, 0)
    older = body([text(1500, cache_control=MARK)], model="claude-opus-4-6")
    assert account(cache, older)[2] == 0


def test_entries_live_five_minutes_from_their_last_use_or_an_hour() -> None:
    clock = Clock()
    cache = Cache(clock)
    request = body([text(1000, cache_control=MARK)])
    account(cache, request)
    for _ in range(3):
        clock.now += 299
        assert account(cache, request) == (0, 1004, 0, 0)
    clock.now += 301
    assert account(cache, request) == (0, 0, 1004, 0)
    long = body([text(1000, "b", cache_control=HOUR)])
    assert account(cache, long) == (0, 0, 0, 1004)
    clock.now += 3599
    assert account(cache, long) == (0, 1004, 0, 0)


def test_a_turn_of_twenty_blocks_is_out_of_reach_of_one_marker_and_not_of_two() -> None:
    cache = Cache(Clock())
    account(cache, body([text(1000, cache_control=MARK)]))
    near = [text(10, "b") for _ in range(18)]
    assert account(cache, body([text(1000), *near, text(10, cache_control=MARK)]))[1] == 1004
    cache = Cache(Clock())
    account(cache, body([text(1000, cache_control=MARK)]))
    far = [text(10, "c") for _ in range(19)]
    assert account(cache, body([text(1000), *far, text(10, cache_control=MARK)]))[1] == 0
    two = body([text(1000, cache_control=MARK), *far, text(11, cache_control=MARK)])
    assert account(cache, two)[1] == 1004


def test_a_changed_earlier_block_spoils_all_after_it() -> None:
    cache = Cache(Clock())
    tool = {"name": "f", "input_schema": {"type": "object"}}
    request = body([text(1000, cache_control=MARK)], tools=[tool], system=[text(700, cache_control=MARK)])
    written = account(cache, request)[2]
    assert account(cache, request) == (0, written, 0, 0)
    other = {**request, "system": [text(700, "x", cache_control=MARK)]}
    assert account(cache, other)[1] == 0
    moved = {**request, "messages": [{"role": "user", "content": [text(1000, "y", cache_control=MARK)]}]}
    assert 0 < account(cache, moved)[1] < written


def test_a_forced_tool_spoils_the_messages_and_not_the_system_prompt() -> None:
    cache = Cache(Clock())
    tool = {"name": "f", "input_schema": {"type": "object"}}
    request = body([text(1000, cache_control=MARK)], tools=[tool], system=[text(700, cache_control=MARK)])
    whole = account(cache, request)[2]
    read = account(cache, {**request, "tool_choice": {"type": "none"}})[1]
    assert 0 < read < whole


def test_keys_and_models_do_not_share_entries() -> None:
    cache = Cache(Clock())
    request = body([text(1000, cache_control=MARK)])
    account(cache, request)
    assert account(cache, request, key="other")[1] == 0
    assert account(cache, {**request, "model": "claude-opus-5-5"})[1] == 0


@pytest.mark.parametrize(
    ("model", "size", "sent", "tokens"),
    [
        ("claude-sonnet-4-6", (1920, 1080), (1456, 819), 1560),
        ("claude-opus-5-5", (3840, 2160), (2576, 1449), 4784),
        ("claude-sonnet-4-6", (1075, 1520), (924, 1307), 1551),
        ("claude-opus-5-5", (1000, 1000), (1000, 1000), 1296),
    ],
)
def test_pictures_are_counted_by_the_published_rule(
    model: str, size: tuple[int, int], sent: tuple[int, int], tokens: int
) -> None:
    assert shrunk(*size, facts(model)) == sent
    assert image_tokens(*size, facts(model)) == tokens
