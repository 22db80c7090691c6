"""What a response costs at list price: every worked example of the service's own pages, and what genai-prices lacks."""

import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_jupyter.costs.prices import check_prices, list_price, price, price_date
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.errors import SettingError

D = Decimal
AT = datetime(2026, 11, 22, tzinfo=UTC)

# platform.claude.com/docs/en/about-claude/pricing
# Input, write 5m, write 1h, read, output, batch in / out, fast in / out (USD per million).
TABLE = """
claude-fable-5-2  8     10    16   0.20 40   4    20    16 80
claude-mythos-5-2 8     10    16   0.20 40   4    20    16 80
claude-fable-5-1  10    12.50 20   0.25 50   5    25    -  -
claude-mythos-5-1 10    12.50 20   0.25 50   5    25    -  -
claude-fable-5    10    12.50 20   1.00 50   5    25    -  -
claude-mythos-5   10    12.50 20   1.00 50   5    25    -  -
claude-opus-5-5   4     5     8    0.20 20   2    10    8  40
claude-opus-5     5     6.25  10   0.50 25   2.50 12.50 10 50
claude-opus-4-8   5     6.25  10   0.50 25   2.50 12.50 10 50
claude-opus-4-7   5     6.25  10   0.50 25   2.50 12.50 -  -
claude-opus-4-6   5     6.25  10   0.50 25   2.50 12.50 -  -
claude-opus-4-5   5     6.25  10   0.50 25   2.50 12.50 -  -
claude-sonnet-5-5 2     2.50  4    0.10 10   1    5     -  -
claude-sonnet-5   2     2.50  4    0.20 10   1    5     -  -
claude-sonnet-4-6 3     3.75  6    0.30 15   1.50 7.50  -  -
claude-sonnet-4-5 3     3.75  6    0.30 15   1.50 7.50  -  -
claude-haiku-5-5  0.10  0.125 0.20 0.01 0.50 0.05 0.25  -  -
claude-haiku-4-5  1     1.25  2    0.10 5    0.50 2.50  -  -
""".strip().splitlines()
ROWS = [line.split() for line in TABLE]


@pytest.mark.parametrize("row", ROWS, ids=[r[0] for r in ROWS])
def test_every_row_of_the_price_table(row: list[str]):
    model, *stated = row
    rates = list_price(model, at=AT)
    assert rates is not None
    got = (rates.input, rates.cache_write_5m, rates.cache_write_1h, rates.cache_read, rates.output)
    assert got == tuple(map(D, stated[:5]))
    for usage, column in ((Usage(input=100_000), 5), (Usage(output=100_000), 6)):
        assert price(usage, model, at=AT, batch=True) == D(stated[column]) / 10
    for usage, column in ((Usage(input=100_000), 7), (Usage(output=100_000), 8)):
        fast = price(usage, model, at=AT, speed="fast")
        assert fast == (None if stated[column] == "-" else D(stated[column]) / 10)


def test_opus_with_both_cache_lifetimes_and_two_searches():
    usage = Usage(
        input=12_000,
        cache_write_5m=3_000,
        cache_write_1h=2_000,
        cache_read=50_000,
        output=1_500,
        web_searches=2,
    )
    cost = price(usage, "claude-opus-5-5", at=AT)
    assert cost == D("0.139")
    assert cost is not None
    assert cost.parts == {
        "input": D("0.048"),
        "cache_write": D("0.031"),
        "cache_read": D("0.01"),
        "output": D("0.03"),
        "web_searches": D("0.02"),
    }
    assert price(Usage(input=12_000, cache_write_5m=3_000, cache_write_1h=2_000, cache_read=50_000, output=1_500),
                 "claude-opus-5-5", at=AT) == D("0.119")  # fmt: skip


def test_a_long_prompt_moves_the_whole_haiku_request_to_the_higher_rate():
    usage = Usage(input=30_000, cache_write_5m=20_000, cache_read=100_000, output=2_000)
    assert price(usage, "claude-haiku-5-5", at=AT) == D("0.0375")
    assert price(Usage(input=100_000, output=1_000), "claude-haiku-5-5", at=AT) == D("0.0105")
    assert price(Usage(input=100_001), "claude-haiku-5-5", at=AT) == D("0.0500005")
    rates = list_price("haiku", at=AT, prompt=100_001)
    assert rates is not None
    assert (rates.input, rates.output) == (D("0.50"), D("2.50"))


def test_batches_cost_half_but_searches_in_them_do_not():
    usage = Usage(input=100_000, output=10_000)
    assert price(usage, "claude-sonnet-5-5", at=AT, batch=True) == D("0.15")
    assert price(Usage(web_searches=1_000), "claude-sonnet-5-5", at=AT, batch=True) == 10
    # genai-prices knows batch prices only from October 2026; they were half before, too.
    assert price(usage, "claude-sonnet-4-6", at=datetime(2026, 3, 1, tzinfo=UTC), batch=True) == D("0.225")


def test_fast_in_the_us():
    usage = Usage(input=100_000, output=10_000)
    assert price(usage, "claude-opus-5-5", at=AT, speed="fast", geo="us") == D("1.32")


def test_the_speed_and_place_that_were_given_are_billed_not_those_asked_for():
    wire = {"input_tokens": 100_000, "output_tokens": 10_000, "speed": "standard", "inference_geo": "global"}
    assert price(wire, "claude-opus-5-5", at=AT, speed="fast", geo="us") == D("0.6")


def test_the_us_surcharge_is_on_tokens_only():
    assert price(Usage(input=1_000_000, web_searches=100), "claude-opus-5-5", at=AT, geo="us") == D("5.4")
    assert price(Usage(input=1_000_000), "claude-opus-5-5", at=AT, geo="global") == 4


def test_an_image_costs_what_the_pages_say():
    image = Usage(input=1296)
    assert round(price(image, "claude-opus-5-5", at=AT) or 0, 4) == D("0.0052")
    assert round(price(image, "claude-sonnet-5-5", at=AT) or 0, 4) == D("0.0026")
    assert round(price(image, "claude-haiku-5-5", at=AT) or 0, 5) == D("0.00013")


def test_the_wire_tells_speed_geo_tier_and_the_models_of_its_rounds():
    wire: dict[str, Any] = {"input_tokens": 100_000, "output_tokens": 10_000}
    fast = wire | {"speed": "fast", "inference_geo": "us", "service_tier": "standard"}
    assert price(fast, "claude-opus-5-5", at=AT) == D("1.32")
    assert price(wire | {"service_tier": "batch"}, "claude-sonnet-5-5", at=AT) == D("0.15")
    advised = wire | {
        "iterations": [
            {"type": "message", "input_tokens": 1_000, "output_tokens": 100},
            {
                "type": "advisor_message",
                "model": "claude-opus-4-7",
                "input_tokens": 1_000,
                "output_tokens": 100,
            },
        ]
    }
    assert price(advised, "claude-sonnet-5-5", at=AT) == D("0.003") + D("0.0075")


def test_the_stale_breakdown_is_priced_at_the_lifetime_asked_for():
    wire = {"cache_creation_input_tokens": 17_269, "cache_creation": {"ephemeral_5m_input_tokens": 0}}
    assert price(wire, "claude-sonnet-5-5", at=AT) == 17_269 * D("2.50") / 1_000_000
    assert price(wire, "claude-sonnet-5-5", at=AT, ttl="1h") == 17_269 * D(4) / 1_000_000


@pytest.mark.parametrize(
    "model", ["claude-opus-9", "gpt-6", "claude-sonnet-5-5-turbo", "", "my/gateway-model"]
)
def test_an_unknown_model_costs_unknown_and_never_nothing(model: str):
    assert price(Usage(input=10), model, at=AT) is None
    assert list_price(model, at=AT) is None


@pytest.mark.parametrize(
    "spelling",
    [
        "claude-opus-4-5-20251101",
        "anthropic.claude-opus-4-5-20251101-v1:0",
        "us.anthropic.claude-opus-4-5-20251101-v1:0",
        "claude-opus-4-5@20251101",
    ],
)
def test_dated_and_cloud_spellings_cost_the_same(spelling: str):
    assert price(Usage(input=1_000_000), spelling, at=AT) == 5


def test_mythos_costs_what_its_fable_twin_costs():
    assert price(Usage(input=1_000_000), "claude-mythos-5-1", at=AT) == 10
    assert price(Usage(output=1_000_000), "claude-mythos-preview", at=AT) == 50


def test_prices_are_those_of_the_day():
    long = Usage(input=300_000)
    assert price(long, "claude-opus-4-6", at=datetime(2026, 3, 1, tzinfo=UTC)) == 3
    assert price(long, "claude-opus-4-6", at=datetime(2026, 3, 20, tzinfo=UTC)) == D("1.5")


def test_the_date_of_the_prices_is_told():
    assert price_date() >= "2026-11-10"
    datetime.fromisoformat(price_date())


def test_own_prices_win_and_missing_cache_prices_are_derived():
    own = {"my-model": {"input": 4, "output": "8.5"}, "claude-sonnet-5-5": {"input": 1, "output": 2}}
    rates = list_price("my-model", overrides=own)
    assert rates is not None
    assert (rates.cache_read, rates.cache_write_5m, rates.cache_write_1h) == (D("0.4"), 5, 8)
    assert (rates.output, rates.date) == (D("8.5"), "own")
    sonnet = list_price("claude-sonnet-5-5", overrides=own)
    assert sonnet is not None
    assert sonnet.cache_read == D("0.05")
    assert price(Usage(input=1_000_000), "claude-sonnet-5-5", overrides=own, batch=True) == D("0.5")
    assert price(Usage(input=1_000_000), "claude-opus-5-5", overrides=own) == 4
    exact = {"m": {"input": 1, "output": 1, "cache_read": 0.3, "cache_write_5m": 0, "cache_write_1h": 7}}
    assert price(Usage(cache_read=1_000_000), "m", overrides=exact) == D("0.3")


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"m": {"output": 1}}, "'input'"),
        ({"m": {"input": 1}}, "'output'"),
        ({"m": {"input": "three", "output": 1}}, '"input"'),
        ({"m": {"input": 1, "output": None}}, '"output"'),
        ({"m": {"input": 1, "output": True}}, '"output"'),
        ({"m": {"input": 1, "output": -1}}, '"output"'),
        ({"m": {"input": 1, "output": math.nan}}, '"output"'),
        ({"m": {"input": 1, "output": 1, "cached": 1}}, "'cached'"),
        ({"m": {"input": 1, "output": 1, "cache_read": "x"}}, '"cache_read"'),
        ({"m": 3}, "input"),
    ],
)
def test_a_wrong_price_table_is_refused_naming_the_field(table: Any, named: str):
    with pytest.raises(SettingError) as refused:
        price(Usage(input=1), "m", overrides=table)
    assert "m" in refused.value.message
    assert named in refused.value.message
    with pytest.raises(SettingError):
        check_prices(table)


def test_what_caching_saved_counts_its_cost():
    # Read at a twentieth of the input price; the write cost a quarter more than plain input.
    usage = Usage(input=500, cache_read=100_000, cache_write_5m=10_000, output=9)
    cost = price(usage, "claude-sonnet-5-5", at=AT)
    assert cost is not None and cost.saved == D("0.19") - D("0.005")
    written = price(Usage(cache_write_1h=1_000_000), "claude-sonnet-5-5", at=AT)
    assert written is not None and written.saved == -2
    assert Cost.total((cost, written, None)).saved == cost.saved - 2


def test_thinking_is_a_part_of_the_output():
    usage = Usage(output=1_000, thinking=400)
    cost = price(usage, "claude-sonnet-5-5", at=AT)
    assert cost is not None and cost.thinking == D("0.004") and cost == D("0.01")


counts = st.integers(0, 2_000_000)


@given(
    usage=st.builds(Usage, counts, counts, counts, counts, counts),
    model=st.sampled_from([r[0] for r in ROWS]),
    batch=st.booleans(),
    geo=st.sampled_from([None, "us"]),
)
def test_parts_always_sum_to_the_cost_exactly(usage: Usage, model: str, batch: bool, geo: str | None):
    cost = price(usage, model, at=AT, batch=batch, geo=geo)
    assert cost is not None
    assert sum(cost.parts.values()) == cost
    assert cost == cost.quantize(D("1e-12"))
    assert set(cost.parts) == {"input", "cache_write", "cache_read", "output", "web_searches"}
