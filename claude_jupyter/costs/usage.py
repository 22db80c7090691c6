"""Tokens and money as values. No prices here (`prices.py`) and no storage (`costs/ledger/sqlite_ledger.py`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any, Literal, NamedTuple, Self

TTL = Literal["5m", "1h"]
"""The requested lifetime of a cache entry."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more requests. The counts do not overlap, except `thinking`.

    Attributes
    ----------
    input
        Prompt tokens neither read from the cache nor written to it.
    output
        Output tokens, thinking included.
    cache_read, cache_write_5m, cache_write_1h
        Prompt tokens read from the cache, and written to it for 5 minutes or 1 hour.
    thinking
        The part of `output` that was thinking, where the service said so.
    web_searches
        Searches billed.
    """

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    thinking: int = 0
    web_searches: int = 0

    @property
    def cache_write(self) -> int:
        """Tokens written to the cache, whatever their lifetime."""
        return self.cache_write_5m + self.cache_write_1h

    @property
    def prompt(self) -> int:
        """The whole prompt: input + cache writes + cache reads."""
        return self.input + self.cache_write + self.cache_read

    @property
    def total(self) -> int:
        """Prompt and output together."""
        return self.prompt + self.output

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Usage)))

    def to_json(self) -> dict[str, int]:
        """As in the answer's JSON form (`usage` of the answer mime type)."""
        return {
            "input": self.input,
            "output": self.output,
            "cache_read": self.cache_read,
            "cache_write_5m": self.cache_write_5m,
            "cache_write_1h": self.cache_write_1h,
        }

    @classmethod
    def from_wire(cls, usage: Mapping[str, Any], *, ttl: TTL = "5m") -> Usage:
        """What was billed, from a response's *final* usage (message_start's, overwritten by message_delta's).

        Parameters
        ----------
        usage
            The Messages API's `usage` object as a plain mapping; values may be None or missing.
        ttl
            The lifetime that the request asked for its cache entries: cache writes that the breakdown does not
            explain (it is a stale copy of message_start's) are billed at it.
        """
        return sum((round_.usage for round_ in rounds(usage, ttl=ttl)), cls())

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; unknown keys are ignored, missing ones are 0."""
        return cls(**{f.name: int(data.get(f.name) or 0) for f in fields(cls)})


class Round(NamedTuple):
    """One sampling round within a response: `model` is None if it is the response's own."""

    model: str | None
    usage: Usage


def rounds(usage: Mapping[str, Any], *, ttl: TTL = "5m") -> tuple[Round, ...]:
    """A response's final usage, round by round: compaction, advisor and fallback rounds may have models of their own.

    The top-level counts leave some of these rounds out, so their sum is what is billed
    (platform.claude.com/docs/en/build-with-claude/compaction). A model that declined before any
    output, so that another took over, is not billed.
    """
    thinking, searches = _inner(usage, "output_tokens_details", "thinking_tokens"), _searches(usage)
    iterations = [i for i in usage.get("iterations") or () if isinstance(i, Mapping)]
    if not iterations:
        return (Round(None, replace(_tokens(usage, ttl), thinking=thinking, web_searches=searches)),)
    fell_back = any(i.get("type") == "fallback_message" for i in iterations)
    billed = [
        Round(i.get("model") or None, _tokens(i, ttl))
        for i in iterations
        if not (fell_back and i.get("type") == "message" and not i.get("output_tokens"))
    ]
    # Thinking and searches are told for the response as a whole: they belong to the round that answered.
    answered = max((n for n, i in enumerate(billed) if i.usage.output >= thinking), default=len(billed) - 1)
    last = billed[answered]
    billed[answered] = Round(last.model, replace(last.usage, thinking=thinking, web_searches=searches))
    return tuple(billed)


def _tokens(usage: Mapping[str, Any], ttl: TTL) -> Usage:
    written = _count(usage, "cache_creation_input_tokens")
    long = min(_inner(usage, "cache_creation", "ephemeral_1h_input_tokens"), written)
    short = min(_inner(usage, "cache_creation", "ephemeral_5m_input_tokens"), written - long)
    unexplained = written - long - short
    return Usage(
        input=_count(usage, "input_tokens"),
        output=_count(usage, "output_tokens"),
        cache_read=_count(usage, "cache_read_input_tokens"),
        cache_write_5m=short + (unexplained if ttl == "5m" else 0),
        cache_write_1h=long + (unexplained if ttl == "1h" else 0),
    )


def _count(usage: Mapping[str, Any], key: str) -> int:
    return max(int(usage.get(key) or 0), 0)


def _inner(usage: Mapping[str, Any], outer: str, key: str) -> int:
    inner = usage.get(outer)
    return _count(inner, key) if isinstance(inner, Mapping) else 0


def _searches(usage: Mapping[str, Any]) -> int:
    return _inner(usage, "server_tool_use", "web_search_requests")


class Cost(Decimal):
    """US dollars at list price, with their parts. Behaves as a `Decimal` in arithmetic.

    Attributes
    ----------
    parts
        Dollars by part: `input`, `cache_write`, `cache_read`, `output`, `web_searches`. They sum to the cost.
    estimated
        True if it is a lower bound: the service never reported the output of an interrupted answer.
    unknown
        How many requests in it had a model whose price is not known (they count 0 here).
    saved
        Dollars that caching saved compared with the same prompt uncached; negative if an entry was written and not (yet) read.
    thinking
        Dollars of the output that were thinking.
    """

    __slots__ = ("estimated", "parts", "saved", "thinking", "unknown")
    parts: dict[str, Decimal]
    estimated: bool
    unknown: int
    saved: Decimal
    thinking: Decimal

    def __new__(
        cls,
        parts: Mapping[str, Decimal] | None = None,
        *,
        estimated: bool = False,
        unknown: int = 0,
        saved: Decimal = Decimal(0),
        thinking: Decimal = Decimal(0),
    ) -> Self:
        self = super().__new__(cls, sum((parts or {}).values(), Decimal(0)))
        self.parts = dict(parts or {})
        self.estimated = estimated
        self.unknown = unknown
        self.saved = saved
        self.thinking = thinking
        return self

    def __repr__(self) -> str:
        breakdown = ", ".join(f"{name.replace('_', ' ')} ${usd:f}" for name, usd in self.parts.items() if usd)
        text = f"${self:f}" + (f" ({breakdown})" if breakdown else "")
        text = f"≥ {text}" if self.estimated else text
        return text + (f", {self.unknown} of unknown price" if self.unknown else "")

    def __reduce__(self) -> tuple[Any, ...]:
        return _cost, (self.parts, self.estimated, self.unknown, self.saved, self.thinking)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any, /) -> Self:
        return self

    @classmethod
    def total(cls, costs: Iterable[Cost | None]) -> Self:
        """The sum; a `None` among them counts as one request of unknown price."""
        parts: dict[str, Decimal] = {}
        estimated, unknown = False, 0
        saved = thinking = Decimal(0)
        for cost in costs:
            if cost is None:
                unknown += 1
                continue
            for name, usd in cost.parts.items():
                parts[name] = parts.get(name, Decimal(0)) + usd
            estimated |= cost.estimated
            unknown += cost.unknown
            saved += cost.saved
            thinking += cost.thinking
        return cls(parts, estimated=estimated, unknown=unknown, saved=saved, thinking=thinking)


def _cost(
    parts: Mapping[str, Decimal], estimated: bool, unknown: int, saved: Decimal, thinking: Decimal
) -> Cost:
    return Cost(parts, estimated=estimated, unknown=unknown, saved=saved, thinking=thinking)


def dollars(usd: Decimal | None, *, estimated: bool = False) -> str:
    """Money, formatted the same everywhere: `$0.0134`, `$1.98`, `≥ $0.0051`, `price unknown`.

    Four decimals below a dollar's hundredth part matter to a reader of footers; from 10 cents on two or three do.
    """
    if usd is None:
        return "price unknown"
    if usd == 0:
        text = "$0"
    elif usd <= Decimal("0.00005"):  # what four decimals would show as $0.0000
        # As a lower bound "< $0.0001" says nothing: one significant digit does.
        return f"≥ ${Decimal(f'{usd:.0e}'):f}" if estimated else "< $0.0001"
    elif usd < Decimal("0.1"):
        text = f"${usd:.4f}"
    elif usd < 1:
        text = f"${usd:.3f}"
    else:
        text = f"${usd:,.2f}"
    return f"≥ {text}" if estimated else text
