"""The object people hold: `from claude_jupyter import claude`. It asks; what it keeps is `keeping.py`.

How a question is answered is `asking.py`, how history follows the cells `history.py`, the ways to wait for it `streams.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from claude_jupyter.conversation import background
from claude_jupyter.conversation.asking import Asking
from claude_jupyter.conversation.batches import Batches, listed_batches, submit
from claude_jupyter.conversation.calls import Tool
from claude_jupyter.conversation.interrupts import uninterrupted
from claude_jupyter.conversation.keeping import Kept
from claude_jupyter.conversation.listing import listed
from claude_jupyter.conversation.mapping import Mapper
from claude_jupyter.conversation.plan import planned
from claude_jupyter.conversation.preparing import Ask, State, follow, prepare
from claude_jupyter.conversation.receipts import Counted, counted, dry_run
from claude_jupyter.conversation.request import TTL
from claude_jupyter.conversation.streams import AsyncTextStream, TextStream, in_thread
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.errors import UsageError
from claude_jupyter.options import Options
from claude_jupyter.turns import Answer, Models, Receipt, View

RESUME = "Continue exactly where your last answer stopped; do not repeat any of it."

_PAUSE = 300.0
"""Seconds after which a 5-minute cache entry is gone."""


class Conversation(Kept):
    """A conversation with Claude: history, tokens and costs of one chat in this kernel."""

    _paused = False
    _asked_ttl: TTL | None = None

    def ask(self, prompt: str | None = None, *values: Any, **options: Any) -> Any:
        """Ask a question; the answer streams into the cell and stays there.

        Parameters
        ----------
        prompt
            The question, as it is: `{…}` is not replaced in Python.
        *values
            Values to look at: dataframes, figures, images, paths, anything.
        **options
            Named as the magic's: `model="opus"`, `effort="low"`, `rows="none"`, `chat="side"`, `tool=[f]`, `last=2` …
            And `tool_results={id: value}`, to answer calls of dict tools by hand.

        Returns
        -------
        Answer
            Complete; see `.text`, `.code`, `.value`, `.cost`. With `background=True` it is the empty one it begins with,
            with `dry_run=True` a `Receipt`.

        Raises
        ------
        ClaudeError
            What happened and what to do next; what arrived before is kept in `claude.last`.
        """
        results = options.pop("tool_results", None)
        return self.question(prompt, values, Options.of(**options), results=results)

    def question(
        self,
        prompt: str | None,
        values: Sequence[Any],
        options: Options,
        *,
        labels: Sequence[str] | None = None,
        results: Mapping[str, Any] | None = None,
        finished: Callable[[Answer], None] | None = None,
    ) -> Answer | Receipt:
        """`ask` with the options as a value and the values' labels, as the magics use it.

        Parameters
        ----------
        finished
            Called with the complete answer, also when it comes later (`--background`).
        """
        chat = self._chosen(options)
        asking = chat._prepared(prompt, values, options, labels=labels, results=results)
        if options.dry_run:
            made = dry_run(asking)
            self._world.show(made)
            return made
        view = self._world.view(asking.answer.id, asking.stop, background=options.background)
        if options.background:
            view.begin(asking.answer)
            work = partial(chat._in_background, asking, view, finished)
            background.start(chat.name, work, asking.stop, self._world.adopt())
            return asking.answer
        answer = chat.run(asking, view)
        if finished is not None:
            finished(answer)
        return answer

    def stream(
        self, prompt: str | None = None, *values: Any, events: bool = False, **options: Any
    ) -> TextStream:
        """Ask, and iterate over the text as it arrives; nothing is shown.

        Also a context manager with `.text` so far and `.answer` at the end. With `events=True` it yields the SDK's own events.

        Raises
        ------
        ClaudeError
            While iterating.
        """
        results, given = options.pop("tool_results", None), Options.of(**options)
        chat = self._chosen(given)
        asking = chat._prepared(prompt, values, given, results=results, keep_events=events)
        return TextStream(chat, asking, events=events)

    async def aask(self, prompt: str | None = None, *values: Any, **options: Any) -> Answer:
        """`ask` for asyncio: several may run at once, each shown in its own output. Parameters and errors as for `ask`."""
        results, given = options.pop("tool_results", None), Options.of(**options)
        chat = self._chosen(given)
        asking = chat._prepared(prompt, values, given, results=results)
        view = self._world.view(asking.answer.id, asking.stop, background=False)
        return await in_thread(lambda: chat.run(asking, view), asking.stop.ask)

    def astream(
        self, prompt: str | None = None, *values: Any, events: bool = False, **options: Any
    ) -> AsyncTextStream:
        """`stream` for asyncio: `async for text in claude.astream(…)`, also `async with`."""
        return AsyncTextStream(self.stream(prompt, *values, events=events, **options))

    def count(self, prompt: str, *values: Any, **options: Any) -> Counted:
        """Tokens and price of a question, without sending it: by the service's own counting, or estimated without a key.

        Raises
        ------
        ClaudeError
            As `ask`, for what is wrong with the question.
        """
        given = Options.of(**options, dry_run=True)
        return counted(self._world, self._chosen(given)._prepared(prompt, values, given))

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
        chat = self._chosen(given)
        number, state = chat._number_and_state()
        plan = planned(self._world, state, number, values, prompt, given)
        if batch:
            return submit(plan, chat._count)
        mapper = Mapper(plan, limit)
        try:
            return mapper.run().value
        finally:
            chat._count(mapper.usage, mapper.cost)

    @property
    def batches(self) -> Batches:
        """The batches of `map(…, batch=True)`, of this kernel and others, newest first."""
        return listed_batches(self._world, self._count)

    def resume(self, **options: Any) -> Answer:
        """Go on from an answer that was stopped, broke off or was cut at `max_tokens`.

        Raises
        ------
        UsageError
            Where there is nothing to go on from.
        """
        if self._broken is not None:
            broken, self._broken = self._broken, None
            self._commit(broken)
        elif self._last is None or (self._last.complete and self._last.stop_reason != "max_tokens"):
            raise UsageError("nothing to resume: the last answer is complete")
        elif not any(t.answer.id == self._last.id for t in self._turns):
            raise UsageError("nothing to resume: nothing of the last answer arrived. Ask again.")
        return self.ask(RESUME, **options)

    def run(self, asking: Asking, view: View, *, begun: bool = False) -> Answer:
        """Drive a prepared question to its end, showing it in `view`."""
        if not begun:
            view.begin(asking.answer)
        parts = asking.parts()
        while True:
            try:
                news = next(parts, None)
                if news is None:
                    break
                view.show(news)
            except KeyboardInterrupt:
                asking.stop.ask()
        return self.finish(asking, view)

    def finish(self, asking: Asking, view: View | None = None) -> Answer:
        """Keep what a question that is over gave, and show it; raises what went wrong."""
        with uninterrupted():
            answer = self._keep(asking)
            if view is not None:
                view.end(answer)
            self._world.finished(answer)
        if asking.error is not None:
            raise asking.error
        return answer

    def _in_background(self, asking: Asking, view: View, finished: Callable[[Answer], None] | None) -> None:
        """Answer on this thread; what goes wrong is said in the answer, because no cell is there to fail."""
        from claude_jupyter.errors import ClaudeError

        asking.tells_errors = True
        asking.question = follow(asking.question, self._turns, asking.place)
        try:
            answer = self.run(asking, view, begun=True)
        except ClaudeError:
            return
        if finished is not None:
            finished(answer)

    def _prepared(
        self,
        prompt: str | None,
        values: Sequence[Any],
        options: Options,
        *,
        labels: Sequence[str] | None = None,
        results: Mapping[str, Any] | None = None,
        keep_events: bool = False,
    ) -> Asking:
        number, state = self._number_and_state()
        ask = Ask(prompt or "", tuple(values), options, labels, results, number)
        return prepare(self._world, state, ask, keep_events=keep_events)

    def _number_and_state(self) -> tuple[int, State]:
        with self._lock:
            self._asked += 1
            warm, ttl = self._is_warm(self._asked_ttl), self._ttl()
            expired = self._asked_ttl is not None and self._last_end is not None and not warm
            self._asked_ttl = ttl
            tools = tuple(self._tools)
            return self._asked, State(
                self.name, self._turns, tools, self.model, self.system, ttl, warm, expired
            )

    def _count(self, usage: Usage, cost: Cost) -> None:
        """Add what was asked outside the history."""
        with self._lock:
            self._usage = self._usage + usage
            self._cost = Cost.total((self._cost, cost))

    def _chosen(self, options: Options) -> Conversation:
        return self.chat(options.chat) if options.chat else self

    def _ttl(self) -> TTL | None:
        cache = self._world.settings.cache
        if cache == "off":
            return None
        if cache != "auto":
            return cache
        if self._last_end is not None and time.monotonic() - self._last_end > _PAUSE:
            self._paused = True
        return "1h" if self._paused else "5m"

    def _is_warm(self, ttl: TTL | None) -> bool:
        """Whether the last question's cache entries, made to live so long, are likely to be there still."""
        if ttl is None or self._last_end is None:
            return False
        return time.monotonic() - self._last_end < (_PAUSE if ttl == "5m" else 3600.0)

    # -- chats, client, tools -------------------------------------------------------------------------------------------

    @property
    def chats(self) -> Mapping[str, Conversation]:
        """The conversations of this kernel by name."""
        return dict(self._world.chats)

    def chat(self, name: str) -> Conversation:
        """The conversation of that name; a new, empty one if there is none yet.

        Raises
        ------
        UsageError
            For a name that is no name: letters, digits, blanks, `_`, `-` and `.` make one.
        """
        _checked_name(name)
        return self._world.chats.setdefault(name, Conversation(self._world, name))

    def fork(self, name: str) -> Conversation:
        """A new chat that begins with this one's turns; the two go their own ways from here.

        Raises
        ------
        UsageError
            For a name that is no name, or is taken.
        """
        _checked_name(name)
        if name in self._world.chats:
            raise UsageError(f"there is a chat {name!r} already; fork takes a new name")
        made = Conversation(self._world, name, self._turns)
        made.model, made.system, made._tools = self.model, self.system, list(self._tools)
        self._world.chats[name] = made
        return made

    @property
    def models(self) -> Models:
        """The models that can be asked: ids, list prices, context, thinking, retirement. A table when shown."""
        return listed(self._world)

    @property
    def client(self) -> Any:
        """The SDK client in use; assign one to bring your own (key, proxy, HTTP client, platform)."""
        return self._world.service.client

    @client.setter
    def client(self, client: Any) -> None:
        self._world.service.client = client

    def tool(
        self, function: Callable[..., Any] | Mapping[str, Any] | None = None, *, confirm: bool = False
    ) -> Any:
        """Offer a function in every question of this conversation; a decorator, also as `@claude.tool(confirm=True)`.

        Raises
        ------
        UsageError
            Where no schema can be made of it.
        """
        if function is None:
            return partial(self.tool, confirm=confirm)
        made = replace(Tool.of(function), confirm=confirm)
        self._tools = [t for t in self._tools if t.name != made.name] + [made]
        return function


def _checked_name(name: str) -> None:
    if not name.strip() or any(c in name for c in '/\\:*?"<>|') or not name.isprintable() or len(name) > 80:
        raise UsageError(f"{name!r} cannot name a chat: use letters, digits, blanks, - and _")
