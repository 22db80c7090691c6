"""The object people hold: `from claude_jupyter import claude`. It asks, keeps the history, and gives it back edited or whole.

How a question is answered is `asking.py`; how history follows the cells is `history.py`; async twins are `asynchronous.py`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from claude_jupyter.conversation import history
from claude_jupyter.conversation.asking import Asking
from claude_jupyter.conversation.calls import Tool
from claude_jupyter.conversation.history import Turns
from claude_jupyter.conversation.preparing import Ask, State, prepare
from claude_jupyter.conversation.request import TTL
from claude_jupyter.conversation.streams import AsyncTextStream, TextStream, in_thread
from claude_jupyter.conversation.world import World
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.errors import UsageError
from claude_jupyter.options import Options
from claude_jupyter.turns import Answer, Message, Turn

RESUME = "Continue exactly where your last answer stopped; do not repeat any of it."

_PAUSE = 300.0
"""Seconds after which a 5-minute cache entry is gone."""


class Conversation:
    """A conversation with Claude: history, tokens and costs of one chat in this kernel.

    Parameters
    ----------
    world
        Its surroundings.
    name
        The chat's name; the kernel's own is `main`.

    Attributes
    ----------
    model
        Model of the questions to come; None: the setting.
    system
        System prompt of the questions to come; None: the setting.
    """

    def __init__(self, world: World, name: str = "main", turns: Turns = ()) -> None:
        self._world = world
        self.name = name
        self._lock = threading.RLock()
        self._turns = turns
        self._past: list[Turns] = []
        self._spent: list[tuple[Usage, Cost | None]] = []
        self._tools: list[Tool] = []
        self._asked = 0
        self._last_end: float | None = None
        self._paused = False
        self._last: Answer | None = None
        self._broken: Turn | None = None
        self.model: str | None = None
        self.system: str | None = None

    # -- asking ---------------------------------------------------------------------------------------------------------

    def ask(self, prompt: str | None = None, *values: Any, **options: Any) -> Answer:
        """Ask a question; the answer streams into the cell and stays there.

        Parameters
        ----------
        prompt
            The question, as it is: `{…}` is not replaced in Python.
        *values
            Values to look at: dataframes, figures, images, paths, anything.
        **options
            Named as the magic's: `model="opus"`, `effort="low"`, `rows="none"`, `chat="side"`, `tool=[f]`, `last=2` …

        Returns
        -------
        Answer
            Complete; see `.text`, `.code`, `.value`, `.cost`.

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
    ) -> Answer:
        """`ask` with the options as a value and the values' labels, as the magics use it."""
        chat = self._chosen(options)
        asking = chat._prepared(prompt, values, options, labels=labels, results=results)
        return chat.run(asking, self._world.view(asking.answer.id, asking.stop, background=False))

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

    def resume(self, **options: Any) -> Answer:
        """Go on from an answer that was stopped, broke off or was cut at `max_tokens`.

        Raises
        ------
        UsageError
            Where there is nothing to go on from.
        """
        if self._broken is not None:
            self._commit(self._broken)
            self._broken = None
        elif self._last is None or (self._last.complete and self._last.stop_reason != "max_tokens"):
            raise UsageError("nothing to resume: the last answer is complete")
        return self.ask(RESUME, **options)

    def run(self, asking: Asking, view: Any) -> Answer:
        """Drive a prepared question to its end, showing it in `view`."""
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

    def finish(self, asking: Asking, view: Any = None) -> Answer:
        """Keep what a question that is over gave, and show it; raises what went wrong."""
        from claude_jupyter.conversation.interrupts import uninterrupted

        with uninterrupted():
            answer = self._keep(asking)
            if view is not None:
                view.end(answer)
            self._world.finished(answer)
        if asking.error is not None:
            raise asking.error
        return answer

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
        with self._lock:
            self._asked += 1
            ask = Ask(prompt or "", tuple(values), options, labels, results, self._asked)
            state = State(self.name, self._turns, tuple(self._tools), self.model, self.system, self._ttl())
        return prepare(self._world, state, ask, keep_events=keep_events)

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

    # -- keeping what came ----------------------------------------------------------------------------------------------

    def _keep(self, asking: Asking) -> Answer:
        answer, question = asking.answer, asking.question
        self._last, self._last_end = answer, time.monotonic()
        self._spent.append((answer.usage, answer.cost))
        self._broken = None
        if question.options.once or not asking.messages:
            return answer
        turn = history.sealed(
            Turn(
                messages=asking.messages,
                answer=answer,
                prefix=asking.prefix,
                cell=asking.place.cell,
                execution=asking.place.execution,
                prompt=question.prompt,
                starts=question.options.new,
                system=question.options.system,
            )
        )
        gone = history.replaced(self._turns, turn)
        if answer.complete or not gone:
            self._commit(turn)
            if gone:
                note = "replaces the earlier one" if gone == 1 else f"replaces the {gone} earlier ones"
                answer = _with_notice(
                    answer, f"Answer {answer.turn} {note} of this cell (kept: claude.undo())."
                )
                self._last = answer
        else:
            self._broken = turn
        return answer

    def _commit(self, turn: Turn) -> None:
        with self._lock:
            self._change(history.placed(self._turns, turn))

    def _change(self, turns: Turns) -> None:
        self._past.append(self._turns)
        self._turns = turns

    # -- what there is --------------------------------------------------------------------------------------------------

    @property
    def turns(self) -> Turns:
        """The transcript, oldest first; hidden turns and those before a fresh start among them."""
        return self._turns

    @property
    def messages(self) -> list[Message]:
        """The messages that the next question will follow, as they go over the wire."""
        default = self.system if self.system is not None else self._world.settings.system
        tools = [dict(t.definition) for t in self._tools]
        live = history.live(self._turns)
        return list(history.sent(live, history.system_at(self._turns, default), tools).messages)

    @property
    def usage(self) -> Usage:
        """Tokens of everything asked in this chat, also what was stopped, replaced or undone."""
        return sum((usage for usage, _ in self._spent), Usage())

    @property
    def cost(self) -> Cost:
        """List price of everything asked in this chat: a `Decimal` with its `parts`."""
        return Cost.total(cost for _, cost in self._spent)

    @property
    def last(self) -> Answer | None:
        """The last answer, also a stopped or failed one."""
        return self._last

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
        if (
            not name.strip()
            or any(c in name for c in '/\\:*?"<>|')
            or not name.isprintable()
            or len(name) > 80
        ):
            raise UsageError(f"{name!r} cannot name a chat: use letters, digits, blanks, - and _")
        chats = self._world.chats
        return chats.setdefault(name, Conversation(self._world, name))

    @property
    def client(self) -> Any:
        """The SDK client in use; assign one to bring your own (key, proxy, HTTP client, platform)."""
        return self._world.service.client

    @client.setter
    def client(self, client: Any) -> None:
        self._world.service.client = client

    # -- editing --------------------------------------------------------------------------------------------------------

    def undo(self, n: int = 1) -> Conversation:
        """Take back the last `n` changes of the history: an answer is forgotten, a replaced or hidden one comes back.

        Raises
        ------
        UsageError
            Where there is nothing to undo.
        """
        if n < 1 or n > len(self._past):
            raise UsageError(f"there are {len(self._past)} changes to undo, not {n}")
        for _ in range(n):
            self._turns = self._past.pop()
        return self

    def clear(self) -> Conversation:
        """Forget the history (`undo` brings it back); what it cost stays counted."""
        self._change(())
        return self

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

    def __repr__(self) -> str:
        turns = f"{len(self._turns)} turn" + ("" if len(self._turns) == 1 else "s")
        return f"<Conversation {self.name!r}: {turns}, {self.usage.total:,} tokens>"


def _with_notice(answer: Answer, text: str, level: Literal["info", "warn"] = "info") -> Answer:
    return replace(answer, blocks=(*answer.blocks, {"type": "notice", "level": level, "text": text}))
