"""Keeping an interrupt out of the few lines that must not be torn apart: a ledger row, the history, a durable output."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Generator
from functools import wraps
from typing import ParamSpec, TypeVar

from claude_jupyter.errors import StoppedError

T = TypeVar("T")
P = ParamSpec("P")


@contextlib.contextmanager
def uninterrupted() -> Generator[None]:
    """Hold back Ctrl-C (SIGINT) while the block runs, then deliver it; of blocks in each other to the outermost.

    Only the main thread gets signals, so elsewhere this does nothing, nor in a process that ignores it.
    """
    if threading.current_thread() is not threading.main_thread() or _is_deaf():
        yield
        return
    held: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: held.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.default_int_handler)
    if held:
        if callable(before):
            before(held[0], None)
        else:
            raise KeyboardInterrupt


def _is_deaf() -> bool:
    return signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def surely(work: Callable[[], T]) -> T:
    """Run `work` to its end also where an interrupt comes just before it, and hold that one back too.

    For what closes something: `uninterrupted` alone could be hit on the way in, and the block would never run.

    Raises
    ------
    KeyboardInterrupt
        Afterwards, where one came.
    """
    made: list[T] = []
    try:
        with uninterrupted():
            made.append(work())
    except KeyboardInterrupt:
        if not made:
            with uninterrupted():
                made.append(work())
        raise
    return made[0]


def in_one_line(work: Callable[P, T]) -> Callable[P, T]:
    """Tell an interrupt between two lines of ours, where nothing is under way, as any other stop."""

    @wraps(work)
    def told(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return work(*args, **kwargs)
        except KeyboardInterrupt:
            raise StoppedError("Stopped. Run the cell again if there is no answer.") from None

    return told
