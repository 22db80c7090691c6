"""The object people hold: `from claude_jupyter import claude`. It asks; what it keeps is `keeping.py`.

How a question is answered is `asking.py`, how history follows the cells `history.py`, the ways to wait for it `streams.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from claude_jupyter.conversation import background, history
from claude_jupyter.conversation.asking import Asking
from claude_jupyter.conversation.calls import Tool
from claude_jupyter.conversation.interrupts import in_one_line, surely
from claude_jupyter.conversation.listing import listed
from claude_jupyter.conversation.many import Many
from claude_jupyter.conversation.permits import Ask, on_loop
from claude_jupyter.conversation.preparing import Ask as Asked
from claude_jupyter.conversation.preparing import follow, prepare
from claude_jupyter.conversation.receipts import Counted, counted, dry_run
from claude_jupyter.conversation.streams import AsyncTextStream, TextStream, in_thread
from claude_jupyter.conversation.window import SUMMARY, Context, gauge, summarised
from claude_jupyter.errors import APIResponseError, ClaudeError, StoppedError, UsageError
from claude_jupyter.models import resolve
from claude_jupyter.options import Options
from claude_jupyter.turns import Answer, Models, Receipt, Status, View

_APART = ("background", "dry_run")
_SHOWN = (*_APART, "out", "code")
_POINTLESS = (*_SHOWN, "new", "once", "returns", "tool", "web", "system")
"""Options that mean nothing where the conversation itself is condensed."""

RESUME = "Continue exactly where your last answer stopped; do not repeat any of it."


class Conversation(Many):
    """A conversation with Claude: history, tokens and costs of one chat in this kernel."""

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
        results, given = options.pop("tool_results", None), Options.of(**options)
        return self.question(prompt, values, given, results=results, finished=partial(self._deliver, given))

    def _deliver(self, options: Options, answer: Answer) -> None:
        """What `out` and `code` ask for."""
        if options.out:
            space = self._world.namespace()
            space[options.out] = answer.value if options.returns is not None else answer
        if options.code and answer.code:
            self._world.insert(answer.code, answer)

    @in_one_line
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
            Called with the complete answer, also when it comes later (`--background`).
        after
            Id of the answer that it follows, if not the last of the history.
        """
        chat = self._chosen(options)
        asking = chat._prepared(prompt, values, options, labels=labels, results=results, after=after)
        if options.dry_run:
            made = dry_run(asking)
            self._world.show(made)
            return made
        view = self._world.view(asking.answer.id, asking.stop, background=options.background)
        if options.background:
            view.begin(asking.answer)
            asking.toolbox.confirm = self._asked_later(asking, view)
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
        results, given = options.pop("tool_results", None), _without(_SHOWN, "stream", Options.of(**options))
        chat = self._chosen(given)
        asking = chat._prepared(prompt, values, given, results=results, keep_events=events)
        return TextStream(chat, asking, events=events)

    async def aask(self, prompt: str | None = None, *values: Any, **options: Any) -> Answer:
        """`ask` for asyncio: several may run at once, each shown in its own output. Parameters and errors as for `ask`."""
        results, given = options.pop("tool_results", None), _without(_APART, "aask", Options.of(**options))
        chat = self._chosen(given)
        asking = chat._prepared(prompt, values, given, results=results)
        view = self._world.view(asking.answer.id, asking.stop, background=False)
        asking.toolbox.confirm = on_loop(self._world.confirm, asking.stop)
        answer = await in_thread(lambda: chat.run(asking, view), asking.stop.ask)
        self._deliver(given, answer)
        return answer

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
        given = _without(("background", "out", "code"), "count", Options.of(**{**options, "dry_run": True}))
        return counted(self._world, self._chosen(given)._prepared(prompt, values, given))

    def resume(self, **options: Any) -> Any:
        """Go on from an answer that was stopped, broke off or was cut at `max_tokens`.

        Raises
        ------
        UsageError
            Where there is nothing to go on from.
        """
        if chat := options.pop("chat", None):
            return self.chat(chat).resume(**options)
        last, given = self._last, _without(("new", "once"), "resume", Options.of(**options))
        if last is None or (last.complete and last.stop_reason != "max_tokens"):
            raise UsageError("nothing to resume: the last answer is complete")
        if self._broken is not None:
            broken, self._broken = self._broken, None
            self._commit(broken)
        elif not any(t.answer.id == last.id for t in self._turns):
            raise UsageError(
                "nothing to resume: nothing of the last answer arrived, or it was not kept. Ask again."
            )
        return self.question(RESUME, (), given, after=last.id)

    @property
    def context(self) -> Context:
        """How full the context is, in tokens: `used` and `size`."""
        return gauge(history.live(self._turns), resolve(self.model))

    def compact(self, **options: Any) -> Answer:
        """Condense the conversation now: Claude sums it up, and the next question follows the summary alone.

        The transcript keeps every turn; `undo` takes it back.

        Raises
        ------
        UsageError
            Where there is nothing to condense.
        ClaudeError
            As `ask`; nothing changes then.
        """
        if chat := options.pop("chat", None):
            return self.chat(chat).compact(**options)
        given = _without(_POINTLESS, "compact", Options.of(**options))
        live = history.live(self._turns)
        if not live:
            raise UsageError("there is nothing to condense: no turn would be sent")
        asking = self._prepared(SUMMARY, (), given)
        once = replace(asking.question.options, once=True)
        asking.question = replace(asking.question, options=once)  # its own turn is not kept: the summary is
        asking.answer = replace(asking.answer, starts=True)
        answer = self.run(asking, self._world.view(asking.answer.id, asking.stop, background=False))
        if not answer.text.strip():
            raise APIResponseError("Claude gave no summary; the conversation is as it was. Try again.")
        with self._lock:
            turn = summarised(answer, live)
            self._commit(replace(turn, cell=asking.place.cell, execution=asking.place.execution))
        return answer

    def run(self, asking: Asking, view: View, *, begun: bool = False) -> Answer:
        """Drive a prepared question to its end, showing it in `view`."""
        parts = asking.parts()
        while True:
            try:
                if not begun:
                    begun = True
                    view.begin(asking.answer)
                if (news := next(parts, None)) is None:
                    break
                view.show(news)
            except KeyboardInterrupt:
                asking.stop.ask()
            except Exception:
                self._rescue(asking, parts, view)
                raise
        return self.finish(asking, view)

    def finish(self, asking: Asking, view: View | None = None) -> Answer:
        """Keep what a question that is over gave, and show it; raises what went wrong."""
        try:
            answer = surely(partial(self._close, asking, view))
        except KeyboardInterrupt:
            raise StoppedError("Stopped when the answer was there already; it is kept.") from None
        lost = view is not None and not answer.complete  # stopped in a line of ours
        if error := asking.error or (StoppedError("Stopped. Run the cell again.") if lost else None):
            raise error
        return answer

    def _in_background(self, asking: Asking, view: View, finished: Callable[[Answer], None] | None) -> None:
        """Answer on this thread; what goes wrong is said in the answer, because no cell is there to fail."""
        asking.tells_errors = True
        asking.question = follow(asking.question, self._turns, asking.place, self._world.settings)
        asking.built = None
        try:
            answer = self.run(asking, view, begun=True)
        except ClaudeError:
            return
        if finished is not None:
            finished(answer)

    def _asked_later(self, asking: Asking, view: View) -> Ask:
        """How a tool of a background answer asks first: in its cell's output, to be decided in any other cell."""
        attended = self._world.attended()

        def ask(question: str) -> bool | None:
            if not attended:
                return None
            self._world.show(f"{question} claude.allow() lets it, claude.refuse() does not; in any cell.")
            view.show((Status("Waiting for claude.allow() or claude.refuse()"),))
            return self._world.permits.ask(question, asking.stop)

        return ask

    def allow(self) -> None:
        """Let the tool call that has waited longest (of an answer in the background) be made.

        Raises
        ------
        UsageError
            Where none waits.
        """
        self._world.permits.decide(True)

    def refuse(self) -> None:
        """Do not let it be made; Claude is told.

        Raises
        ------
        UsageError
            Where none waits.
        """
        self._world.permits.decide(False)

    def _prepared(
        self,
        prompt: str | None,
        values: Sequence[Any],
        options: Options,
        *,
        labels: Sequence[str] | None = None,
        results: Mapping[str, Any] | None = None,
        keep_events: bool = False,
        after: str | None = None,
    ) -> Asking:
        if prompt is not None and not isinstance(prompt, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(
                f'the question comes first and is text, not {type(prompt).__name__}: claude.ask("What is odd here?", value)'
            )
        number, state = self._number_and_state(sends=not options.dry_run)
        state = replace(state, offered=self._offered)
        place = self._place(after)
        if after is not None:
            at = next(i for i, t in enumerate(state.turns) if t.answer.id == after)
            state = replace(state, turns=state.turns[: at + 1])
        if self._afresh and not options.once:
            options = replace(options, new=True)
        ask = Asked(prompt or "", tuple(values), options, labels, results, number, place)
        try:
            return prepare(self._world, state, ask, keep_events=keep_events)
        except KeyboardInterrupt:
            raise StoppedError("Stopped; nothing was sent.") from None

    def _chosen(self, options: Options) -> Conversation:
        return self.chat(options.chat) if options.chat else self

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
        made._model, made._system, made._tools = self._model, self._system, list(self._tools)
        self._world.chats[name] = made
        made._write_down()
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


def _without(names: Sequence[str], method: str, options: Options) -> Options:
    """The options, none of which may be silently without effect."""
    for name in names:
        if getattr(options, name):
            raise UsageError(f"claude.{method} takes no {name}; claude.ask does")
    return options


def _checked_name(name: str) -> None:
    told = isinstance(name, str) and name.isprintable() and name.strip()  # pyright: ignore[reportUnnecessaryIsInstance]
    if not told or any(c in name for c in '/\\:*?"<>|') or len(name) > 80:
        raise UsageError(f"{name!r} cannot name a chat: use letters, digits, blanks, - and _")
