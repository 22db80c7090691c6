"""Days of conversations: pauses between questions over a large attachment, what each way of caching pays, and the least possible.

The pauses are drawn once and for all from a fixed seed: most questions follow within minutes, some after a meeting or lunch.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from unittest import mock

from support.long_talk import ANSWER, Later, document
from support.world import stage

from claude_jupyter.costs.cache_lifetimes import LIVES, READ_EVERY
from claude_jupyter.costs.prices import list_price, price
from claude_jupyter.costs.usage import TTL

MODELS = ("claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-5-5")
ATTACHMENT = 50_000
HABITS = {
    "steady": (0.85, 0.10),
    "mixed": (0.70, 0.25),
    "meetings": (0.50, 0.40),
    "now and then": (0.40, 0.55),
}
"""Shares of pauses below five minutes and of those up to an hour; the rest last up to three hours."""


@dataclass(frozen=True, slots=True)
class Day:
    """The pauses of one conversation.

    Attributes
    ----------
    pauses
        Seconds between one answer and the next question.
    again
        Which questions (from 1) run the cell before again instead of asking something new.
    """

    habit: str
    model: str
    pauses: tuple[float, ...]
    again: frozenset[int]


def days(count: int = 20, seed: int = 7) -> list[Day]:
    """The same days for every way of caching."""
    rng = random.Random(seed)
    habits = list(HABITS)
    return [_day(rng, habits[n % len(habits)], MODELS[n % len(MODELS)]) for n in range(count)]


def _day(rng: random.Random, habit: str, model: str) -> Day:
    pauses = tuple(_pause(rng, *HABITS[habit]) for _ in range(rng.randint(10, 24)))
    return Day(habit, model, pauses, frozenset(n + 1 for n in range(1, len(pauses)) if rng.random() < 0.15))


def _pause(rng: random.Random, short: float, middle: float) -> float:
    where = rng.random()
    if where < short:
        return rng.uniform(30, LIVES["5m"])
    if where < short + middle:
        return math.exp(rng.uniform(math.log(LIVES["5m"]), math.log(LIVES["1h"])))
    return rng.uniform(LIVES["1h"], 3 * LIVES["1h"])


def least(pauses: Sequence[float], sizes: Sequence[int], model: str) -> float:
    """Dollars for the prompts of one conversation if all its pauses had been known beforehand.

    After each question an entry of either kind stands. Over a pause it lives on, or is read each time before it ends, or is written
    again as either kind: the cheapest path through all of them.

    Parameters
    ----------
    sizes
        Tokens of each question's prompt.
    """
    rates = list_price(model)
    assert rates is not None
    write: dict[TTL, float] = {"5m": float(rates.cache_write_5m), "1h": float(rates.cache_write_1h)}
    read = float(rates.cache_read)
    best = {kind: sizes[0] * rate for kind, rate in write.items()}
    for pause, before, size in zip(pauses, sizes, sizes[1:], strict=False):
        reads = {kind: max(0, math.ceil((pause - LIVES[kind]) / READ_EVERY[kind])) for kind in write}
        cached = min(before, size)
        anew = min(best.values())
        best = {
            kind: min(
                anew + size * rate,
                best[kind] + (reads[kind] * before + cached) * read + (size - cached) * rate,
            )
            for kind, rate in write.items()
        }
    return min(best.values()) / 1e6


def spent(day: Day, cache: str) -> tuple[float, float]:
    """Dollars for the prompts of that day with this setting, by the service's accounting, and the least possible."""
    later = Later()
    with (
        mock.patch.object(time, "monotonic", later.clock),
        mock.patch.object(time, "time", later.clock),
        stage(ANSWER, clock=later.clock) as s,
    ):
        s.env.later = later
        s.settings.cache = cache
        s.settings.model = day.model
        s.settings.confirm_above = None
        for n in range(len(day.pauses) + 1):
            if n:
                later.passes(day.pauses[n - 1])
            s.run(f"cell-{n - 1 if n in day.again else n}", f"run-{n}")
            s.claude.ask(
                f"Question {n}: what does it say about this? " * 2, *([] if n else document(ATTACHMENT))
            )
        requests = [r for r in s.server.requests if r.path == "/v1/messages"]
        costs = [price(replace(r.usage, output=0), day.model) for r in requests]
    sizes = [r.usage.prompt for r in requests if r.body and r.body["max_tokens"]]
    return sum(float(cost) for cost in costs if cost), least(day.pauses, sizes, day.model)
