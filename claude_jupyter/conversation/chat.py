"""One chat: its turns, what it cost, and the ways to edit, save and restore them. It asks nothing itself."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

from claude_jupyter.answer.model import Answer, Layout, Message, Place, Turn
from claude_jupyter.conversation import history
from claude_jupyter.conversation.ask import system_prompt
from claude_jupyter.conversation.ask.prepare import ChatState
from claude_jupyter.conversation.ask.repeated import question_key
from claude_jupyter.conversation.ask.run import Exchange
from claude_jupyter.conversation.drivers.keep_warm import CacheEntry, KeepWarm
from claude_jupyter.conversation.environment import Environment
from claude_jupyter.conversation.history import Turns
from claude_jupyter.conversation.store import storage
from claude_jupyter.conversation.store.restore import restored
from claude_jupyter.conversation.tools.toolbox import Tool
from claude_jupyter.costs.cache_lifetimes import LIVES, kept_lifetime, lifetime
from claude_jupyter.costs.ledger.calls import UNBILLED
from claude_jupyter.costs.usage import TTL, Cost, Usage
from claude_jupyter.errors import UsageError
from claude_jupyter.interrupts import locked
from claude_jupyter.models import resolve
from claude_jupyter.options import Options

_UNDOABLE: Final = 200
_SEEN: Final = 50
"""How many of the newest pauses are used to predict the next ones."""


class Chat:
    """The history and the bill of one chat.

    Parameters
    ----------
    env
        Its environment.
    name
        The chat's name; the kernel's own is `main`.

    Attributes
    ----------
    own_model, own_system
        What was set for this chat; None: the settings' own.
    tools
        Functions that are offered in every question.
    offered
        The tools of the last question.
    usage
        Of everything asked in this chat.
    last
        The last answer, also a stopped or failed one.
    broken
        A re-run that broke off and so replaced nothing, until something else is asked.
    afresh
        Whether the next question begins a new history.
    lock
        Held while any of it changes.
    """

    def __init__(self, env: Environment, name: str, turns: Turns = ()) -> None:
        self._env = env
        self.name = name
        self.own_model: str | None = None
        self.own_system: history.System | None = None
        self._auto: str | None = None
        self._turns = turns
        self._layout: Layout | None = None
        self._past: deque[Turns] = deque(maxlen=_UNDOABLE)
        self.tools: list[Tool] = []
        self.offered: tuple[Tool, ...] = ()
        self.usage = Usage()
        self._billed = Cost()
        self._unbilled = Cost()
        self._own: set[str] = set()
        self._counted: set[str] = set()
        self._newest_number = max((t.answer.turn for t in turns), default=0)
        self.last: Answer | None = turns[-1].answer if turns else None
        self._last_end: float | None = None
        self._last_sent = 0.0
        self._last_ttl: TTL | None = None
        self._pauses: tuple[float, ...] = ()
        self._keep_warm = KeepWarm(self._env, self.count, self._holds)
        self.broken: Turn | None = None
        self.afresh = False
        self._joined: tuple[Place, Place] | None = None
        self.lock = threading.RLock()

    # -- what there is --------------------------------------------------------------------------------------------------

    @property
    def turns(self) -> Turns:
        """The transcript, in the order of the notebook's cells where its page tells it, else oldest first."""
        layout = self._env.layout()
        if layout is not self._layout:
            self._turns, self._layout = history.arranged(self._turns, layout), layout
        return self._turns

    @turns.setter
    def turns(self, turns: Turns) -> None:
        self._turns, self._layout = turns, None

    @property
    def messages(self) -> list[Message]:
        """The messages that the next question will follow, as they go over the wire."""
        tools = [dict(t.definition) for t in self.tools]
        live = history.live(self.turns)
        return list(history.sent(live, self.system, tools).messages)

    @property
    def model(self) -> str:
        """Model for the next questions, an id or a line; assign None to go back to the setting."""
        return self.own_model or self._env.settings.model

    @model.setter
    def model(self, model: str | None) -> None:
        self.own_model = Options.of(model=model).model

    @property
    def system(self) -> str:
        """System prompt for the next questions; assign None to go back to the setting, "" for none. Earlier turns stay."""
        return history.system_at(self.turns, self.default_system)

    @system.setter
    def system(self, system: str | None) -> None:
        text = (
            self._configured if system is None else Options.of(system=system).system or "" if system else ""
        )
        self.own_system = history.System(text, self._newest_number)

    @property
    def default_system(self) -> history.System:
        """What is sent before the first turn."""
        return self.own_system or history.System(self._configured)

    @property
    def _configured(self) -> str:
        """The system prompt that the settings ask for; `auto` is the same for the whole chat."""
        env, text = self._env, self._env.settings.system
        if text == system_prompt.AUTO:
            self._auto = text = self._auto or system_prompt.auto()
        folder = env.notebook.parent if env.notebook is not None else env.folder or Path()
        own = system_prompt.instructions(folder) if env.settings.instructions else ""
        return "\n\n".join(filter(None, (text, own)))

    @property
    def cost(self) -> Cost:
        """List price of everything billed in this chat: a `Decimal` with its `parts`.

        If only the offline demo answered, it is what that would have cost; the two are never added together.
        """
        return self._billed if self._billed or self._billed.unknown or not self._unbilled else self._unbilled

    def is_of_this_kernel(self, answer: Answer) -> bool:
        """Whether an answer was asked for in this kernel, by this chat or the one it was forked from."""
        return answer.id in self._own

    # -- keeping what came ----------------------------------------------------------------------------------------------

    def keep(self, exchange: Exchange, *, unseen: bool) -> Answer:
        """Take in a question that is over; the answer with what is to be said of its place in the history."""
        answer, question = exchange.answer, exchange.question
        with locked(self.lock):
            self.last = answer
            if not question.options.once:
                self._last_end = time.monotonic()
                if exchange.sent:  # a recording touches no cache entry
                    self._last_sent, self._last_ttl = exchange.sent, question.ttl
            self._counted.add(answer.id)
            self._own.add(answer.id)
            self.broken = None
            self.offered = tuple(exchange.toolbox.tools)
            if not exchange.messages:
                return answer
            key, hint = self._hint(exchange)
            if question.options.once:
                self.last = _with_note(answer, hint) if hint else answer
                return self.last
            turn = history.with_digests(
                Turn(
                    messages=exchange.messages,
                    answer=answer,
                    prefix=exchange.prefix,
                    cell=exchange.place.cell,
                    execution=exchange.place.execution,
                    prompt=question.prompt,
                    starts=question.options.new,
                    unseen=unseen,
                    system=question.options.system,
                )
            )
            if history.overtaken(self.turns, turn):
                return answer
            replaced = history.replaced(self.turns, turn)
            if replaced and not answer.complete:
                self.broken = turn
                return answer
            self.commit(turn, key)
            if answer.complete and exchange.request is not None and self._env.settings.cache == "warm":
                entry = CacheEntry(exchange.request, exchange.sent, question, answer, exchange.place.cell)
                if why := self._keep_warm.begin(entry):
                    answer = _with_note(answer, why)
            if replaced:
                answer = _with_note(answer, _replacing(answer, replaced))
            if hint:
                answer = _with_note(answer, hint)
            self.last = answer
            return answer

    def _holds(self, answer: Answer) -> bool:
        return any(t.answer.id == answer.id for t in self.turns)

    def count(self, usage: Usage, cost: Cost | None) -> None:
        """Add what a request of this chat used, from whatever thread: as its row in the ledger is completed, so that both agree."""
        with locked(self.lock):
            self.usage = self.usage + usage
            self._add_cost(cost, billed=self._env.billing.provider() not in UNBILLED)

    def _add_cost(self, cost: Cost | None, *, billed: bool) -> None:
        if billed:
            self._billed = Cost.total((self._billed, cost))
        else:
            self._unbilled = Cost.total((self._unbilled, cost))

    def _hint(self, exchange: Exchange) -> tuple[str, str | None]:
        """What makes this question what it is, and a word where the same one was paid for before."""
        answer, env = exchange.answer, self._env
        key = question_key(exchange.options_digest, exchange.prefix, exchange.messages[0])
        hint = env.repeats.hint(key, answer) if env.settings.replay == "off" else None
        if exchange.question.options.once and answer.complete and answer.billed and answer.cost is not None:
            env.journal.paid(self.name, key, answer.cost)
        return key, hint

    def commit(self, turn: Turn, key: str | None = None) -> None:
        """Put a turn into the history, and write it down."""
        with locked(self.lock):
            self.afresh = False
            before = self.turns
            self._change(history.placed(before, turn))
            after = self.turns
            turn = next(t for t in after if t.answer.id == turn.answer.id)
            self._env.journal.add(self.name, turn, key)
            if after[-1] is not turn and len(after) > len(before):
                # Of several asked at once a later one was done first: the journal's own order is not theirs.
                self._env.journal.edit(self.name, after, after)

    def _change(self, turns: Turns) -> None:
        with locked(self.lock):
            self._past.append(self.turns)
            self.turns = turns
            # Turns from elsewhere (a file, the notebook) have numbers of their own: the next question is newer than all.
            self._newest_number = max((self._newest_number, *(t.answer.turn for t in turns)))

    def place(self, after: str | None = None) -> Place:
        """The cell and execution that ask; one that continues from an answer of its own cell belongs to that one's execution."""
        place = self._env.frontend.place()
        own = next((t for t in self.turns if t.answer.id == after and t.cell == place.cell), None)
        if own is not None and place.cell is not None and own.execution != place.execution:
            self._joined = (place, Place(own.cell, own.execution))
        return self._joined[1] if self._joined is not None and self._joined[0] == place else place

    # -- the next question ---------------------------------------------------------------------------------------------

    def next_question(
        self, model: str | None, *, sends: bool = True, once: bool = False
    ) -> tuple[int, ChatState]:
        """Which question of the chat the next one is, and the chat as it finds it; what is not sent takes no number."""
        with locked(self.lock):
            number = self._newest_number + 1
            if sends:
                self._newest_number = number
            pauses = self._pauses
            if self._last_end is not None:
                pauses = (*pauses, time.monotonic() - self._last_end)[-_SEEN:]
            warm = self._is_warm()
            expired = self._last_ttl is not None and not warm
            ttl = self._ttl(pauses, model, once)
            if sends:
                self._pauses = pauses
            tools = tuple(self.tools)
            return number, ChatState(
                self.name, self.turns, tools, self.own_model, self.default_system, ttl, warm, expired
            )

    def _ttl(self, pauses: Sequence[float], model: str | None, once: bool) -> TTL | None:
        settings = self._env.settings
        match settings.cache:
            case "off":
                return None
            case "1h":
                return "1h"
            case "auto":
                return lifetime(pauses, resolve(model or self.model), settings.prices)
            case "warm" if not once:  # which nobody keeps alive
                return kept_lifetime(resolve(model or self.model), settings.prices)
            case _:
                return "5m"

    def _is_warm(self) -> bool:
        """Whether the last question's cache entries are likely to be there still."""
        if self._last_ttl is None:
            return False
        return time.time() - max(self._last_sent, self._keep_warm.read) < LIVES[self._last_ttl]

    # -- editing --------------------------------------------------------------------------------------------------------

    def undo(self, n: int = 1) -> None:
        """Undo the last `n` changes to the history."""
        with locked(self.lock):
            if not self._past:
                raise UsageError("there is nothing to undo")
            count = len(self._past)
            if not isinstance(n, int) or not 1 <= n <= count:  # pyright: ignore[reportUnnecessaryIsInstance]
                raise UsageError(
                    f"there {'is 1 change' if count == 1 else f'are {count} changes'} to undo, not {n}"
                )
            before = self.turns
            for _ in range(n):
                self.turns = self._past.pop()
            self._env.journal.edit(self.name, before, self.turns)

    def hide(self, turn: int | Turn | Iterable[int | Turn]) -> None:
        """Stop sending turns, or send them again."""
        with locked(self.lock):
            turns = list(self.turns)
            for one in turn if isinstance(turn, Iterable) and not isinstance(turn, str) else [turn]:
                at = history.position(self.turns, one)
                turns[at] = replace(turns[at], hidden=not turns[at].hidden)
            self.edit(tuple(turns))

    def clear(self) -> None:
        """Forget the history (`undo` brings it back); what it cost stays counted."""
        if self.turns:
            self.edit(())

    def offer(self, tool: Tool) -> None:
        """Offer a tool in every question from now on; it replaces one with the same name."""
        self.tools = [t for t in self.tools if t.name != tool.name] + [tool]

    def fork(self, name: str) -> Self:
        """A new chat that begins with this one's turns."""
        chat = type(self)(self._env, name, self.turns)
        chat.own_model, chat.own_system, chat.tools = self.own_model, self.own_system, list(self.tools)
        chat._auto, chat._own = self._auto, set(self._own)
        chat.write_down()
        return chat

    # -- keeping it longer than the kernel ------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the chat, images included, to a versioned JSON file."""
        storage.save(path, self.turns, name=self.name, model=self.own_model, system=self.own_system)
        return storage.path_of(path)

    @classmethod
    def of_saved(cls, saved: storage.Saved, env: Environment) -> Self:
        """A chat from what was read of a file that `save` wrote."""
        turns, name, model, system = saved
        chat = cls(env, name, turns)
        chat.add_up(turns)
        chat.own_model, chat.own_system = model, system
        return chat

    def replace_by(self, path: str | os.PathLike[str]) -> None:
        """Continue with the turns of a saved conversation."""
        turns, _, self.own_model, self.own_system = storage.load(path)
        self.take_in(turns)
        self.write_down()

    def restore(self) -> None:
        """Bring the chat of the open notebook back."""
        env = self._env
        self.take_in(restored(env.notebook, self.name, env.journal.turns(self.name)))
        if self.last is None and self.turns:
            self.last = self.turns[-1].answer

    def edit(self, turns: Turns) -> None:
        """Change the history otherwise than by an answer."""
        with locked(self.lock):
            before = self.turns
            self._change(turns)
            self._env.journal.edit(self.name, before, turns)

    def take_in(self, turns: Turns) -> None:
        """Continue with turns from elsewhere; what they cost counts as this chat's, once."""
        with locked(self.lock):
            self.edit(turns)
            self.add_up(turns)

    def write_down(self) -> None:
        """Keep turns that came from elsewhere in the journal too, as this chat's."""
        before: Turns = ()
        for turn in self.turns:
            self._env.journal.add(self.name, turn)
        self._env.journal.edit(self.name, before, self.turns)

    def add_up(self, turns: Turns) -> None:
        """Count what turns from elsewhere cost, each once."""
        new = [t.answer for t in turns if t.answer.id not in self._counted]
        self._counted.update(a.id for a in new)
        self.usage = sum((a.usage for a in new), self.usage)
        for answer in new:
            self._add_cost(answer.cost, billed=answer.billed)


def _replacing(answer: Answer, count: int) -> str:
    what = "the earlier one" if count == 1 else f"the {count} earlier ones"
    return f"Answer {answer.turn} replaces {what} of this cell; `claude.undo()` brings it back."


def _with_note(answer: Answer, text: str) -> Answer:
    """The answer with a note."""
    return replace(answer, blocks=(*answer.blocks, {"type": "notice", "level": "info", "text": text}))


def checked_name(name: str) -> str:
    """The name, if a chat can have it.

    Raises
    ------
    UsageError
        If the name is not valid: use letters, digits, spaces, `_`, `-` and `.` make one.
    """
    is_text = isinstance(name, str) and name.isprintable() and name.strip()  # pyright: ignore[reportUnnecessaryIsInstance]
    if not is_text or any(c in name for c in '/\\:*?"<>|') or len(name) > 80:
        raise UsageError(f"{name!r} is not a chat name: use letters, digits, spaces, - and _")
    return name
