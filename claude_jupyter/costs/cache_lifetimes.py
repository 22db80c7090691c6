"""How long cache entries should live, and how long to keep one alive, based on list prices alone."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from claude_jupyter.costs.prices import Prices, list_price
from claude_jupyter.costs.usage import TTL

LIVES: Final[dict[TTL, float]] = {"5m": 300.0, "1h": 3600.0}
"""Seconds after which a cache entry that nobody reads is gone."""

READ_EVERY: Final[dict[TTL, float]] = {"5m": 270.0, "1h": 3540.0}
"""Seconds between two reads that keep an entry alive: each read starts its life anew."""

LONGEST: Final = 7200.0
"""Seconds after the last question beyond which nothing is kept alive."""


def lifetime(pauses: Iterable[float], model: str, overrides: Prices | None = None) -> TTL:
    """The cheaper kind of entry for a conversation that continues with pauses like those seen so far.

    A question after more than five minutes reads a 1-hour entry, but has to write a 5-minute one again; after more than an hour
    both are written again, and so is the first one, at the price of its kind.

    Parameters
    ----------
    pauses
        Seconds between the questions of the conversation.
    """
    rates = list_price(model, overrides=overrides)
    if rates is None:
        return "5m"
    intervals = list(pauses)
    long = sum(LIVES["5m"] < pause <= LIVES["1h"] for pause in intervals)
    longer = sum(pause > LIVES["1h"] for pause in intervals)
    dearer = (rates.cache_write_1h - rates.cache_write_5m) * (1 + longer)
    return "1h" if long and long * (rates.cache_write_5m - rates.cache_read) > dearer else "5m"


def kept_lifetime(model: str, overrides: Prices | None = None) -> TTL:
    """The kind of entry that is cheaper to write and to keep alive for as long as one is kept; 5 minutes for an unknown price.

    Where a read costs 0.05 times the input, 24 reads of a 5-minute entry cost more than the 1-hour write and its two reads.
    """
    rates = list_price(model, overrides=overrides)
    if rates is None:
        return "5m"
    short, long = (reads_worth(model, ttl, overrides) * rates.cache_read for ttl in LIVES)
    return "5m" if rates.cache_write_5m + short <= rates.cache_write_1h + long else "1h"


def reads_worth(model: str, ttl: TTL, overrides: Prices | None = None) -> int:
    """How often an entry may be read to keep it alive before writing it again would be cheaper; 0 for an unknown price."""
    rates = list_price(model, overrides=overrides)
    if rates is None:
        return 0
    write = rates.cache_write_5m if ttl == "5m" else rates.cache_write_1h
    most = int(LONGEST / READ_EVERY[ttl])
    if rates.cache_read <= Decimal(0):
        return most
    return min(most, int((write - rates.cache_read) / rates.cache_read))
