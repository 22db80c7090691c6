"""Answers that go on while the kernel is free: one thread a chat, in the order asked; the kernel's end stops them."""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

from claude_jupyter.client.wire import Stop

_PATIENCE = 2.0
"""Seconds that the end of the kernel waits for partial answers to be written down: after 2.5 Jupyter ends it by force."""


class _Job(NamedTuple):
    work: Callable[[], None]
    stop: Stop
    output: AbstractContextManager[object]


_lock = threading.Lock()
_queues: dict[str, queue.SimpleQueue[_Job]] = {}
_threads: dict[str, threading.Thread] = {}
_running: list[Stop] = []


def start(
    chat: str, work: Callable[[], None], stop: Stop, output: AbstractContextManager[object] | None = None
) -> None:
    """Run `work` after what this chat has under way.

    Parameters
    ----------
    output
        Entered on the thread while `work` runs, so that what it prints lands in the cell that asked.
    """
    with _lock:
        if not _queues:
            atexit.register(stop_all)
        jobs = _queues.setdefault(chat, queue.SimpleQueue())
        _running.append(stop)
        jobs.put(_Job(work, stop, output or contextlib.nullcontext()))
        if chat not in _threads:
            thread = threading.Thread(target=_drain, args=(chat,), name="claude-background", daemon=True)
            _threads[chat] = thread
            thread.start()


def _after_fork() -> None:
    # The threads stayed with the parent, and so do the answers that wait for them.
    global _lock
    _lock = threading.Lock()
    _queues.clear()
    _threads.clear()
    _running.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def stop_all() -> None:
    """Stop every background answer and wait a moment for what arrived to be kept."""
    with _lock:
        stops, threads = list(_running), list(_threads.values())
    for stop in stops:
        stop.ask()
    until = time.monotonic() + _PATIENCE
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))


def _drain(chat: str) -> None:
    while True:
        with _lock:
            jobs = _queues[chat]
            if jobs.empty():
                del _threads[chat]
                return
            job = jobs.get()
        try:
            with job.output:
                job.work()
        except BaseException:
            # A fault of one answer, told as any thread's is; those that wait behind it are answered all the same.
            kind, error, trace = sys.exc_info()
            assert kind is not None
            threading.excepthook(threading.ExceptHookArgs((kind, error, trace, threading.current_thread())))
        finally:
            with _lock:
                _running.remove(job.stop)
