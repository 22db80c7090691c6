"""Asking a person whether a tool may be called, where the answer runs beside the cell: in the background, or awaited.

How a question is put in a cell is the surroundings' business (`World.confirm`); how a refusal is told to Claude is `calls.py`'s.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from claude_jupyter.client.wire import Stop
from claude_jupyter.errors import UsageError

Ask = Callable[[str], bool | None]
"""Puts a yes-or-no question; None back: nobody can answer."""

_LONGEST_WAIT = 0.1
"""Seconds: waits on a lock cannot be interrupted on Windows (bugs.python.org/issue35935)."""


@dataclass
class Permit:
    """A question that waits for `claude.allow()` or `claude.refuse()`."""

    question: str
    said: bool | None = None
    decided: threading.Event = field(default_factory=threading.Event)


@dataclass
class Permits:
    """The questions of background answers that wait, oldest first."""

    _waiting: list[Permit] = field(default_factory=list[Permit])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, question: str, stop: Stop) -> bool:
        """Wait until somebody decides, or stops the answer."""
        permit = Permit(question)
        with self._lock:
            self._waiting.append(permit)
        try:
            _wait(permit.decided, stop)
        finally:
            with self._lock:
                if permit in self._waiting:
                    self._waiting.remove(permit)
        return bool(permit.said)

    def decide(self, allowed: bool) -> str:
        """Answer the oldest question; what it was.

        Raises
        ------
        UsageError
            Where none waits.
        """
        with self._lock:
            if not self._waiting:
                raise UsageError("no tool call waits to be allowed")
            permit = self._waiting.pop(0)
        permit.said = allowed
        permit.decided.set()
        return permit.question


def on_loop(ask: Ask, stop: Stop) -> Ask:
    """`ask` for an answer that runs on another thread while this one's loop awaits it: the question is put here, in the cell."""
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()

    def asked(question: str) -> bool | None:
        decided = threading.Event()
        said: list[bool | None] = []

        def here() -> None:
            try:
                said.append(ask(question))
            except KeyboardInterrupt:  # out of a callback it would end the kernel's loop
                stop.ask()
            decided.set()

        try:
            loop.call_soon_threadsafe(here, context=context)
        except RuntimeError:
            return None  # the loop is gone, and with it the cell
        _wait(decided, stop)
        return said[0] if said else False

    return asked


def _wait(decided: threading.Event, stop: Stop) -> None:
    with stop.ringing(decided):
        while not decided.is_set() and not stop.asked:
            decided.wait(_LONGEST_WAIT)
