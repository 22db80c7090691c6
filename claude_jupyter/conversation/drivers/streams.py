"""`claude.stream`, `astream` and `aask`: the same question, driven by an iteration or a coroutine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

from claude_jupyter.answer.model import Add, Answer, Part, Put
from claude_jupyter.conversation.tools.approvals import on_loop
from claude_jupyter.interrupts import started, uninterrupted

if TYPE_CHECKING:
    from claude_jupyter.conversation.ask.run import Exchange
    from claude_jupyter.conversation.environment import Environment, OpenStream


T = TypeVar("T")

_WAKE = 0.1


class _Text:
    """Picks the answer's text out of the parts."""

    def __init__(self) -> None:
        self.text = ""
        self._kinds: dict[int, str] = {}
        self._gap = False

    def take(self, parts: Sequence[Part]) -> str:
        """The text in these parts, a blank line where something else was between."""
        pieces: list[str] = []
        for part in parts:
            if isinstance(part, Put):
                kind = part.data["type"]
                known = part.block in self._kinds
                self._kinds[part.block] = kind
                if kind == "text" and not known:
                    self._gap = bool(self.text or pieces)
                    pieces.append(self._joined(part.data["text"]))
            elif isinstance(part, Add) and self._kinds.get(part.block) == "text":
                pieces.append(self._joined(part.text))
        text = "".join(pieces)
        self.text += text
        return text

    def _joined(self, text: str) -> str:
        if text and self._gap:
            self._gap = False
            return f"\n\n{text}"
        return text


class TextStream:
    """An answer as an iteration over its text (or the SDK's events); also a context manager.

    Attributes
    ----------
    finish
        Called when the question is over: keeps the answer, raises what went wrong.
    answer
        The answer; final when the iteration is over.
    apart
        Whether it is read on a thread of its own, for an asynchronous one.
    """

    def __init__(self, exchange: Exchange, finish: Callable[[Exchange], Answer], *, events: bool) -> None:
        self._exchange = exchange
        self._finish = finish
        self._events = events
        self._picker = _Text()
        self._iterator: Iterator[Any] | None = None
        self._execution: str | None = None
        self.apart = False

    @property
    def text(self) -> str:
        """The text so far."""
        return self._picker.text

    @property
    def answer(self) -> Answer:
        """The answer as far as it is."""
        return self._exchange.answer

    @property
    def env(self) -> Environment:
        """The environment it was asked in."""
        return self._exchange.env

    def asks_here(self) -> None:
        """Put the questions of tools on this thread's loop."""
        self._exchange.toolbox.confirm = on_loop(self.env.frontend.confirm, self._exchange.stop)

    def leave(self, execution: str | None) -> None:
        """End the answer where the loop that read it was broken off: its frame lives on in the traceback, and would keep it."""
        if execution == self._execution:
            self.close()

    def stop(self) -> None:
        """Stop the answer, from any thread; the iteration then ends with `StoppedError`."""
        self._exchange.stop.request()

    def __iter__(self) -> Iterator[Any]:
        if self._iterator is None:
            if not self.apart:
                self._execution = noted(self, self.env)
            self._iterator = _reading(self._exchange, self._finish, self._picker, self._events)
        return self._iterator

    def __next__(self) -> Any:
        return next(iter(self))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the answer where it is; what arrived is kept."""
        if self._iterator is not None:
            self._iterator.close()  # type: ignore[attr-defined]


def _reading(
    exchange: Exchange, finish: Callable[[Exchange], Answer], picker: _Text, raw: bool
) -> Iterator[Any]:
    """What a `TextStream` yields. It knows nothing of the stream, so that one that is dropped half read ends at once."""
    parts = exchange.parts()
    done = False
    try:
        while (news := _next(parts)) is not None:
            text = picker.take(news)
            if raw:
                events, exchange.events[:] = list(exchange.events), []
                yield from events
            elif text:
                yield text
        done = True
    finally:
        if not done:
            parts.close()  # type: ignore[attr-defined]
            exchange.error = None  # left early on purpose: no failure
        finish(exchange)


def _next(parts: Iterator[tuple[Part, ...]]) -> tuple[Part, ...] | None:
    with uninterrupted():
        return next(parts, None)


class AsyncTextStream:
    """The same for `async for` and `async with`."""

    def __init__(self, stream: TextStream) -> None:
        self._stream = stream
        self._execution: str | None = None
        stream.apart = True

    def leave(self, execution: str | None) -> None:
        """End the answer where the loop that read it was broken off."""
        if execution == self._execution:
            self._stream.stop()

    @property
    def text(self) -> str:
        """The text so far."""
        return self._stream.text

    @property
    def answer(self) -> Answer:
        """The answer as far as it is."""
        return self._stream.answer

    async def __aiter__(self) -> AsyncIterator[Any]:
        self._execution = noted(self, self._stream.env)
        self._stream.asks_here()
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Any] = asyncio.Queue()
        end = object()

        def work() -> None:
            try:
                for piece in self._stream:
                    _tell(loop, queue.put_nowait, piece)
                last: Any = end
            except BaseException as error:
                last = error
            _tell(loop, queue.put_nowait, last)

        started(threading.Thread(target=work, name="claude-ask", daemon=True))
        try:
            while (piece := await _waking(asyncio.ensure_future(queue.get()))) is not end:
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
        except asyncio.CancelledError as error:
            _in_one_line(error)
            raise
        finally:
            self._stream.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stream.stop()


def noted(stream: OpenStream, env: Environment) -> str | None:
    """Note that somebody begins to read; the execution in which."""
    env.streams.add(stream)
    return env.frontend.place().execution


def _tell(loop: asyncio.AbstractEventLoop, function: Callable[..., object], *values: Any) -> None:
    """Call a function in the loop, if there still is one: it may have ended while the answer was being stopped."""
    try:
        loop.call_soon_threadsafe(function, *values)
    except RuntimeError:
        if not loop.is_closed():
            raise


def _in_one_line(error: asyncio.CancelledError) -> None:
    """Let a cell show one line of it; it stays of asyncio's own class, because `asyncio.timeout` looks for that alone."""
    vars(error)["_render_traceback_"] = lambda: [
        "StoppedError: Stopped. What arrived is kept; claude.resume() continues from here."
    ]


async def _waking(future: asyncio.Future[T]) -> T:
    """Await a future, and wake the loop now and then: ipykernel cancels a cell in a signal handler, which wakes nobody."""
    try:
        while not future.done():
            await asyncio.wait([future], timeout=_WAKE)
        return future.result()
    finally:
        future.cancel()


def in_thread(work: Callable[[], Answer], stop: Callable[[], None]) -> Awaitable[Answer]:
    """Run `work` on a thread of its own and await it; a canceled await asks it to stop."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Answer] = loop.create_future()

    def settle(answer: Answer | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(answer)  # type: ignore[arg-type]

    def run() -> None:
        try:
            outcome: tuple[Answer | None, BaseException | None] = (work(), None)
        except BaseException as error:
            outcome = (None, error)
        _tell(loop, settle, *outcome)

    started(threading.Thread(target=run, name="claude-ask", daemon=True))

    async def wait() -> Answer:
        try:
            return await _waking(future)
        except asyncio.CancelledError as error:
            stop()
            _in_one_line(error)
            raise

    return wait()
