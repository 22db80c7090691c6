"""Answers that continue while the kernel is free: one thread per chat, in the order asked; they stop when the kernel ends."""

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

from claude_jupyter.client.transport import Stop
from claude_jupyter.interrupts import locked, started

_PATIENCE = 2.0
"""Seconds that the end of the kernel waits for partial answers to be written down: after 2.5 Jupyter ends it by force."""


class _Job(NamedTuple):
    work: Callable[[], None]
    stop: Stop
    output: AbstractContextManager[object]


class Background:
    """The answers of one kernel that are in progress in the background."""

    def __init__(self) -> None:
        self._queues: dict[str, queue.SimpleQueue[_Job]] = {}
        self._start_afresh()

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._queues.clear()
        self._threads: dict[str, threading.Thread] = {}
        self._running: list[Stop] = []

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in progress."""
        return not self._threads

    def start(
        self,
        chat: str,
        work: Callable[[], None],
        stop: Stop,
        output: AbstractContextManager[object] | None = None,
    ) -> None:
        """Run `work` after what this chat has in progress.

        Parameters
        ----------
        output
            Entered on the thread while `work` runs, so that what it prints lands in the cell that asked.
        """
        with locked(self._lock):
            if not self._queues:
                atexit.register(self.stop_all)
                if hasattr(os, "register_at_fork"):
                    # The threads stay with the parent, and so do the answers that wait for them.
                    os.register_at_fork(after_in_child=self._start_afresh)
            jobs = self._queues.setdefault(chat, queue.SimpleQueue())
            self._running.append(stop)
            jobs.put(_Job(work, stop, output or contextlib.nullcontext()))
            if chat not in self._threads:
                thread = threading.Thread(
                    target=self._drain, args=(chat,), name="claude-background", daemon=True
                )
                self._threads[chat] = thread
                started(thread)

    def stop_all(self) -> None:
        """Stop every background answer and wait a moment for what arrived to be kept."""
        with locked(self._lock):
            stops, threads = list(self._running), list(self._threads.values())
        for stop in stops:
            stop.request()
        until = time.monotonic() + _PATIENCE
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _drain(self, chat: str) -> None:
        while True:
            with self._lock:
                jobs = self._queues[chat]
                if jobs.empty():
                    del self._threads[chat]
                    return
                job = jobs.get()
            try:
                with job.output:
                    job.work()
            except BaseException:
                # A fault of one answer, told as any thread's is; those that wait behind it are answered all the same.
                kind, error, trace = sys.exc_info()
                assert kind is not None
                threading.excepthook(
                    threading.ExceptHookArgs((kind, error, trace, threading.current_thread()))
                )
            finally:
                with self._lock:
                    self._running.remove(job.stop)
