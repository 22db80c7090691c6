"""Runs a lookup on another thread, so that Ctrl-C and a time limit always end the wait for it."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from claude_jupyter.errors import UsageError
from claude_jupyter.interrupts import SafeEvent, started

T = TypeVar("T")

SECONDS: Final = 2.0
"""No lookup takes the kernel from the user for longer."""
_STEP: Final = 0.05
"""Seconds: waits on a lock cannot be interrupted on Windows (bugs.python.org/issue35935)."""
_ENDS_WITHIN: Final = 0.5


class Interruptible(Protocol):
    """What can be ended from another thread."""

    def interrupt(self) -> None:
        """End what runs."""
        ...


_running: Final[dict[int, tuple[Interruptible, SafeEvent]]] = {}


@atexit.register
def _end_all() -> None:
    """End what runs before the interpreter does: a thread within an engine's native code would abort the process."""
    for engine, done in list(_running.values()):
        engine.interrupt()
        done.wait(_ENDS_WITHIN)


def timed(work: Callable[[], T], engine: Interruptible, seconds: float = SECONDS) -> T:
    """What `work` returns, computed on another thread; the engine is interrupted when the time is up or the user stops.

    Raises
    ------
    UsageError
        When it takes too long.
    """
    values: list[T] = []
    errors: list[BaseException] = []
    done = SafeEvent()

    def run() -> None:
        try:
            values.append(work())
        except BaseException as error:
            errors.append(error)
        _running.pop(id(done), None)
        done.set()

    def end() -> None:
        # A query that has not begun yet ignores an interrupt, so it is repeated until the work is over.
        until = time.monotonic() + _ENDS_WITHIN
        while not done.is_set() and time.monotonic() < until:
            engine.interrupt()
            done.wait(0.01)

    until = time.monotonic() + seconds
    try:
        _running[id(done)] = engine, done
        started(threading.Thread(target=run, daemon=True, name="claude-jupyter-look"))
        while not done.wait(_STEP) and time.monotonic() < until:
            pass
    except BaseException:
        started(threading.Thread(target=end, daemon=True, name="claude-jupyter-interrupt"))
        raise
    if not done.is_set():
        started(threading.Thread(target=end, daemon=True, name="claude-jupyter-interrupt"))
        raise UsageError(f"It took longer than {seconds:g} s and was stopped. Ask for less.")
    if errors:
        raise errors[0]
    return values[0]
