"""How many requests may run at once: starts small, grows while the service keeps up, and follows its rate-limit headers.

Pure and single-threaded: it is told what happens and asked whether another may start. It neither sends nor sleeps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

FIRST: Final = 8
CEILING: Final = 50
_BACK_OFF: Final = 0.7
_BACK: Final = 0.25
"""How much each answer gives back of what was lost: one refusal must not slow the whole map."""
_SETTLE: Final = 1.0
"""Seconds in which several refusals count as one: they were all in progress."""
_MINUTE: Final = 60.0
_HEADER: Final = "anthropic-ratelimit-{}-{}"


@dataclass
class Throttle:
    """The pace of one map.

    Parameters
    ----------
    ceiling
        Never more at once.
    clock
        Seconds, monotonic.

    Attributes
    ----------
    running
        How many are in progress.
    limit
        How many may be.
    """

    ceiling: int = CEILING
    clock: Callable[[], float] = time.monotonic
    limit: float = FIRST
    running: int = 0
    _rest_until: float = field(default=0.0, init=False)
    _shrunk: float = field(default=-1e9, init=False)
    _before: float = field(default=0.0, init=False)
    _slow: bool = field(default=False, init=False)
    _remaining: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.limit = min(self.limit, self.ceiling)

    def may_start(self) -> bool:
        """Whether another request may be sent now."""
        if self.clock() < self._rest_until:
            return False
        if self._remaining is not None and self._remaining < 1 and self.running:
            return False
        return self.running < int(self.limit)

    def waits(self) -> float:
        """Seconds until it may be asked again; 0 where only an answer can change that."""
        return max(0.0, self._rest_until - self.clock())

    def start(self) -> None:
        """One was sent."""
        self.running += 1
        if self._remaining is not None:
            self._remaining -= 1

    def end(self) -> None:
        """One is over, however it ended."""
        self.running -= 1

    def answered(self, headers: Mapping[str, str]) -> None:
        """The service began to answer one: room for another."""
        if not self._slow:
            self.limit += 1
        else:
            self.limit += _BACK if self.limit < 0.9 * self._before else 1 / max(1.0, self.limit)
        remaining = self._remaining = _remaining_in(headers)
        if remaining is not None:
            if remaining < 1:
                self._rest_until = max(self._rest_until, self.clock() + _until_reset(headers))
            elif not self._slow and remaining >= self.ceiling:
                self.limit = self.ceiling  # the service says itself that there is room for all
        self.limit = min(self.limit, self.ceiling)

    def refused(self, seconds: float) -> None:
        """The service was busy or a rate limit was reached: fewer from now on, and none for this many seconds."""
        now = self.clock()
        self._rest_until = max(self._rest_until, now + seconds)
        if now - self._shrunk > _SETTLE:
            self._before = max(1.0, min(self.limit, self.running))
            self.limit = max(1.0, self._before * _BACK_OFF)
            self._slow = True
        self._shrunk = now

    def shrink(self) -> None:
        """What is in progress is all that fits for now (a budget has set aside the rest)."""
        self.limit = max(1.0, float(self.running))
        self._slow = True


def _remaining_in(headers: Mapping[str, str]) -> float | None:
    """How many more requests the headers leave until they are renewed; None if they do not say."""
    counts = [_number(headers.get(_HEADER.format("requests", "remaining")))]
    for kind in ("tokens", "input-tokens", "output-tokens"):
        remaining = _number(headers.get(_HEADER.format(kind, "remaining")))
        if remaining is not None and remaining <= 0:
            counts.append(0.0)
    return min((c for c in counts if c is not None), default=None)


def _until_reset(headers: Mapping[str, str]) -> float:
    """Seconds until the next request fits: buckets fill continuously, `reset` is when they are full."""
    waits: list[float] = []
    for kind in ("requests", "tokens", "input-tokens", "output-tokens"):
        remaining = _number(headers.get(_HEADER.format(kind, "remaining")))
        reset = headers.get(_HEADER.format(kind, "reset"))
        limit = _number(headers.get(_HEADER.format(kind, "limit")))
        if remaining is None or remaining > 0 or reset is None:
            continue
        try:
            when = datetime.fromisoformat(reset)
        except ValueError:
            continue
        full = (when if when.tzinfo else when.replace(tzinfo=UTC)) - datetime.now(UTC)
        share = 1 / limit if kind == "requests" and limit else 0.1
        waits.append(max(0.05, min(full.total_seconds() * max(share, 0.02), _MINUTE)))
    return max(waits, default=0.0)


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None
