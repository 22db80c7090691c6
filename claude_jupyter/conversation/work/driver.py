"""Connects `--do` work to a chat and to the cells that run: reporting the outcome of a step, replies in words, undo."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any, Final, Protocol

from claude_jupyter.answer.model import Answer, Attachment, Block
from claude_jupyter.conversation import history
from claude_jupyter.conversation.ask.prepare import chosen_model, rules_for
from claude_jupyter.conversation.asker import Asker
from claude_jupyter.conversation.chat import Chat
from claude_jupyter.conversation.environment import Environment
from claude_jupyter.conversation.history import Turns
from claude_jupyter.conversation.work.proposal import code_of, title_of
from claude_jupyter.conversation.work.step_result import Outcome, outcome_attachment
from claude_jupyter.conversation.work.work import Reply, Step, Work
from claude_jupyter.costs.usage import dollars
from claude_jupyter.errors import ClaudeError
from claude_jupyter.kernel.checkpoint import Checkpoint
from claude_jupyter.kernel.effects import Effects, effects_of
from claude_jupyter.options import Options

_LATE: Final = "The cell that you proposed as “{title}” has now run, after other questions. The outcome:"
_TURN: Final = 0.02
"""Seconds between two turns of the loop while a step runs."""
_COPY: Final = "The cell that Claude proposed is still waiting; this copy of it ran as an ordinary cell."
_ELSEWHERE: Final = "The work that this cell was proposed for has ended, so it ran as an ordinary cell."


class _Ask(Protocol):
    """Asks a question with these options and results, after the work's answers with these ids; its answer begins with these blocks."""

    def __call__(
        self,
        options: Options,
        results: Mapping[str, Any] | None = ...,
        opening: Sequence[Block] = ...,
        work: Sequence[str] = ...,
        /,
    ) -> Answer: ...


def answered(
    env: Environment,
    asker: Asker,
    chat: Chat,
    ask: _Ask,
    options: Options,
    prompt: str | None,
    after: str | None,
) -> Answer:
    """The answer to a question that extends the history: as part of a work, where it begins one or one waits for it.

    Parameters
    ----------
    after
        As in `Asker.prepared`: it continues this answer.
    """
    if after is not None:
        work = broken_off(env, chat)
        return ask(options) if work is None else _resumed(work, ask, options)
    if options.do:
        return _begin(env, asker, chat, ask, options)
    if _waits(env, chat) and not options.new and not options.background:
        return _in_words(env, chat, ask, options, prompt or "")
    return ask(options)


def _begin(env: Environment, asker: Asker, chat: Chat, ask: _Ask, options: Options) -> Answer:
    """Ask with `run_cell` offered, and handle the answer's proposals."""
    options = replace(options, look=True)
    before = env.works.get(chat.name)
    if before is not None and not before.over:
        before.end("")
    work = Work(
        ask=lambda reply: _tell(env, asker, chat, work, reply),
        executor=env.executor(),
        examine=lambda code: examined(env, work, code),
        auto=options.do == "auto",
        each=env.settings.approve == "each",
        most=env.settings.max_steps,
        may_spend=_limit(env),
        ended=lambda word: _ended(env, word),
        options=_later(options),
    )
    env.works[chat.name] = work
    answer = ask(options)
    work.advance(answer)
    return answer


def _in_words(env: Environment, chat: Chat, ask: _Ask, options: Options, prompt: str) -> Answer:
    """An answer to a waiting cell in words: Claude is told them instead of an outcome."""
    work = env.works[chat.name]
    reply = work.skipped(prompt)
    open_calls = _open_calls(env, chat, work)
    results = {call: text for call, text in reply.results.items() if call in open_calls}
    continued = _continued(work, options)
    try:
        answer = work.tell(reply, lambda _: ask(continued, results, reply.opening, work.answers))
    except ClaudeError:
        if set(reply.results) & set(_open_calls(env, chat, work)):  # nothing of an answer is kept
            work.waits_again()
        raise
    work.advance(answer)
    return answer


def broken_off(env: Environment, chat: Chat) -> Work | None:
    """The work of this chat that the service or the network broke off."""
    work = env.works.get(chat.name)
    return work if work is not None and work.unanswered is not None else None


def told_again(work: Work) -> Answer:
    """Tell Claude once more what it gave no answer to, in the cell that runs."""
    assert work.unanswered is not None
    answer = work.tell(work.unanswered, work.ask)
    work.advance(answer)
    return answer


def _resumed(work: Work, ask: _Ask, options: Options) -> Answer:
    """Go on from the answer to a step that broke off, and with the work."""
    assert work.unanswered is not None
    answer = work.tell(work.unanswered, lambda _: ask(_continued(work, options), {}, (), work.answers))
    work.advance(answer)
    return answer


def _continued(work: Work, options: Options) -> Options:
    """The options of a work, among them what may be sent of rows, where a question that continues with it does not say otherwise."""
    names = (field.name for field in fields(Options))
    changes = {
        name: getattr(options, name) for name in names if getattr(options, name) != getattr(Options(), name)
    }
    return replace(work.options, **changes)


def _waits(env: Environment, chat: Chat) -> bool:
    """Whether a proposed cell of this chat is waiting to be run."""
    work = env.works.get(chat.name)
    return work is not None and work.pending is not None and not work.over


def _later(options: Options) -> Options:
    """What of the question's options holds for the whole work."""
    return Options(
        model=options.model, rows=options.rows, effort=options.effort, thinking=options.thinking, tool=options.tool, web=options.web,
        mcp=options.mcp, look=True, do=options.do, max_tokens=options.max_tokens, stop=options.stop, temperature=options.temperature,
        no_replay=options.no_replay, param=options.param,
    )  # fmt: skip


def _tell(env: Environment, asker: Asker, chat: Chat, work: Work, reply: Reply) -> Answer:
    """Tell Claude the outcome of a step, in the cell that runs now."""
    options = work.options
    _, state = chat.next_question(options.model, sends=False)
    rules = rules_for(env, options, chosen_model(env, state, options), history.live(chat.turns))
    results: dict[str, str | Attachment] = {
        call: text if isinstance(text, str) else outcome_attachment(text, reply.number, rules)
        for call, text in reply.results.items()
    }
    calls = _open_calls(env, chat, work)
    answers = {call: result for call, result in results.items() if call in calls}
    late = [result for call, result in results.items() if call not in calls]
    title = next((b["title"] for b in reply.opening), "")
    prompt = _LATE.format(title=title) if late else None
    step = f"step {reply.number} ({title})" if title else ""
    labels = ["outcome"] * len(late)
    exchange = asker.prepared(
        prompt, late, options, labels=labels, results=answers or None, step=step, work=tuple(work.answers)
    )
    exchange.open_with(reply.opening)
    work.answers.append(exchange.answer.id)
    answer = asker.answered(exchange, None)
    assert isinstance(answer, Answer)
    return answer


def _open_calls(env: Environment, chat: Chat, work: Work) -> tuple[str, ...]:
    live = history.live(history.before(chat.turns, chat.place(), env.layout(), work.answers))
    return history.open_calls(live[-1].messages) if live else ()


def examined(env: Environment, work: Work, code: str) -> tuple[Effects, tuple[str, ...]]:
    """What a cell would do, and which variables could not be brought back after it."""
    return effects_of(code, env.namespace()), _checkpoint(env, work).unprotected


def _checkpoint(env: Environment, work: Work) -> Checkpoint:
    """A checkpoint of the variables; what has not changed since the work's last one is not copied again."""
    work.newest = Checkpoint(env.namespace(), previous=work.newest)
    return work.newest


def _limit(env: Environment) -> Callable[[Decimal], str]:
    """Asks the user each time the work has cost another `confirm_above`."""
    passed = [1]

    def may_spend(cost: Decimal) -> str:
        limit = env.settings.confirm_above
        if limit is None or cost <= Decimal(str(limit)) * passed[0]:
            return ""
        passed[0] += 1
        question = f"This work has cost {dollars(cost)} so far. Continue?"
        if env.frontend.confirm(question):
            return ""
        return f"Claude stopped here: this work has cost {dollars(cost)} (confirm_above = {limit:g}). Ask again to continue."

    return may_spend


def _ended(env: Environment, word: str) -> None:
    if word:
        env.frontend.warn(word)


# -- Cells that run -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Started:
    chat: str
    step: Step
    began: float


class Watch:
    """Watches the user's cells run: a proposed cell is a step of its work."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._started: _Started | None = None

    def before(self, source: str, cell: str | None) -> None:
        """A cell begins."""
        self._started = None
        for chat, work in self._env.works.items():
            step = work.pending
            if step is not None and not work.over and _is_it(work, step, source, cell):
                if code_of(source).strip() != step.proposal.code.strip():
                    step = work.edited(code_of(source))
                take_checkpoint(self._env, work)
                self._started = _Started(chat, step, time.monotonic())
                with contextlib.suppress(RuntimeError):  # no loop runs in a terminal
                    self._stay_awake(asyncio.get_running_loop())
                return

    def _stay_awake(self, loop: asyncio.AbstractEventLoop) -> None:
        """An interrupt reaches a cell at an `await` when the loop turns: ipykernel 7.4 does not wake it, however long it would sleep."""
        if self._started is not None:
            loop.call_later(_TURN, self._stay_awake, loop)

    def after(self, source: str, cell: str | None, error: BaseException | None) -> None:
        """A cell has run; if it was a step, Claude is told and continues in this cell's output."""
        started, self._started = self._started, None
        if started is None:
            self._say_if_not_a_step(source)
            return
        env, work = self._env, self._env.works[started.chat]
        records = env.records()
        record = records[-1] if records else None
        if record is None or work.pending is not started.step:  # answered in words, within its own cell
            if work.id == started.step.work and work.checkpoints:
                work.checkpoints.pop()
            return
        ran = code_of(source)
        edited = "" if ran.strip() == started.step.proposal.code.strip() else ran
        changes = work.checkpoints[-1].changes(env.namespace())
        outcome = Outcome(record, error, edited, changes, time.monotonic() - started.began)
        try:
            work.ran(outcome, cell)
        except ClaudeError as problem:
            work.end(problem.message if work.unanswered is None else _how_to_go_on(problem.message))
        except KeyboardInterrupt:
            work.end("Stopped. What was done is kept; ask again to continue.")

    def _say_if_not_a_step(self, source: str) -> None:
        title = title_of(source)
        if title is None:
            return
        named = [
            work
            for work in self._env.works.values()
            if work.pending is not None and work.pending.proposal.title == title
        ]
        if any(work.over for work in named):
            self._env.frontend.warn(_ELSEWHERE)
        elif named:
            self._env.frontend.warn(_COPY)


def _how_to_go_on(message: str) -> str:
    """What went wrong after a step, whose cell would ask nothing if it were run again."""
    if "claude.resume()" in message:
        return message
    again = message.replace("Run the cell again", "Run claude.resume() to continue")
    return again if again != message else f"{message} Then run claude.resume() to continue."


def _is_it(work: Work, step: Step, source: str, cell: str | None) -> bool:
    """Whether this cell is the one that waits: the page knows its id; elsewhere its first line tells, or its code."""
    if work.cell is not None:
        return cell == work.cell
    return title_of(source) == step.proposal.title or source.strip() == step.proposal.code.strip()


def take_checkpoint(env: Environment, work: Work) -> Checkpoint:
    """Remember the variables as they are before the next step; what a failed cell changed is undone before its correction."""
    _take_back_failure(env, work)
    checkpoint = _checkpoint(env, work)
    work.checkpoints.append(checkpoint)
    return checkpoint


def _take_back_failure(env: Environment, work: Work) -> None:
    """The notebook will not hold the failed cell, so its correction starts from where that one did; not if more has changed since."""
    failed = work.steps[-1] if work.steps else None
    if failed is None or failed.outcome is None or work.pending is None or not work.pending.replaces:
        return
    before, namespace = work.checkpoints[-1], env.namespace()
    if before.changes(namespace) == failed.outcome.changes:
        before.restore(namespace)


# -- Undoing --------------------------------------------------------------------------------------------------------------


def undoable(env: Environment, name: str, turns: Turns) -> Work | None:
    """The last work of a chat, if its last answer is the newest of the history."""
    work = env.works.get(name)
    if work is None or not work.checkpoints or not turns:
        return None
    return work if turns[-1].answer.id in work.answers else None


def undo(env: Environment, chat: Chat, work: Work, steps: int | None) -> str:
    """Restore the variables from before the last `steps` steps (all), remove their cells and answers.

    Returns
    -------
    One line that says what came back and what could not.
    """
    ran = [done for done, _ in work.have_run]
    count = len(ran) if steps is None else min(steps, len(ran))
    waiting = [work.cell] if work.pending is not None and not work.over and work.cell else []
    work.end("")
    checkpoint = work.checkpoints[-count]
    namespace = env.namespace()
    changes = checkpoint.changes(namespace)
    lost = checkpoint.restore(namespace)
    remaining = dict.fromkeys([*work.beyond(count), *lost, *work.lost(count)])
    cells = [done.cell for done in ran[-count:] if done.cell]
    answers = set(work.answers) if steps is None else {done.answer for done in ran[-count:] if done.answer}
    newest = 0
    for turn in reversed(chat.turns):
        if turn.answer.id not in answers:
            break
        newest += 1
    if newest:
        chat.undo(newest)
    del work.checkpoints[-count:]
    del work.steps[work.steps.index(ran[-count]) :]
    env.page.gone.extend([*cells, *waiting])
    names = [*changes.added, *changes.changed, *changes.removed]
    took = ", ".join(names) if names else "no variable had changed"
    and_cells = f" and {len(cells)} cell{'' if len(cells) == 1 else 's'}" if cells else ""
    return f"Undone: {took}{and_cells}." + (
        f" Cannot be undone: {', '.join(remaining)}." if remaining else ""
    )
