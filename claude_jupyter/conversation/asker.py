"""Asks the questions of one chat: prepares a question, runs it in the cell or in the background, and has the chat keep the answer."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from claude_jupyter.answer.model import Answer, Receipt, Status, View
from claude_jupyter.conversation import history
from claude_jupyter.conversation.ask.context_window import SUMMARY, summarized
from claude_jupyter.conversation.ask.prepare import QuestionInput, follow, prepare
from claude_jupyter.conversation.ask.receipts import receipt
from claude_jupyter.conversation.ask.run import Exchange
from claude_jupyter.conversation.chat import Chat
from claude_jupyter.conversation.environment import Environment
from claude_jupyter.conversation.tools.approvals import Ask
from claude_jupyter.errors import APIResponseError, ClaudeError, StoppedError, UsageError
from claude_jupyter.interrupts import locked, surely, uninterrupted
from claude_jupyter.options import Options

RESUME: Final = "Continue exactly where your last answer stopped; do not repeat any of it."

Finished = Callable[[Answer], None]
"""Called with the complete answer."""


class Asker:
    """Asks the questions of one chat.

    Parameters
    ----------
    env
        The environment.
    chat
        What is asked, and keeps the answers.
    """

    def __init__(self, env: Environment, chat: Chat) -> None:
        self._env = env
        self._chat = chat

    def prepared(
        self,
        prompt: str | None,
        values: Sequence[Any],
        options: Options,
        *,
        labels: Sequence[str] | None = None,
        results: Mapping[str, Any] | None = None,
        keep_events: bool = False,
        after: str | None = None,
        step: str = "",
        work: Sequence[str] = (),
    ) -> Exchange:
        """A question, ready to run; nothing has been sent. `work` as in `history.before`."""
        chat = self._chat
        if prompt is not None and not isinstance(prompt, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise UsageError(
                f'the question comes first and must be text, not {type(prompt).__name__}: claude.ask("What is odd here?", value)'
            )
        number, state = chat.next_question(options.model, sends=not options.dry_run, once=options.once)
        state = replace(state, offered=chat.offered)
        place = chat.place(after)
        if after is not None:
            at = next(i for i, t in enumerate(state.turns) if t.answer.id == after)
            state = replace(state, turns=state.turns[: at + 1])
        if chat.afresh and not options.once:
            options = replace(options, new=True)
        ask = QuestionInput(prompt or "", tuple(values), options, labels, results, number, place, step, work)
        try:
            exchange = prepare(self._env, state, ask, keep_events=keep_events)
        except KeyboardInterrupt:
            raise StoppedError("Stopped; nothing was sent.") from None
        exchange.count = chat.count
        return exchange

    def view(self, exchange: Exchange, *, background: bool = False) -> View:
        """Where the answer is shown."""
        typed = exchange.returns is not None
        return self._env.frontend.view(exchange.answer.id, exchange.stop, background=background, typed=typed)

    def answered(self, exchange: Exchange, finished: Finished | None) -> Answer | Receipt:
        """A prepared question answered, or what it would send where it is a dry run; in the background the answer it begins with."""
        options = exchange.question.options
        if options.dry_run:
            request, _, notes = exchange.request_to_send()
            unsent = receipt(
                self._env, exchange.question, request, exchange.answer, (*exchange.notes, *notes)
            )
            self._env.frontend.show(unsent)
            return unsent
        view = self.view(exchange, background=options.background)
        if options.background:
            view.begin(exchange.answer)
            exchange.toolbox.confirm = self._decided_later(exchange, view)
            work = partial(self._in_background, exchange, view, finished)
            self._env.background.start(self._chat.name, work, exchange.stop, self._env.frontend.adopt())
            return exchange.answer
        answer = self.run(exchange, view)
        if finished is not None:
            finished(answer)
        return answer

    def resumable(self) -> str:
        """The id of the last answer, which can be continued.

        Raises
        ------
        UsageError
            If there is nothing to continue from.
        """
        chat = self._chat
        last = chat.last
        if last is None or (last.complete and last.stop_reason != "max_tokens"):
            raise UsageError("nothing to resume: the last answer is complete")
        if chat.broken is not None:
            broken, chat.broken = chat.broken, None
            chat.commit(broken)
        elif not any(t.answer.id == last.id for t in chat.turns):
            raise UsageError(
                "nothing to resume: nothing of the last answer arrived, or it was not kept. Ask again."
            )
        return last.id

    def compact(self, options: Options) -> Answer:
        """Have the chat summed up; the next question follows the summary alone."""
        live = history.live(self._chat.turns)
        if not live:
            raise UsageError("there is nothing to summarize: no turn would be sent")
        exchange = self.prepared(SUMMARY, (), replace(options, look=False))
        once = replace(exchange.question.options, once=True)
        exchange.question = replace(
            exchange.question, options=once
        )  # its own turn is not kept: the summary is
        exchange.answer = replace(exchange.answer, starts=True)
        answer = self.run(exchange, self.view(exchange))
        if not answer.text.strip():
            raise APIResponseError(
                "Claude returned no summary, and the conversation is unchanged. Try again."
            )
        with locked(self._chat.lock):
            turn = summarized(answer, live)
            self._chat.commit(replace(turn, cell=exchange.place.cell, execution=exchange.place.execution))
        return answer

    def run(self, exchange: Exchange, view: View, *, begun: bool = False) -> Answer:
        """Run a prepared question to its end, showing it in `view`.

        An interrupt reaches whatever is waiting (the network, a tool, the user); anywhere else it would leave things inconsistent.
        """
        try:
            with uninterrupted():
                return self._driven(exchange, view, begun)
        except KeyboardInterrupt:
            raise StoppedError("Stopped after the answer had arrived; it is kept.") from None

    def _driven(self, exchange: Exchange, view: View, begun: bool) -> Answer:
        parts = exchange.parts()
        while True:
            try:
                if not begun:
                    begun = True
                    view.begin(exchange.answer)
                if (news := next(parts, None)) is None:
                    break
                view.show(news)
            except KeyboardInterrupt:
                exchange.stop.request()
            except Exception:
                self._rescue(exchange, parts, view)
                raise
        return self.finish(exchange, view)

    def finish(self, exchange: Exchange, view: View | None = None) -> Answer:
        """Keep and show the result of a finished question; raises what went wrong."""
        try:
            answer = surely(partial(self._close, exchange, view))
        except KeyboardInterrupt:
            raise StoppedError("Stopped after the answer was complete; it is kept.") from None
        lost = view is not None and not answer.complete  # stopped in a line of ours
        if error := exchange.error or (StoppedError("Stopped. Run the cell again.") if lost else None):
            raise error
        return answer

    def _close(self, exchange: Exchange, view: View | None) -> Answer:
        """Take in a question that is over, and make its output durable."""
        answer = self._chat.keep(exchange, unseen=view is None)
        if view is not None:
            view.end(answer)
        self._env.frontend.remember(answer)
        return answer

    def _rescue(self, exchange: Exchange, parts: Iterator[object], view: View) -> None:
        """Keep the outcome of an answer that could not be shown (a closed pipe), or that a fault broke off."""
        exchange.stop.request()
        deque(parts, maxlen=0)  # to its end
        answer = self._chat.keep(exchange, unseen=False)
        with contextlib.suppress(Exception):
            view.end(answer)

    def _in_background(self, exchange: Exchange, view: View, finished: Finished | None) -> None:
        """Answer on this thread; what goes wrong is said in the answer, because no cell is there to fail."""
        exchange.tells_errors = True
        exchange.question = follow(self._env, exchange.question, self._chat.turns, exchange.place)
        exchange.built = None
        try:
            answer = self.run(exchange, view, begun=True)
        except ClaudeError:
            return
        if finished is not None:
            finished(answer)

    def _decided_later(self, exchange: Exchange, view: View) -> Ask:
        """How a tool of a background answer asks first: in its cell's output, to be decided in any other cell."""
        env, attended = self._env, self._env.frontend.answers

        def ask(question: str) -> bool | None:
            if not attended:
                return None
            env.frontend.show(f"{question} Run claude.allow() or claude.refuse() in any cell.")
            view.show((Status("Waiting for claude.allow() or claude.refuse()"),))
            return env.approvals.ask(question, exchange.stop)

        return ask
