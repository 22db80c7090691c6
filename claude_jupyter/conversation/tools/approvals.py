"""Asks the user whether a tool may be called, even when the answer runs in the background or is awaited.

How a question is put in a cell is the environment's business (`Frontend.confirm`); how a refusal is told to Claude is `toolbox.py`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from claude_jupyter.client.transport import Stop
from claude_jupyter.conversation.tools.outcome import Run, ToolCall, ToolOutcome
from claude_jupyter.errors import UsageError
from claude_jupyter.interrupts import SafeEvent, interruptible

Ask = Callable[[str], bool | None]
"""Asks a yes-or-no question; returns None if nobody can answer."""

_NOBODY = "Nobody could approve it: run the question where the notebook can ask you{0}."
_LONGEST_WAIT = 0.1
"""Seconds: waits on a lock cannot be interrupted on Windows (bugs.python.org/issue35935)."""


@dataclass
class PendingApproval:
    """A question that waits for `claude.allow()` or `claude.refuse()`."""

    question: str
    allowed: bool | None = None
    decided: SafeEvent = field(default_factory=SafeEvent)


@dataclass
class PendingApprovals:
    """The questions of background answers that wait, oldest first."""

    _waiting: list[PendingApproval] = field(default_factory=list[PendingApproval])

    def ask(self, question: str, stop: Stop) -> bool:
        """Wait until the user decides, or stops the answer."""
        permit = PendingApproval(question)
        self._waiting.append(permit)
        try:
            _wait(permit.decided, stop)
        finally:
            with contextlib.suppress(ValueError):  # decided
                self._waiting.remove(permit)
        return bool(permit.allowed)

    def decide(self, allowed: bool) -> str:
        """Answer the oldest question; returns the question.

        Raises
        ------
        UsageError
            If none waits.
        """
        try:
            permit = self._waiting.pop(0)
        except IndexError:
            raise UsageError("no tool call is waiting for approval") from None
        permit.allowed = allowed
        permit.decided.set()
        return permit.question


def on_loop(ask: Ask, stop: Stop) -> Ask:
    """`ask` for an answer that runs on another thread while this one's loop awaits it: the question is put here, in the cell."""
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()

    def ask_on_loop(question: str) -> bool | None:
        decided = SafeEvent()
        answers: list[bool | None] = []

        def here() -> None:
            try:
                answers.append(ask(question))
            except KeyboardInterrupt:  # out of a callback it would end the kernel's loop
                stop.request()
            decided.set()

        try:
            loop.call_soon_threadsafe(here, context=context)
        except RuntimeError:
            return None  # the loop is gone, and with it the cell
        _wait(decided, stop)
        return answers[0] if answers else False

    return ask_on_loop


def approved(run: Run, confirm: Ask, otherwise: str = "") -> Run:
    """Policy: the user is asked before each call; a refusal is told to Claude.

    Parameters
    ----------
    otherwise
        What else to do if nobody can be asked.
    """

    def first(call: ToolCall, stop: Stop) -> ToolOutcome:
        arguments = ", ".join(f"{name}={value!r}" for name, value in call.input.items())[:200]
        with interruptible():
            allowed = confirm(f"Claude wants to call {call.tool}({arguments}). Allow it?")
        if allowed is None:
            return replace(
                ToolOutcome.of_text("Nobody could approve it.", error=True), text=_NOBODY.format(otherwise)
            )
        if not allowed:
            return ToolOutcome.of_text("The user did not allow this call.", error=True)
        return run(call, stop)

    return first


def _wait(decided: SafeEvent, stop: Stop) -> None:
    with stop.ringing(decided):
        while not decided.is_set() and not stop.requested:
            decided.wait(_LONGEST_WAIT)
