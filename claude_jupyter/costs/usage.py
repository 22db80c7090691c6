"""Tokens and money as values. No prices here (`prices.py`) and no storage (`ledger.py`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more requests; all counts, all disjoint except `thinking`.

    Attributes
    ----------
    input
        Prompt tokens read neither from nor into the cache.
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
        """As in the answer JSON (SPEC section 5)."""
        return {
            "input": self.input,
            "output": self.output,
            "cache_read": self.cache_read,
            "cache_write_5m": self.cache_write_5m,
            "cache_write_1h": self.cache_write_1h,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; unknown keys are ignored, missing ones are 0."""
        return cls(**{f.name: int(data.get(f.name) or 0) for f in fields(cls)})


class Cost(Decimal):
    """US dollars at list price, with the parts they are made of. A `Decimal` in every arithmetic.

    Attributes
    ----------
    parts
        Dollars by part: `input`, `cache_write`, `cache_read`, `output`, `web_searches`. They sum to the cost.
    estimated
        True where it is a lower bound: the output of an interrupted answer was never told by the service.
    unknown
        How many requests in it had a model whose price is not known (they count 0 here).
    """

    __slots__ = ("estimated", "parts", "unknown")
    parts: dict[str, Decimal]
    estimated: bool
    unknown: int

    def __new__(
        cls,
        parts: Mapping[str, Decimal] | None = None,
        *,
        estimated: bool = False,
        unknown: int = 0,
    ) -> Self:
        self = super().__new__(cls, sum((parts or {}).values(), Decimal(0)))
        self.parts = dict(parts or {})
        self.estimated = estimated
        self.unknown = unknown
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _cost, (self.parts, self.estimated, self.unknown)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any, /) -> Self:
        return self

    @classmethod
    def total(cls, costs: Iterable[Cost | None]) -> Self:
        """The sum; a `None` among them counts as one request of unknown price."""
        parts: dict[str, Decimal] = {}
        estimated, unknown = False, 0
        for cost in costs:
            if cost is None:
                unknown += 1
                continue
            for name, usd in cost.parts.items():
                parts[name] = parts.get(name, Decimal(0)) + usd
            estimated |= cost.estimated
            unknown += cost.unknown
        return cls(parts, estimated=estimated, unknown=unknown)


def _cost(parts: Mapping[str, Decimal], estimated: bool, unknown: int) -> Cost:
    return Cost(parts, estimated=estimated, unknown=unknown)


def dollars(usd: Decimal | None, *, estimated: bool = False) -> str:
    """Money as it is shown everywhere: `$0.0134`, `$1.98`, `≥ $0.0051`, `price unknown`.

    Four decimals below a dollar's hundredth part matter to a reader of footers; from 10 cents on two or three do.
    """
    if usd is None:
        return "price unknown"
    if usd == 0:
        text = "$0"
    elif usd < Decimal("0.00005"):
        text = "< $0.0001"
    elif usd < Decimal("0.1"):
        text = f"${usd:.4f}"
    elif usd < 1:
        text = f"${usd:.3f}"
    else:
        text = f"${usd:,.2f}"
    return f"≥ {text}" if estimated else text
