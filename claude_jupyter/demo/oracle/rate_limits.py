"""Rate limits as the service applies them: buckets that fill continuously, reported in headers; a 429 with `retry-after` when one is empty.

https://platform.claude.com/docs/en/api/rate-limits: requests, input tokens (what the cache gave does not count) and output tokens.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

from claude_jupyter.costs.usage import Usage
from claude_jupyter.demo.oracle.refusal import Refused

_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What a minute allows."""

    requests: int = 100_000
    input_tokens: int = 1_000_000_000
    output_tokens: int = 200_000_000


class Buckets:
    """What is left of the limits, per key.

    Parameters
    ----------
    clock
        Seconds, monotonic.
    """

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits = {
            "requests": limits.requests,
            "input-tokens": limits.input_tokens,
            "output-tokens": limits.output_tokens,
        }
        self._clock = clock
        self._levels: dict[tuple[str, str], tuple[float, float]] = {}
        self._lock = threading.Lock()

    def admit(self, key: str) -> None:
        """Let a request in.

        Raises
        ------
        Refused
            429 while a bucket is empty, with the seconds until it is not.
        """
        with self._lock:
            now = self._clock()
            empty = [
                (1 - self._at(key, name, now)) / limit * _MINUTE
                for name, limit in self._limits.items()
                if self._at(key, name, now) < 1
            ]
            if not empty:
                self._take(key, "requests", 1, now)
        if empty:
            headers = {**self.headers(key), "retry-after": str(ceil(max(empty)))}
            raise Refused(429, "This request would exceed your rate limit.", headers=headers)

    def used(self, key: str, usage: Usage) -> None:
        """Count a request's tokens: those of its prompt when the answer starts, those of the answer when it ends."""
        with self._lock:
            now = self._clock()
            self._take(key, "input-tokens", usage.input + usage.cache_write, now)
            self._take(key, "output-tokens", usage.output, now)

    def headers(self, key: str) -> dict[str, str]:
        """The limits and what is left of them, as response headers; `tokens` is the tighter of the two kinds."""
        with self._lock:
            now = self._clock()
            levels = {name: self._at(key, name, now) for name in self._limits}
        tight = min(("input-tokens", "output-tokens"), key=lambda name: levels[name] / self._limits[name])
        headers: dict[str, str] = {}
        for title, name in [*((n, n) for n in self._limits), ("tokens", tight)]:
            limit = self._limits[name]
            full = datetime.now(UTC) + timedelta(seconds=(limit - levels[name]) / limit * _MINUTE)
            headers[f"anthropic-ratelimit-{title}-limit"] = str(limit)
            headers[f"anthropic-ratelimit-{title}-remaining"] = str(max(0, int(levels[name])))
            headers[f"anthropic-ratelimit-{title}-reset"] = full.strftime("%Y-%m-%dT%H:%M:%SZ")
        return headers

    def _at(self, key: str, name: str, now: float) -> float:
        limit = self._limits[name]
        level, at = self._levels.get((key, name), (float(limit), now))
        return min(float(limit), level + (now - at) / _MINUTE * limit)

    def _take(self, key: str, name: str, amount: int, now: float) -> None:
        self._levels[key, name] = (self._at(key, name, now) - amount, now)
