"""When values are read: in the cell that asks at once, from elsewhere only on the kernel's own thread, between cells.

An answer in the background must not read a frame that a cell is changing. The kernel's event loop runs nothing else while a cell
runs, so a lookup that is handed to it waits for the end of the cell, and the next cell waits for the lookup (2 s at most).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from claude_jupyter.client.transport import Stop
from claude_jupyter.errors import UsageError
from claude_jupyter.interrupts import SafeEvent

T = TypeVar("T")

WAIT: Final = 30.0
_STEP: Final = 0.1
"""Seconds: waits on a lock cannot be interrupted on Windows (bugs.python.org/issue35935)."""
_BUSY: Final = (
    f"A cell has been running for {WAIT:g} s, and values are read only while no cell is running. "
    "Answer without it, or ask later."
)


class Reader:
    """Made in the cell that asks; called from wherever the answer runs.

    Parameters
    ----------
    running
        Whether a cell runs now, for kernels without an event loop.
    """

    def __init__(self, running: Callable[[], bool], wait: float = WAIT) -> None:
        self._running = running
        self._wait = wait
        self._thread = threading.current_thread()
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None

    def __call__(self, work: Callable[[], T], stop: Stop) -> T:
        """What `work` returns.

        Raises
        ------
        UsageError
            If a cell runs for too long.
        """
        if threading.current_thread() is self._thread:
            return work()
        if self._loop is not None:
            return self._on_loop(self._loop, work, stop)
        until = time.monotonic() + self._wait
        while self._running():
            if stop.requested or time.monotonic() > until:
                raise UsageError(_BUSY)
            time.sleep(_STEP)
        return work()

    def _on_loop(self, loop: asyncio.AbstractEventLoop, work: Callable[[], T], stop: Stop) -> T:
        values: list[T] = []
        errors: list[BaseException] = []
        done = SafeEvent()
        claim = threading.Lock()  # by whoever comes first: the loop that begins, or the wait that is over

        def here() -> None:
            try:
                if claim.acquire(blocking=False):
                    values.append(work())
            except BaseException as error:  # an interrupt out of a callback would end the kernel's loop
                errors.append(error)
            done.set()

        try:
            loop.call_soon_threadsafe(here)
        except RuntimeError:
            raise UsageError("The kernel's event loop has ended.") from None
        until = time.monotonic() + self._wait
        with stop.ringing(done):
            while not (values or errors):
                if (stop.requested or time.monotonic() > until) and claim.acquire(blocking=False):
                    raise UsageError(_BUSY)
                done.wait(_STEP)
                if stop.requested:
                    done.clear()
                    time.sleep(0.01)
        if errors:
            raise errors[0]
        return values[0]
