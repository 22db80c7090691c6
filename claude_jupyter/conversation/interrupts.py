"""Keeping an interrupt out of the few lines that must not be torn apart: a ledger row, the history, a durable output."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Generator


@contextlib.contextmanager
def uninterrupted() -> Generator[None]:
    """Hold back Ctrl-C (SIGINT) while the block runs, then deliver it; of blocks in each other to the outermost.

    Only the main thread gets signals, so elsewhere this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
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
