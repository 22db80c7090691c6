"""The object that users work with: `from claude_jupyter import claude`. It has a chat (`chat.py`) and somebody who asks it (`asker.py`).

`ask/run.py` answers a question, `history.py` lets history follow the cells, `drivers/streams.py` has the ways to wait for an answer.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

from claude_jupyter.answer.model import Answer, Block, Message, Models, Receipt, Turn
from claude_jupyter.conversation import history
from claude_jupyter.conversation.ask.context_window import Context, gauge
from claude_jupyter.conversation.ask.receipts import Counted, counted
from claude_jupyter.conversation.asker import RESUME, Asker
from claude_jupyter.conversation.chat import Chat, checked_name
from claude_jupyter.conversation.drivers.streams import AsyncTextStream, TextStream, in_thread
from claude_jupyter.conversation.environment import Environment, Kernel
from claude_jupyter.conversation.history import Turns
from claude_jupyter.conversation.map.batches import Batches, listed_batches, submit
from claude_jupyter.conversation.map.mapper import Mapper
from claude_jupyter.conversation.map.plan import planned
from claude_jupyter.conversation.model_list import listed
from claude_jupyter.conversation.store import storage
from claude_jupyter.conversation.tools.approvals import on_loop
from claude_jupyter.conversation.tools.toolbox import Tool
from claude_jupyter.conversation.work import driver
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.errors import StorageError, UsageError
from claude_jupyter.interrupts import in_one_line
from claude_jupyter.kernel.checkpoint import Changes
from claude_jupyter.models import resolve
from claude_jupyter.options import Options

_NOT_AWAITED = ("background", "dry_run")
_NOT_IN_STREAMS = (*_NOT_AWAITED, "out", "code")
_POINTLESS = (*_NOT_IN_STREAMS, "new", "once", "returns", "tool", "web", "mcp", "look", "system")
"""Options that have no meaning for `compact`."""


class Conversation:
    """A conversation with Claude: history, tokens and costs of one chat in this kernel.

    There is one object per chat: `copy.copy` and `copy.deepcopy` (of a namespace, say) return the same one; `fork` makes another.

    Parameters
    ----------
    env
        Its environment; None: the kernel's.
    name
        The chat's name; the kernel's own is `main`.
    """

    kernel: ClassVar[Kernel | None] = None
    """Whose environment conversations get that are given none: users write `Conversation()`, and pass it nothing."""

    def __init__(self, env: Environment | None = None, name: str = "main", turns: Turns = ()) -> None:
        self._env = env if env is not None else self._of_kernel()
        self._take(Chat(self._env, name, turns))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        return self

    def _take(self, chat: Chat) -> None:
        self._chat = chat
        self._asker = Asker(self._env, chat)

    @classmethod
    def _of_kernel(cls) -> Environment:
        if cls.kernel is None:
            raise UsageError(
                "there is no conversation in this process yet: run from claude_jupyter import claude first"
            )
        return cls.kernel.env

    # -- what there is --------------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The chat's name."""
        return self._chat.name

    @property
    def turns(self) -> Turns:
        """The transcript, oldest first; including hidden turns and those before `-n`."""
        return self._chat.turns

    @property
    def messages(self) -> list[Message]:
        """The messages that will be sent before the next question, as sent to the API."""
        return self._chat.messages

    @property
    def model(self) -> str:
        """Model for the next questions, an id or a line; assign None to go back to the setting."""
        return self._chat.model

    @model.setter
    def model(self, model: str | None) -> None:
        self._chat.model = model

    @property
    def system(self) -> str:
        """System prompt for the next questions; assign None to go back to the setting, "" for none. Earlier turns stay."""
        return self._chat.system

    @system.setter
    def system(self, system: str | None) -> None:
        self._chat.system = system

    @property
    def usage(self) -> Usage:
        """Tokens of everything asked in this chat, including what was stopped, replaced or undone; for a loaded chat, of its turns."""
        return self._chat.usage

    @property
    def cost(self) -> Cost:
        """List price of everything billed in this chat: a `Decimal` with its `parts`.

        If only the offline demo answered, it is what that would have cost; the two are never added together.
        """
        return self._chat.cost

    def is_of_this_kernel(self, answer: Answer) -> bool:
        """Whether an answer was asked for in this kernel, by this chat or the one it was forked from."""
        return self._chat.is_of_this_kernel(answer)

    @property
    def last(self) -> Answer | None:
        """The last answer, even if it was stopped or failed."""
        return self._chat.last

    @property
    def context(self) -> Context:
        """How full the context is, in tokens: `used` and `size`."""
        return gauge(history.live(self.turns), self._env.service.catalog.facts(resolve(self.model)).context)

    def __repr__(self) -> str:
        turns = f"{len(self.turns)} turn" + ("" if len(self.turns) == 1 else "s")
        return f"<Conversation {self.name!r}: {turns}, {self.usage.total:,} tokens>"

    # -- asking ---------------------------------------------------------------------------------------------------------

    def ask(self, prompt: str | None = None, *values: Any, **options: Any) -> Any:
        """Ask a question; the answer streams into the cell and stays there.

        Parameters
        ----------
        prompt
            The question, sent as is: `{…}` is not replaced in Python.
        *values
            Values to look at: dataframes, figures, images, paths, anything.
        **options
            The same names as the magic's: `model="opus"`, `effort="low"`, `rows="none"`, `chat="side"`, `tool=[f]`, `last=2` …
            Also `tool_results={id: value}`, to answer the calls of dict tools yourself.

        Returns
        -------
        Answer
            The complete answer; see `.text`, `.code`, `.value`, `.cost`. With `background=True`, the answer before anything has
            arrived; with `dry_run=True`, a `Receipt`.

        Raises
        ------
        ClaudeError
            Says what happened and what to do next; what had arrived is kept in `claude.last`.
        """
        results, parsed = options.pop("tool_results", None), Options.of(**options)
        return self.question(prompt, values, parsed, results=results, finished=partial(self._deliver, parsed))

    def _deliver(self, options: Options, answer: Answer) -> None:
        """What `out` and `code` ask for."""
        if options.out:
            space = self._env.namespace()
            space[options.out] = answer.value if options.returns is not None else answer
        if options.code and answer.code:
            self._env.frontend.insert(answer.code, answer)

    @in_one_line()
    def question(
        self,
        prompt: str | None,
        values: Sequence[Any],
        options: Options,
        *,
        labels: Sequence[str] | None = None,
        results: Mapping[str, Any] | None = None,
        finished: Callable[[Answer], None] | None = None,
        after: str | None = None,
    ) -> Answer | Receipt:
        """`ask` with the options as a value and the values' labels, as the magics use it.

        Parameters
        ----------
        finished
            Called with the complete answer, even if that comes later (`--background`).
        after
            Id of the answer that it follows, if not the last of the history.
        """
        chosen = self._chosen(options)
        asker, chat = chosen._asker, chosen._chat

        def ask(
            options: Options,
            results: Mapping[str, Any] | None = results,
            opening: Sequence[Block] = (),
            work: Sequence[str] = (),
        ) -> Any:
            exchange = asker.prepared(
                prompt, values, options, labels=labels, results=results, after=after, work=work
            )
            exchange.open_with(opening)
            return asker.answered(exchange, finished)

        if options.dry_run or options.once or results is not None:
            return ask(options)
        return driver.answered(self._env, asker, chat, ask, options, prompt, after)

    def stream(
        self, prompt: str | None = None, *values: Any, events: bool = False, **options: Any
    ) -> TextStream:
        """Ask, and iterate over the text as it arrives; nothing is displayed.

        Also a context manager with `.text` so far and `.answer` at the end. With `events=True` it yields the SDK's own events.

        Raises
        ------
        ClaudeError
            While iterating.
        """
        results, parsed = (
            options.pop("tool_results", None),
            _without(_NOT_IN_STREAMS, "stream", Options.of(**options)),
        )
        asker = self._chosen(parsed)._asker
        exchange = asker.prepared(prompt, values, parsed, results=results, keep_events=events)
        return TextStream(exchange, asker.finish, events=events)

    async def aask(self, prompt: str | None = None, *values: Any, **options: Any) -> Answer:
        """`ask` for asyncio: several can run at once, each shown in its own output. Parameters and errors as for `ask`."""
        results, parsed = (
            options.pop("tool_results", None),
            _without(_NOT_AWAITED, "aask", Options.of(**options)),
        )
        asker = self._chosen(parsed)._asker
        exchange = asker.prepared(prompt, values, parsed, results=results)
        view = asker.view(exchange)
        exchange.toolbox.confirm = on_loop(self._env.frontend.confirm, exchange.stop)
        answer = await in_thread(lambda: asker.run(exchange, view), exchange.stop.request)
        self._deliver(parsed, answer)
        return answer

    def astream(
        self, prompt: str | None = None, *values: Any, events: bool = False, **options: Any
    ) -> AsyncTextStream:
        """`stream` for asyncio: `async for text in claude.astream(…)`, also `async with`."""
        return AsyncTextStream(self.stream(prompt, *values, events=events, **options))

    def count(self, prompt: str, *values: Any, **options: Any) -> Counted:
        """Tokens and price of a question, without sending it: counted by the service, or estimated without a key.

        Raises
        ------
        ClaudeError
            As for `ask`, if something is wrong with the question.
        """
        parsed = _without(("background", "out", "code"), "count", Options.of(**{**options, "dry_run": True}))
        exchange = self._chosen(parsed)._asker.prepared(prompt, values, parsed)
        return counted(self._env, exchange.question, exchange.request_to_send()[0])

    def resume(self, **options: Any) -> Any:
        """Continue an answer that was stopped, broke off or was cut off at `max_tokens`; for `--do` work, also after a step with none.

        Raises
        ------
        UsageError
            If there is nothing to continue.
        """
        if chat := options.pop("chat", None):
            return self.chat(chat).resume(**options)
        parsed = _without(("new", "once"), "resume", Options.of(**options))
        work = driver.broken_off(self._env, self._chat)
        if work is not None and all(t.answer.id != work.answers[-1] for t in self._chat.turns):
            return driver.told_again(work)
        return self.question(RESUME, (), parsed, after=self._asker.resumable())

    @in_one_line("Stopped. What was answered is kept; run the cell again for the rest.")
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
        """Ask one prompt about every row, many at once; rows that were answered before are not asked again.

        Parameters
        ----------
        values
            A frame (`{column}` in the prompt names its columns), series, list (also of dicts) or dict (`{value}`, `{key}`);
            if the prompt names no part of a row, the whole row is added below it.
        returns
            A type for each row's result, as for `ask`.
        batch
            Use the Message Batches API: half the price, done within a day; a `Batch` is returned at once.
        limit
            How many requests may run at once (50); fewer if the service's rate limits require it.
        **options
            The same names as the magic's. The history is neither read nor extended.

        Returns
        -------
        A frame with result columns added (`answer`, or the fields of `returns`; `error` where rows failed), or a
        series, list or dict like the input with None if a row failed, or a `Batch`.

        Raises
        ------
        ClaudeError
            If no row could be answered, a budget is used up, or it is stopped. What is done is kept; the next run pays only for the rest.
        """
        parsed = Options.of(**options, returns=returns)
        number, state = self._chat.next_question(parsed.model)
        plan = planned(self._env, state, number, values, prompt, parsed)
        if batch:
            return submit(plan, self._chat.count)
        return Mapper(plan, self._chat.count, limit).run()

    @property
    def batches(self) -> Batches:
        """The batches of `map(…, batch=True)`, of this kernel and others, newest first."""
        return listed_batches(self._env, self._chat.count)

    def compact(self, **options: Any) -> Answer:
        """Summarize the conversation now; the next question follows the summary alone.

        The transcript keeps every turn; `undo` reverts it.

        Raises
        ------
        UsageError
            If there is nothing to summarize.
        ClaudeError
            As for `ask`; nothing changes then.
        """
        if chat := options.pop("chat", None):
            return self.chat(chat).compact(**options)
        return self._asker.compact(_without(_POINTLESS, "compact", Options.of(**options)))

    def allow(self) -> None:
        """Allow the tool call that has waited longest (of an answer in the background).

        Raises
        ------
        UsageError
            If none is waiting.
        """
        self._env.approvals.decide(True)

    def refuse(self) -> None:
        """Refuse the tool call that has waited longest; Claude is told.

        Raises
        ------
        UsageError
            If none is waiting.
        """
        self._env.approvals.decide(False)

    # -- editing --------------------------------------------------------------------------------------------------------

    @property
    def changed(self) -> Changes:
        """Which of your variables the last work (`--do`) added, changed or removed."""
        work = self._env.works.get(self.name)
        return work.changes(self._env.namespace()) if work is not None else Changes()

    def undo(self, n: int = 1, *, steps: int | None = None) -> Self:
        """Undo the last `n` changes to the history: an answer is removed, a replaced or hidden one comes back.

        After `--do` it undoes the work: variables are restored and its cells removed; one line says what could not be undone.

        Parameters
        ----------
        steps
            Undo only this many of the work's last steps.

        Raises
        ------
        UsageError
            If there is nothing to undo.
        """
        if line := self.undone(n, steps=steps):
            self._env.frontend.show(line)
        return self

    def undone(self, n: int = 1, *, steps: int | None = None) -> str:
        """As `undo`, but gives the line about a work instead of showing it; "" where only the history has changed."""
        work = driver.undoable(self._env, self.name, self.turns)
        if steps is not None and work is None:
            raise UsageError("there is no work to undo: steps is for undoing what Claude did in cells (--do)")
        if work is not None and n == 1:
            return driver.undo(self._env, self._chat, work, steps)
        self._chat.undo(n)
        return ""

    def hide(self, turn: int | Turn | Iterable[int | Turn]) -> Self:
        """Stop sending turns; they stay in the transcript. Call it again to send them again.

        Parameters
        ----------
        turn
            Its number in the transcript, from 1 (negative numbers count from the end), or one of `turns`; or several of these.

        Raises
        ------
        UsageError
            If there is no such turn.
        """
        self._chat.hide(turn)
        return self

    @property
    def afresh(self) -> bool:
        """Whether the next question starts a new conversation."""
        return self._chat.afresh

    def begin(self, afresh: bool = True) -> Self:
        """Start a new conversation with the next question, as `-n` does: earlier turns stay in the transcript but are no longer sent."""
        self._chat.afresh = afresh
        return self

    def clear(self) -> Self:
        """Forget the history (`undo` brings it back); what it cost stays counted."""
        self._chat.clear()
        return self

    # -- keeping it longer than the kernel ------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the conversation, images included, to a versioned JSON file; `Conversation.load` reads it.

        Raises
        ------
        StorageError
            If the file cannot be written.
        """
        return self._chat.save(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, env: Environment | None = None) -> Self:
        """A conversation from a file that `save` wrote. It is not one of this kernel's chats, so keep a reference to it.

        Raises
        ------
        StorageError
            If the file is missing, truncated, edited, or from a newer version.
        """
        saved = storage.load(path)
        conversation = cls(env)
        conversation._take(Chat.of_saved(saved, conversation._env))
        return conversation

    def replace_by(self, path: str | os.PathLike[str]) -> Self:
        """Continue with the turns of a saved conversation instead of this one's; `undo` brings those back.

        Raises
        ------
        StorageError
            As for `load`.
        """
        self._chat.replace_by(path)
        return self

    def forget(self) -> int:
        """Delete the journal of all kernels from disk; returns how many conversations that was.

        Raises
        ------
        StorageError
            If a file cannot be deleted.
        """
        try:
            return self._env.journal.forget()
        except OSError as error:
            raise StorageError(f"The journal cannot be deleted: {error.strerror}.") from None

    def export(self, path: str | os.PathLike[str]) -> Path:
        """Write the transcript as Markdown.

        Raises
        ------
        StorageError
            If the file cannot be written.
        """
        data, _ = self._env.transcript(self.name, self.turns, self.usage, self.cost, file=True)
        return storage.export(path, data["text/markdown"])

    def restore(self) -> Self:
        """Restore the open notebook's conversation from its saved answers, with full turns from the journal.

        Raises
        ------
        StorageError
            If neither is available.
        """
        self._chat.restore()
        return self

    def _chosen(self, options: Options) -> Conversation:
        return self.chat(options.chat) if options.chat else self

    # -- chats, client, tools -------------------------------------------------------------------------------------------

    @property
    def chats(self) -> Mapping[str, Conversation]:
        """The conversations of this kernel by name."""
        return dict(self._env.chats)

    def chat(self, name: str) -> Conversation:
        """The conversation with that name; a new, empty one if there is none yet.

        Raises
        ------
        UsageError
            If the name is not valid: use letters, digits, spaces, `_`, `-` and `.`.
        """
        return self._env.chats.setdefault(checked_name(name), Conversation(self._env, name))

    def fork(self, name: str) -> Conversation:
        """A new chat that starts with this one's turns; the two are independent from here on.

        Raises
        ------
        UsageError
            If the name is not valid, or is taken.
        """
        if checked_name(name) in self._env.chats:
            raise UsageError(f"there is already a chat {name!r}; give the fork a new name")
        conversation = Conversation(self._env, name)
        conversation._take(self._chat.fork(name))
        self._env.chats[name] = conversation
        return conversation

    @property
    def models(self) -> Models:
        """The available models: ids, list prices, context, thinking, retirement. A table when shown."""
        return listed(self._env)

    @property
    def client(self) -> Any:
        """The SDK client in use; assign one to bring your own (key, proxy, HTTP client, platform)."""
        return self._env.service.client

    @client.setter
    def client(self, client: Any) -> None:
        self._env.service.client = client

    def tool(
        self, function: Callable[..., Any] | Mapping[str, Any] | None = None, *, confirm: bool = False
    ) -> Any:
        """Offer a function in every question of this conversation; a decorator, also as `@claude.tool(confirm=True)`.

        Raises
        ------
        UsageError
            If no schema can be made from it.
        """
        if function is None:
            return partial(self.tool, confirm=confirm)
        self._chat.offer(replace(Tool.of(function), confirm=confirm))
        return function


def _without(names: Sequence[str], method: str, options: Options) -> Options:
    """The options, after refusing those that would have no effect here."""
    for name in names:
        if getattr(options, name):
            raise UsageError(f"claude.{method} does not accept {name}; claude.ask does")
    return options
