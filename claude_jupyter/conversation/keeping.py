"""What a conversation keeps: its turns, what it cost, and the ways to edit, save and restore them. It asks nothing itself."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

from claude_jupyter.conversation import history, storage
from claude_jupyter.conversation.asking import Asking
from claude_jupyter.conversation.calls import Tool
from claude_jupyter.conversation.history import Turns
from claude_jupyter.conversation.repeats import asked_key
from claude_jupyter.conversation.request import TTL
from claude_jupyter.conversation.restore import restored
from claude_jupyter.conversation.world import World
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.errors import StorageError, UsageError
from claude_jupyter.options import Options
from claude_jupyter.turns import Answer, Message, Place, Turn, View

_UNDOABLE = 200


class Kept:
    """The history and the bill of one chat.

    Parameters
    ----------
    world
        Its surroundings; None: the kernel's.
    name
        The chat's name; the kernel's own is `main`.
    """

    def __init__(self, world: World | None = None, name: str = "main", turns: Turns = ()) -> None:
        self._world = world or _kernels_world()
        self.name = name
        self._model: str | None = None
        self._system: history.System | None = None
        self._turns = turns
        self._past: deque[Turns] = deque(maxlen=_UNDOABLE)
        self._tools: list[Tool] = []
        self._offered: tuple[Tool, ...] = ()
        self._usage = Usage()
        self._cost = Cost()
        self._counted: set[str] = set()
        self._asked = max((t.answer.turn for t in turns), default=0)
        self._last: Answer | None = turns[-1].answer if turns else None
        self._last_end: float | None = None
        self._last_ttl: TTL | None = None
        self._broken: Turn | None = None
        self._afresh = False
        self._joined: tuple[Place, Place] | None = None
        self._lock = threading.RLock()

    # -- what there is --------------------------------------------------------------------------------------------------

    @property
    def turns(self) -> Turns:
        """The transcript, oldest first; hidden turns and those before a fresh start among them."""
        return self._turns

    @property
    def messages(self) -> list[Message]:
        """The messages that the next question will follow, as they go over the wire."""
        tools = [dict(t.definition) for t in self._tools]
        live = history.live(self._turns)
        return list(history.sent(live, self.system, tools).messages)

    @property
    def model(self) -> str:
        """Model of the questions to come, an id or a line; assign None to go back to the setting."""
        return self._model or self._world.settings.model

    @model.setter
    def model(self, model: str | None) -> None:
        self._model = Options.of(model=model).model

    @property
    def system(self) -> str:
        """System prompt of the questions to come; assign None to go back to the setting, "" for none. Earlier turns stay."""
        return history.system_at(self._turns, self._default_system)

    @system.setter
    def system(self, system: str | None) -> None:
        given = self._world.settings.system if system is None else system
        text = Options.of(system=given).system or "" if given != "" else ""
        self._system = history.System(text, self._asked)

    @property
    def _default_system(self) -> history.System:
        return self._system or history.System(self._world.settings.system)

    @property
    def usage(self) -> Usage:
        """Tokens of everything asked in this chat, also what was stopped, replaced or undone; of a loaded one, of its turns."""
        return self._usage

    @property
    def cost(self) -> Cost:
        """List price of everything asked in this chat: a `Decimal` with its `parts`."""
        return self._cost

    @property
    def last(self) -> Answer | None:
        """The last answer, also a stopped or failed one."""
        return self._last

    def __repr__(self) -> str:
        turns = f"{len(self._turns)} turn" + ("" if len(self._turns) == 1 else "s")
        return f"<Conversation {self.name!r}: {turns}, {self.usage.total:,} tokens>"

    # -- keeping what came ----------------------------------------------------------------------------------------------

    def _close(self, asking: Asking, view: View | None) -> Answer:
        """Take in a question that is over, and make its output durable."""
        answer = self._keep(asking, unseen=view is None)
        if view is not None:
            view.end(answer)
        self._world.finished(answer)
        return answer

    def _rescue(self, asking: Asking, parts: Iterator[object], view: View) -> None:
        """Keep what came of an answer that could not be shown (a closed pipe), or that a fault broke off."""
        asking.stop.ask()
        deque(parts, maxlen=0)  # to its end
        answer = self._keep(asking, unseen=False)
        with contextlib.suppress(Exception):
            view.end(answer)

    def _keep(self, asking: Asking, *, unseen: bool) -> Answer:
        """Take in a question that is over; the answer with what is to be said of its place in the history."""
        answer, question = asking.answer, asking.question
        with self._lock:
            self._last, self._last_end, self._last_ttl = answer, time.monotonic(), question.ttl
            self._usage = self._usage + answer.usage
            self._cost = Cost.total((self._cost, answer.cost))
            self._counted.add(answer.id)
            self._broken = None
            self._offered = tuple(asking.toolbox.tools)
            if not asking.messages:
                return answer
            key, hint = self._hint(asking)
            if question.options.once:
                self._last = _told(answer, hint) if hint else answer
                return self._last
            turn = history.sealed(
                Turn(
                    messages=asking.messages,
                    answer=answer,
                    prefix=asking.prefix,
                    cell=asking.place.cell,
                    execution=asking.place.execution,
                    prompt=question.prompt,
                    starts=question.options.new,
                    unseen=unseen,
                    system=question.options.system,
                )
            )
            if history.overtaken(self._turns, turn):
                return answer
            gone = history.replaced(self._turns, turn)
            if gone and not answer.complete:
                self._broken = turn
                return answer
            self._commit(turn, key)
            if gone:
                answer = _told(answer, _replacing(answer, gone))
            if hint:
                answer = _told(answer, hint)
            self._last = answer
            return answer

    def _hint(self, asking: Asking) -> tuple[str, str | None]:
        """What makes this question what it is, and a word where the same one was paid for before."""
        answer, world = asking.answer, self._world
        key = asked_key(asking.manner, asking.prefix, asking.messages[0])
        hint = world.repeats.hint(key, answer)
        if asking.question.options.once and answer.complete and answer.billed and answer.cost is not None:
            world.journal.paid(self.name, key, answer.cost)
        return key, hint

    def _commit(self, turn: Turn, key: str | None = None) -> None:
        with self._lock:
            self._afresh = False
            before, after = self._turns, history.placed(self._turns, turn)
            self._change(after)
            turn = next(t for t in after if t.answer.id == turn.answer.id)
            self._world.journal.add(self.name, turn, key)
            if after[-1] is not turn and len(after) > len(before):
                # Of several asked at once a later one was done first: the journal's own order is not theirs.
                self._world.journal.edit(self.name, after, after)

    def _change(self, turns: Turns) -> None:
        with self._lock:
            self._past.append(self._turns)
            self._turns = turns
            # Turns from elsewhere (a file, the notebook) have numbers of their own: the next question is newer than all.
            self._asked = max((self._asked, *(t.answer.turn for t in turns)))

    def _place(self, after: str | None = None) -> Place:
        """The cell and execution that ask; one that goes on from an answer of its own cell belongs to that one's execution."""
        place = self._world.place()
        own = next((t for t in self._turns if t.answer.id == after and t.cell == place.cell), None)
        if own is not None and place.cell is not None and own.execution != place.execution:
            self._joined = (place, Place(own.cell, own.execution))
        return self._joined[1] if self._joined is not None and self._joined[0] == place else place

    # -- editing --------------------------------------------------------------------------------------------------------

    def undo(self, n: int = 1) -> Self:
        """Take back the last `n` changes of the history: an answer is forgotten, a replaced or hidden one comes back.

        Raises
        ------
        UsageError
            Where there is nothing to undo.
        """
        with self._lock:
            if not self._past:
                raise UsageError("there is nothing to undo")
            count = len(self._past)
            if not isinstance(n, int) or not 1 <= n <= count:  # pyright: ignore[reportUnnecessaryIsInstance]
                raise UsageError(
                    f"there {'is 1 change' if count == 1 else f'are {count} changes'} to undo, not {n}"
                )
            before = self._turns
            for _ in range(n):
                self._turns = self._past.pop()
            self._world.journal.edit(self.name, before, self._turns)
        return self

    def hide(self, turn: int | Turn | Iterable[int | Turn]) -> Self:
        """Leave turns out of what is sent; they stay in the transcript. Again: send them again.

        Parameters
        ----------
        turn
            Number in the transcript, from 1 (negative ones count from the end), or one of `turns`; or several.

        Raises
        ------
        UsageError
            For a number that no turn has.
        """
        with self._lock:
            turns = list(self._turns)
            for one in turn if isinstance(turn, Iterable) and not isinstance(turn, str) else [turn]:
                at = history.position(self._turns, one)
                turns[at] = replace(turns[at], hidden=not turns[at].hidden)
            self._edit(tuple(turns))
        return self

    @property
    def afresh(self) -> bool:
        """Whether the next question begins afresh."""
        return self._afresh

    def begin(self, afresh: bool = True) -> Self:
        """Begin afresh with the next question, as `-n` does: earlier turns stay in the transcript and are not sent from then on."""
        self._afresh = afresh
        return self

    def clear(self) -> Self:
        """Forget the history (`undo` brings it back); what it cost stays counted."""
        if self._turns:
            self._edit(())
        return self

    # -- keeping it longer than the kernel ------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the conversation, images included, to a versioned JSON file; `Conversation.load` reads it.

        Raises
        ------
        StorageError
            Where it cannot be written.
        """
        storage.save(path, self._turns, name=self.name, model=self._model, system=self._system)
        return storage.path_of(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, world: World | None = None) -> Self:
        """A conversation from a file that `save` wrote. It is no named chat of this kernel: hold on to it.

        Raises
        ------
        StorageError
            For a file that is missing, cut, of a newer version or edited.
        """
        turns, name, model, system = storage.load(path)
        made = cls(world, name, turns)
        made._add_up(turns)
        made._model, made._system = model, system
        return made

    def replace_by(self, path: str | os.PathLike[str]) -> Self:
        """Go on with the turns of a saved conversation instead of one's own; `undo` brings those back.

        Raises
        ------
        StorageError
            As `load`.
        """
        turns, _, self._model, self._system = storage.load(path)
        self._take_in(turns)
        self._write_down()
        return self

    def forget(self) -> int:
        """Delete the journal on disk, of all kernels; how many conversations that were.

        Raises
        ------
        StorageError
            Where a file does not let itself be deleted.
        """
        try:
            return self._world.journal.forget()
        except OSError as error:
            raise StorageError(f"The journal cannot be deleted: {error.strerror}.") from None

    def export(self, path: str | os.PathLike[str]) -> Path:
        """Write the transcript as Markdown.

        Raises
        ------
        StorageError
            Where it cannot be written.
        """
        file = storage.path_of(path)
        data, _ = self._world.transcript(self.name, self._turns, self.usage, self.cost)
        try:
            file.write_text(data["text/markdown"] + "\n", encoding="utf-8", errors="replace")
        except OSError as error:
            raise StorageError(f"{file.name} cannot be written: {error.strerror}.") from None
        return file

    def restore(self) -> Self:
        """Bring the conversation of the open notebook back: from its saved answers, with full turns from the journal.

        Raises
        ------
        StorageError
            Where neither is at hand.
        """
        world = self._world
        self._take_in(restored(world.notebook, self.name, world.journal.turns(self.name)))
        return self

    def _edit(self, turns: Turns) -> None:
        """Change the history otherwise than by an answer."""
        with self._lock:
            before = self._turns
            self._change(turns)
            self._world.journal.edit(self.name, before, turns)

    def _take_in(self, turns: Turns) -> None:
        """Go on with turns from elsewhere; what they cost counts as this chat's, once."""
        with self._lock:
            self._edit(turns)
            self._add_up(turns)

    def _write_down(self) -> None:
        """Keep turns that came from elsewhere in the journal too, as this chat's."""
        before: Turns = ()
        for turn in self._turns:
            self._world.journal.add(self.name, turn)
        self._world.journal.edit(self.name, before, self._turns)

    def _add_up(self, turns: Turns) -> None:
        new = [t.answer for t in turns if t.answer.id not in self._counted]
        self._counted.update(a.id for a in new)
        self._usage = sum((a.usage for a in new), self._usage)
        self._cost = Cost.total((self._cost, *(a.cost for a in new)))


def _replacing(answer: Answer, gone: int) -> str:
    what = "the earlier one" if gone == 1 else f"the {gone} earlier ones"
    return f"Answer {answer.turn} replaces {what} of this cell (kept: `claude.undo()`)."


def _told(answer: Answer, text: str) -> Answer:
    """The answer with a note."""
    return replace(answer, blocks=(*answer.blocks, {"type": "notice", "level": "info", "text": text}))


def _kernels_world() -> World:
    # `Conversation("side")` from a notebook; the composition root stands above this layer, so it is asked when needed.
    from importlib import import_module

    return import_module("claude_jupyter.extension").home().world
