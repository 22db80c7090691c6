"""A long conversation over a large attachment, and what it costs by the service's own accounting rules (`demo/oracle/caching.py`)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from support.world import Stage, stage

from claude_jupyter.costs.prices import price
from claude_jupyter.costs.usage import Usage
from claude_jupyter.demo.script import Script

ANSWER = Script(text="x" * round(250 * 3.5))
"""An answer of 250 tokens."""


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Later:
    """What is done later, done when time passes; the service's cache and the conversation share the clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.due: list[tuple[float, Callable[[], None]]] = []

    def __call__(self, seconds: float, work: Callable[[], None]) -> Callable[[], Any]:
        entry = (self.clock.now + seconds, work)
        self.due.append(entry)
        return lambda: entry in self.due and self.due.remove(entry)

    def passes(self, seconds: float) -> None:
        until = self.clock.now + seconds
        while self.due and self.due[0][0] <= until:
            due, work = self.due.pop(0)
            self.clock.now = max(self.clock.now, due)
            work()
        self.clock.now = max(self.clock.now, until)


def document(tokens: int) -> list[str]:
    """Texts of so many tokens together, none longer than is shown whole."""
    count = -(-tokens // 15_000)
    return [chr(97 + k) * round(tokens / count * 3.5) for k in range(count)]


def talk(turns: int, tokens: int, *, cache: str = "auto", clock: Any = None, **options: Any) -> Usage:
    """What the server counts for a conversation about a document of so many tokens."""
    with stage(ANSWER, **({"clock": clock} if clock else {})) as s:
        s.settings.cache = cache
        converse(s, turns, tokens, **options)
        return s.server.usage


def converse(s: Stage, turns: int, tokens: int, **options: Any) -> None:
    """Ask about the document, then go on asking."""
    s.claude.ask("What is this about? " * 3, *document(tokens), **options)
    for n in range(turns - 1):
        s.claude.ask(f"Question {n}: what else does it say about this? " * 2, **options)


def dollars(usage: Usage, model: str = "claude-sonnet-5-5", ttl: Any = "5m") -> Decimal:
    """What it costs at list price."""
    cost = price(usage, model, ttl=ttl)
    assert cost is not None
    return Decimal(cost)
