"""Tokens → US dollars at list price: `genai-prices` with dates, and what it lacks (platform.claude.com/docs/en/about-claude/pricing).

Decimal throughout. A model whose price is not known is `None`, never $0. Nothing here is stored or shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from importlib.metadata import version
from typing import Any, Final

from claude_jupyter.costs.usage import TTL, Cost, Round, Usage, rounds
from claude_jupyter.errors import SettingError
from claude_jupyter.models import facts, known

Prices = Mapping[str, Mapping[str, Any]]
"""The `prices` setting: USD per million tokens, `{model: {"input", "output", "cache_read", …}}`."""

SEARCH: Final = Decimal("0.01")
"""USD per web search; at full price in batches too."""

_DATES: Final = {"0.2.3": "2026-11-10"}
_MILLION: Final = Decimal(1_000_000)
# The ledger keeps whole millionths of a millionth of a dollar: fine enough for one cached token of the cheapest model.
_EXACT: Final = Decimal("1e-12")
_BATCH: Final = Decimal("0.5")
_US: Final = Decimal("1.1")
_FAST: Final = Decimal(2)
_PROVIDER: Final = "anthropic"


@dataclass(frozen=True, slots=True)
class ListPrice:
    """Prices of one model in USD per million tokens, for a given prompt size.

    Attributes
    ----------
    date
        ISO date of the price data, or `own` where the `prices` setting names the model.
    """

    model: str
    input: Decimal
    output: Decimal
    cache_read: Decimal
    cache_write_5m: Decimal
    cache_write_1h: Decimal
    date: str

    def times(self, factor: Decimal) -> ListPrice:
        """All rates multiplied."""
        return replace(self, **{name: getattr(self, name) * factor for name in FIELDS})

    def parts(self, usage: Usage) -> dict[str, Decimal]:
        """Dollars by part, exact to 10⁻¹² dollars."""
        tokens = {
            "input": usage.input * self.input,
            "cache_write": usage.cache_write_5m * self.cache_write_5m
            + usage.cache_write_1h * self.cache_write_1h,
            "cache_read": usage.cache_read * self.cache_read,
            "output": usage.output * self.output,
        }
        return {name: _exact(usd / _MILLION) for name, usd in tokens.items()} | {
            "web_searches": usage.web_searches * SEARCH
        }


def _exact(usd: Decimal) -> Decimal:
    rounded = usd.quantize(_EXACT)
    return usd if usd == rounded else rounded


FIELDS: Final = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
"""The rates of a `ListPrice`, and the keys of a table in the `prices` setting."""


def price(
    usage: Usage | Mapping[str, Any],
    model: str,
    *,
    at: datetime | None = None,
    ttl: TTL = "5m",
    batch: bool = False,
    speed: str | None = None,
    geo: str | None = None,
    overrides: Prices | None = None,
    estimated: bool = False,
) -> Cost | None:
    """The list price of one response, by part, with the savings from caching and the share spent on thinking.

    Parameters
    ----------
    usage
        The response's final usage as the service sent it, or tokens already counted. From the wire, `speed`,
        `inference_geo`, a `service_tier` of batch and the models of `iterations` are taken too.
    model
        Model id, dated or in a cloud's spelling.
    at
        When it was asked (default: now); prices change on dates.
    ttl
        The lifetime that the request asked for its cache entries.
    overrides
        The `prices` setting; it wins over published prices.
    estimated
        Mark the cost as a lower bound.

    Returns
    -------
    Cost or None
        None if the price of a model in it is not known.
    """
    parts: dict[str, Decimal] = {}
    saved = thinking = Decimal(0)
    for tokens, rates in _rated(usage, model, at, ttl, batch, speed, geo, overrides):
        if rates is None:
            return None
        own = rates.parts(tokens)
        for name, usd in own.items():
            parts[name] = parts.get(name, Decimal(0)) + usd
        uncached = rates.parts(Usage(input=tokens.cache_write + tokens.cache_read))["input"]
        saved += uncached - own["cache_write"] - own["cache_read"]
        thinking += rates.parts(Usage(output=tokens.thinking))["output"]
    return Cost(parts, estimated=estimated, saved=saved, thinking=thinking)


def list_price(
    model: str, *, at: datetime | None = None, prompt: int = 0, overrides: Prices | None = None
) -> ListPrice | None:
    """Standard rates of a model, for tables and estimates.

    Parameters
    ----------
    prompt
        Tokens of the whole prompt: some models charge more for long ones.

    Returns
    -------
    ListPrice or None
        None if the price is not known.
    """
    return _rates(model, at, prompt, False, overrides)


@cache
def price_date() -> str:
    """ISO date of the published prices in use: of the installed `genai-prices`, or the latest change it knows of."""
    return _DATES.get(version("genai-prices")) or _latest_change()


def priced_on(model: str, at: datetime, overrides: Prices | None) -> str:
    """What the ledger keeps as the date of a price: the published prices' own, or `own` where the `prices` setting names it."""
    rates = list_price(model, at=at, overrides=overrides)
    return rates.date if rates else price_date()


def check_prices(table: Prices) -> None:
    """Check a whole `prices` setting.

    Raises
    ------
    SettingError
        Naming the model and the field that is missing, unknown or not an amount.
    """
    for model in table:
        _own(model, table)


def _rated(
    usage: Usage | Mapping[str, Any],
    model: str,
    at: datetime | None,
    ttl: TTL,
    batch: bool,
    speed: str | None,
    geo: str | None,
    overrides: Prices | None,
) -> Iterator[tuple[Usage, ListPrice | None]]:
    if isinstance(usage, Usage):
        billed: tuple[Round, ...] = (Round(None, usage),)
    else:
        billed = rounds(usage, ttl=ttl)
        batch = batch or usage.get("service_tier") == "batch"
        # What was asked for is not always what was given: the response tells the speed that was billed.
        speed, geo = usage.get("speed") or speed, usage.get("inference_geo") or geo
    factor = (_BATCH if batch else Decimal(1)) * (_US if geo == "us" else Decimal(1))
    for other, tokens in billed:
        rates = _rates(other or model, at, tokens.prompt, speed == "fast", overrides)
        yield tokens, rates and rates.times(factor)


def _rates(
    model: str, at: datetime | None, prompt: int, fast: bool, overrides: Prices | None
) -> ListPrice | None:
    if overrides and (own := _own(model, overrides)):
        return own.times(_FAST) if fast else own  # every published fast price is twice the standard one
    name = facts(model).id if known(model) else model.lower()
    table = _published(name, _day(at), fast)
    if table is None:
        return None
    return ListPrice(name, *(rate(prompt) for rate in table), date=price_date())


def _day(at: datetime | None) -> date:
    at = at or datetime.now(UTC)
    return at.astimezone(UTC).date() if at.tzinfo else at.date()


@lru_cache(maxsize=512)
def _published(model: str, day: date, fast: bool) -> tuple[Callable[[int], Decimal], ...] | None:
    """The published rates on a day, each a function of the prompt's size, in the order of `FIELDS`."""
    table = _look_up(model, day, fast)
    if table is None and (twin := _fable_twin(model)):
        table = _look_up(twin, day, fast)
    if table is None:
        return None

    def derived(name: str, multiplier: str) -> Callable[[int], Decimal]:
        stated = getattr(table, name)
        return _by_prompt(stated) if stated is not None else lambda n: base(n) * Decimal(multiplier)

    base, output = _by_prompt(table.input_mtok), _by_prompt(table.output_mtok)
    read, short = derived("cache_read_mtok", "0.1"), derived("cache_write_mtok", "1.25")
    return base, output, read, short, derived("cache_write_1h_mtok", "2")


def _look_up(model: str, day: date, fast: bool) -> Any:
    # Batch prices are half of these on any date; genai-prices knows them from 2026-10-14 only, so it is not asked.
    from genai_prices import Usage as Asked
    from genai_prices import calc_price

    def ask(context: dict[str, str]) -> Any:
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        return calc_price(
            Asked(input_tokens=0, output_tokens=0),
            model,
            provider_id=_PROVIDER,
            genai_request_timestamp=noon,
            price_context=context,
        ).model_price

    try:
        standard = ask({})
        quick = ask({"speed": "fast"}) if fast else None
    except LookupError:
        return None
    # A model without a published fast price that was served fast anyway: its price is not known.
    return standard if quick is None else (quick if quick != standard else None)


def _by_prompt(stated: Any) -> Callable[[int], Decimal]:
    if isinstance(stated, Decimal):
        return lambda prompt: stated
    tiers = [(tier.start, tier.price) for tier in stated.tiers]
    return lambda prompt: next((usd for start, usd in reversed(tiers) if prompt > start), stated.base)


def _fable_twin(model: str) -> str | None:
    """Mythos models are priced like the Fable ones; genai-prices lists only some of them."""
    if model == "claude-mythos-preview":
        return "claude-fable-5"
    return model.replace("mythos", "fable") if "mythos" in model else None


def _own(model: str, table: Prices) -> ListPrice | None:
    name = model if model in table else facts(model).id
    if name not in table:
        return None
    rates = table[name]
    if not isinstance(rates, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]: a setting may be anything
        raise SettingError(f'prices["{name}"] must be {_EXAMPLE}, not {rates!r}.')
    if unknown := [key for key in rates if key not in FIELDS]:
        raise SettingError(f'prices["{name}"] has no field {unknown[0]!r}; it takes {", ".join(FIELDS)}.')
    base, output = _amount(name, rates, "input"), _amount(name, rates, "output")
    published = _published(facts(name).id, _day(None), False)
    read = published[2](0) / published[0](0) if published else Decimal("0.1")
    derived = {
        "cache_read": base * read,
        "cache_write_5m": base * Decimal("1.25"),
        "cache_write_1h": base * 2,
    }
    cached = {key: _amount(name, rates, key) if key in rates else usd for key, usd in derived.items()}
    return ListPrice(name, base, output, **cached, date="own")


_EXAMPLE: Final = 'USD per million tokens, for example {"input": 3, "output": 15}'


def _amount(model: str, rates: Mapping[str, Any], key: str) -> Decimal:
    if key not in rates:
        raise SettingError(f'prices["{model}"] has no {key!r}; it takes {_EXAMPLE}.')
    value = rates[key]
    try:
        usd = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        usd = Decimal("NaN")
    if not usd.is_finite() or usd < 0:
        raise SettingError(f'prices["{model}"]["{key}"] takes {_EXAMPLE}, not {value!r}.')
    return usd


@cache
def _latest_change() -> str:
    from genai_prices.data_snapshot import get_snapshot

    known_dates = [max(_DATES.values())]
    for provider in get_snapshot().providers:
        if provider.id == _PROVIDER:
            known_dates += re.findall(r"\d{4}-\d\d-\d\d", provider.price_comments or "")
    return max(known_dates)
