"""What of a conversation is not one question after another: many rows at once, batches, and what every question begins with."""

from __future__ import annotations

import time
from typing import Any

from claude_jupyter.conversation.batches import Batches, listed_batches, submit
from claude_jupyter.conversation.keeping import Kept
from claude_jupyter.conversation.mapping import Mapper
from claude_jupyter.conversation.plan import planned
from claude_jupyter.conversation.preparing import State
from claude_jupyter.conversation.request import TTL
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.options import Options

_LIVES = {"5m": 300.0, "1h": 3600.0}
"""Seconds after which a cache entry is gone."""


class Many(Kept):
    """A chat that can be asked about many rows."""

    _paused = False

    def map(
        self,
        values: Any,
        prompt: str,
        returns: Any = None,
        batch: bool = False,
        *,
        limit: int | None = None,
        **options: Any,
    ) -> Any:
        """Ask one prompt about every row, many at once; what was answered before is not asked again.

        Parameters
        ----------
        values
            A frame (`{column}` in the prompt names its columns), series, list (also of dicts) or dict (`{value}`, `{key}`);
            a prompt that names nothing of a row gets the whole row below it.
        returns
            A type for each row's result, as for `ask`.
        batch
            Through the Message Batches API: half the price, done within a day; a `Batch` comes back at once.
        limit
            How many requests may be under way at once (50); fewer where the service's rate limits ask for it.
        **options
            Named as the magic's. The history is neither read nor extended.

        Returns
        -------
        A frame with result columns added (`answer`, or the fields of `returns`; `error` where rows failed), a series, list or dict
        as its like with None where a row failed, or a `Batch`.

        Raises
        ------
        ClaudeError
            Where no row could be answered, a budget is used up, or it is stopped: what is done is kept, the next run pays the rest.
        """
        given = Options.of(**options, returns=returns)
        number, state = self._number_and_state()
        plan = planned(self._world, state, number, values, prompt, given)
        if batch:
            return submit(plan, self._count)
        mapper = Mapper(plan, limit)
        try:
            return mapper.run().value
        finally:
            self._count(mapper.usage, mapper.cost)

    @property
    def batches(self) -> Batches:
        """The batches of `map(…, batch=True)`, of this kernel and others, newest first."""
        return listed_batches(self._world, self._count)

    def _number_and_state(self, *, sends: bool = True) -> tuple[int, State]:
        """Which question of the chat the next one is, and the chat as it finds it; what is not sent takes no number."""
        with self._lock:
            number = self._asked + 1
            if sends:
                self._asked = number
            warm = self._is_warm()
            expired = self._last_ttl is not None and not warm
            tools = tuple(self._tools)
            return number, State(
                self.name, self._turns, tools, self._model, self._default_system, self._ttl(), warm, expired
            )

    def _count(self, usage: Usage, cost: Cost) -> None:
        """Add what was asked outside the history."""
        with self._lock:
            self._usage = self._usage + usage
            self._cost = Cost.total((self._cost, cost))

    def _ttl(self) -> TTL | None:
        cache = self._world.settings.cache
        if cache == "off":
            return None
        if cache != "auto":
            return cache
        if self._last_end is not None and time.monotonic() - self._last_end > _LIVES["5m"]:
            self._paused = True
        return "1h" if self._paused else "5m"

    def _is_warm(self) -> bool:
        """Whether the last question's cache entries are likely to be there still."""
        if self._last_ttl is None or self._last_end is None:
            return False
        return time.monotonic() - self._last_end < _LIVES[self._last_ttl]
