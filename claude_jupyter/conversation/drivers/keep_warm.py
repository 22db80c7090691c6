"""`cache = "warm"`: between two questions the cache entry is read before it expires, so that the next question finds it.

A 5-minute entry is read every 4.5 minutes, a 1-hour entry once an hour; the chat writes the kind that is cheaper to keep.

Each such request is the last one again with `max_tokens = 0`, which reads the entry and writes no answer. It ends when it costs more
than writing the entry again, after two hours, at a budget's limit, or when anything about it goes wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from claude_jupyter.answer.model import Answer
from claude_jupyter.client.events import Reply, Request
from claude_jupyter.client.transport import Stop
from claude_jupyter.conversation.ask.question import Question
from claude_jupyter.conversation.environment import Environment
from claude_jupyter.costs.cache_lifetimes import LIVES, LONGEST, READ_EVERY, reads_worth
from claude_jupyter.costs.usage import TTL, Cost, Usage
from claude_jupyter.errors import ClaudeError

MARK: Final = "warm"
"""`stop_reason` of these requests in the ledger."""
_BUDGETED: Final = (
    'cache = "warm" keeps nothing alive on a model with a thinking budget: its requests must produce an answer. '
    'Use `--thinking off`, a newer model or cache = "1h".'
)


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """The cache entry of a question that was answered.

    Attributes
    ----------
    request
        The last request of the question; what it wrote is what the next question reads.
    sent
        When it was sent, in seconds since 1970: the entry's life begins with the answer, not with its end.
    cell
        The cell that asked.
    """

    request: Request
    sent: float
    question: Question
    answer: Answer
    cell: str | None


class KeepWarm:
    """Keeps the newest cache entry of one chat alive.

    Parameters
    ----------
    count
        Told of the tokens and the price of each request.
    is_needed
        Whether the conversation still holds an answer.
    """

    def __init__(
        self, env: Environment, count: Callable[[Usage, Cost], None], is_needed: Callable[[Answer], bool]
    ) -> None:
        self._env, self._count, self._is_needed = env, count, is_needed
        self._cancel: Callable[[], None] = lambda: None
        self._entry: CacheEntry | None = None
        self._last_question = self._read = 0.0
        self._remaining = 0
        self._ttl: TTL = "5m"
        self._warned = False

    def begin(self, entry: CacheEntry) -> str:
        """Keep the entry of a question alive that has just been answered, and end what went before; once, why that is not possible."""
        self._entry = None
        self._cancel()
        thinking = entry.request.params.get("thinking") or {}
        usage = entry.answer.usage
        if not usage.cache_read + usage.cache_write:
            return ""
        # Thinking with a budget needs more than no tokens, and without thinking the entry would be another one.
        if thinking.get("type") == "enabled":
            warned, self._warned = self._warned, True
            return "" if warned else _BUDGETED
        self._ttl = entry.question.ttl or "5m"
        self._remaining = reads_worth(entry.question.model, self._ttl, self._env.settings.prices)
        self._entry = entry
        self._last_question, self._read = time.time(), entry.sent
        self._again()
        return ""

    @property
    def read(self) -> float:
        """When the entry was read last, in seconds since 1970."""
        return self._read

    def _again(self) -> None:
        due = self._read + READ_EVERY[self._ttl]
        if self._remaining > 0 and due - self._last_question <= LONGEST:
            self._cancel = self._env.later(max(0.0, due - time.time()), self._beat)

    def _beat(self) -> None:
        entry, env, now = self._entry, self._env, time.time()
        # A machine that slept has lost the entry: reading it now would be writing it again.
        expired = now - self._read > LIVES[self._ttl]
        if entry is None or expired or env.settings.cache != "warm" or not self._is_needed(entry.answer):
            return
        try:
            usage, cost = self._send(entry)
        except ClaudeError:  # a budget, the network: the next question pays for the entry, as without this
            return
        self._count(usage, Cost.total([cost]))
        self._remaining -= 1
        if usage.cache_read and self._entry is entry:
            self._read = now
            self._again()

    def _send(self, entry: CacheEntry) -> tuple[Usage, Cost | None]:
        env = self._env
        request = replace(entry.request, params={**entry.request.params, "max_tokens": 0})
        question = replace(entry.question, warm=True)
        request, bill = env.billing.open(request, entry.answer, question, cell=entry.cell, mark=MARK)
        reply = Reply({}, False, True, None, None, None, 0.0)
        try:
            for event in env.service.send(request, Stop()):
                if isinstance(event, Reply):
                    reply = event
        finally:
            closed = bill.close(reply, dict(reply.message.get("usage") or {}))
        if reply.error is not None:
            raise reply.error
        return closed
