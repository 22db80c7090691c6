"""Delays Ctrl-C (SIGINT) where it must not interrupt: a ledger row, the history, a durable output, a lock, the start of a thread.

An interrupt can arrive between any two lines, also on the line where a `with lock:` block ends, before its `__exit__` is called: the
lock then stays taken, and whoever wants it next waits forever. So the main thread takes locks with `locked` alone, starts threads with
`started`, and waits on a `SafeEvent`, which holds no lock of its own as `threading.Event` does.
"""

from __future__ import annotations

# Without the conversions to enums of `signal`, which cost a row of the ledger a quarter of its time.
import _signal  # pyright: ignore[reportMissingImports]
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from functools import wraps
from types import FrameType
from typing import Any, Final, ParamSpec, TypeVar

from claude_jupyter.errors import StoppedError

T = TypeVar("T")
P = ParamSpec("P")

LONGEST_WAIT: Final = 0.1 if sys.platform == "win32" else 1.0
"""Seconds after which a waiting thread looks for interrupts: on Windows none wakes it (bugs.python.org/issue35935), and nowhere one
that arrives after Python looked for it and before the system waits."""


class _Holding:
    """A signal handler that remembers an interrupt instead of raising it."""

    def __init__(self, before: Any) -> None:
        self.before = signal.default_int_handler if before is None else before
        self.held = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.held = True

    def deliver(self) -> None:
        if self.held:
            self.held = False
            if not callable(self.before):
                raise KeyboardInterrupt
            self.before(signal.SIGINT, None)


def _is_reached() -> bool:
    """Whether an interrupt can arrive here: only the main thread gets signals, unless the process ignores this one."""
    return (
        threading.current_thread() is threading.main_thread()
        and _signal.getsignal(signal.SIGINT) != signal.SIG_IGN
    )


@contextlib.contextmanager
def uninterrupted() -> Generator[None]:
    """Hold back an interrupt while the block runs, then deliver it; of blocks in each other to the outermost."""
    if not _is_reached():
        yield
        return
    holding = _Holding(_signal.getsignal(signal.SIGINT))
    try:
        _signal.signal(signal.SIGINT, holding)
        yield
    finally:
        _signal.signal(signal.SIGINT, holding.before)
    holding.deliver()


@contextlib.contextmanager
def interruptible() -> Generator[None]:
    """Let an interrupt through again within an `uninterrupted` block: for work in it that may take long."""
    holding = _signal.getsignal(signal.SIGINT)
    if not isinstance(holding, _Holding) or not _is_reached():
        yield
        return
    try:
        _signal.signal(signal.SIGINT, holding.before)
        holding.deliver()
        yield
    finally:
        _signal.signal(signal.SIGINT, holding)


@contextlib.contextmanager
def locked(lock: AbstractContextManager[object]) -> Generator[None]:
    """Hold a lock that other threads take too; an interrupt meanwhile comes afterwards, so keep the block short."""
    with uninterrupted(), lock:
        yield


def started(thread: threading.Thread) -> None:
    """Start a thread: `Thread.start` takes locks that every later start needs."""
    with uninterrupted():
        thread.start()


class SafeEvent:
    """A `threading.Event` for one waiter, free of locks in Python code: an interrupt within it leaves nothing taken.

    Not on a `queue.SimpleQueue`: its `get` never returns when a signal whose handler does not raise comes as its time runs out.
    """

    def __init__(self) -> None:
        self._rung = False
        self._silence = threading.Lock()  # held by nobody in particular: released to wake the waiter
        self._silence.acquire()

    def is_set(self) -> bool:
        """Whether it rang since it was cleared."""
        return self._rung

    def set(self) -> None:
        """Ring; safe from any thread and from a signal handler."""
        self._rung = True
        with contextlib.suppress(RuntimeError):  # it rang before
            self._silence.release()

    def clear(self) -> None:
        """Forget that it rang."""
        self._rung = False
        self._silence.acquire(blocking=False)

    def wait(self, timeout: float) -> bool:
        """Wait until it rings, at most `timeout` seconds; whether it did."""
        until = time.monotonic() + timeout
        while not self._rung and (left := until - time.monotonic()) > 0:
            self._silence.acquire(timeout=min(left, LONGEST_WAIT))
        return self._rung


def surely(work: Callable[[], T]) -> T:
    """Run `work` to its end also where an interrupt comes just before it, and hold that one back too.

    For what closes something: `uninterrupted` alone could be hit on the way in, and the block would never run.

    Raises
    ------
    KeyboardInterrupt
        Afterwards, where one came.
    """
    results: list[T] = []
    try:
        with uninterrupted():
            results.append(work())
    except KeyboardInterrupt:
        if not results:
            with uninterrupted():
                results.append(work())
        raise
    return results[0]


def in_one_line(
    message: str = "Stopped. Run the cell again if there is no answer.",
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Raise an interrupt between two lines of ours as `StoppedError`, like any other stop."""

    def decorated(work: Callable[P, T]) -> Callable[P, T]:
        @wraps(work)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
            try:
                return work(*args, **kwargs)
            except KeyboardInterrupt:
                raise StoppedError(message) from None

        return wrapper

    return decorated
