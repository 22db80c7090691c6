"""The recorder: what each cell printed, showed and failed with, bounded, so that `-l`, `-p` and `-e` have something to point at.

IPython's own `history_manager.outputs` lacks displayed images in a kernel, grows without bound and differs by version; message
hooks are per thread and see no printed text (TRAPS section 7). So four methods of this shell's own objects are wrapped for as
long as the recorder is installed: where displays and last values pass on their way out in every frontend and thread, and, while
a cell runs, `write` of the two streams. What is made of it is `recent.py`'s business.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from claude_jupyter.content.recognise import holds_rows
from claude_jupyter.content.recorded import ANSWER, Cell, Shown, shown_in, weight
from claude_jupyter.content.rules import Rules
from claude_jupyter.errors import ClaudeError
from claude_jupyter.turns import Attachment

CELLS: Final = 200
BYTES: Final = 64 * (1 << 20)
HEAD, TAIL = 64_000, 192_000
"""Characters kept of what one cell printed: its beginning and its end."""
CALLS, MESSAGE = 12, 4_000
"""Calls of a traceback, and characters of an exception's message, that are kept."""

_ASKS: Final = re.compile(r"^[ \t]*(?:[\w., ]+=[ \t]*)?%{1,2}claude(?:_fix)?(?![\w])", re.MULTILINE)


class _Printed:
    """Text as it comes, of which the beginning and the end are kept."""

    def __init__(self) -> None:
        self.head: list[str] = []
        self.tail: deque[str] = deque()
        self.head_size = self.tail_size = self.left_out = 0

    def add(self, text: str) -> None:
        if self.head_size < HEAD:
            self.head.append(text[:HEAD])
            self.head_size += len(text[:HEAD])
            text = text[HEAD:]
            if not text:
                return
        self.left_out += max(len(text) - TAIL, 0)
        text = text[-TAIL:]
        self.tail.append(text)
        self.tail_size += len(text)
        while self.tail_size > TAIL:
            dropped = len(self.tail.popleft())
            self.tail_size -= dropped
            self.left_out += dropped

    def text(self) -> str:
        gap = [f"\n[… {self.left_out:,} characters left out …]\n"] if self.left_out else []
        return "".join([*self.head, *gap, *self.tail])


class _Running:
    """The cell under way."""

    def __init__(self, info: Any, count: int | None, previous_error: BaseException | None) -> None:
        self.info = info
        self.count = count
        self.previous_error = previous_error
        self.printed = _Printed()
        self.shown: list[Shown] = []
        self.size = self.left_out = 0
        self.asks = bool(_ASKS.search(info.raw_cell or ""))
        self.kept = True
        self._clear_next = False

    def clear(self, wait: bool) -> None:
        self._clear_next = wait
        if not wait:
            self.printed, self.shown, self.size = _Printed(), [], 0

    def write(self, text: str) -> None:
        if self._clear_next:
            self.clear(wait=False)
        self.printed.add(text)

    def show(self, shown: tuple[Shown, ...]) -> None:
        if self._clear_next:
            self.clear(wait=False)
        self.shown.extend(shown)
        self.size += sum(weight(s.data) for s in shown)
        while self.size > BYTES // 2 and len(self.shown) > 1:
            dropped = weight(self.shown.pop(0).data)
            self.size -= dropped
            self.left_out += dropped


class Recorder:
    """Remembers what the last 200 cells of an IPython shell showed, within 64 MB.

    Parameters
    ----------
    ip
        The shell: `get_ipython()`, in a kernel or a terminal.
    """

    def __init__(self, ip: Any) -> None:
        self._ip = ip
        self._cells: deque[Cell] = deque()
        self._size = 0
        self._running: _Running | None = None
        self._undo: list[Callable[[], None]] = []
        self._streams: list[Callable[[], None]] = []
        self._quiet = 0

    def install(self) -> None:
        """Begin to record; a recorder that is installed in this shell already is taken out first."""
        publisher, displayhook = self._ip.display_pub, self._ip.displayhook
        other = getattr(publisher.publish, "recorder", None)
        if other is not None:
            other.uninstall()
        self._undo = [
            _wrap(publisher, "publish", self._around(self._publish)),
            _wrap(publisher, "clear_output", self._around(self._clear_output)),
            _wrap(displayhook, "write_format_data", self._around(self._write_format_data)),
            _wrap(displayhook, "write_output_prompt", self._around(_nothing)),
        ]
        if not hasattr(self._ip, "showing_traceback"):  # before IPython 9
            self._undo.append(_wrap(self._ip, "_showtraceback", self._around(_nothing)))
        self._ip.events.register("pre_run_cell", self._before)
        self._ip.events.register("post_run_cell", self._after)
        self._undo += [
            lambda: self._ip.events.unregister("pre_run_cell", self._before),
            lambda: self._ip.events.unregister("post_run_cell", self._after),
        ]

    def uninstall(self) -> None:
        """Stop recording and leave the shell as it was found; what was recorded stays."""
        self._release_streams()
        while self._undo:
            self._undo.pop()()
        self._running = None

    def cells(self, n: int | None = None, *, asking: bool = False) -> tuple[Cell, ...]:
        """The newest `n` finished cells (all), oldest first; those that ask Claude only if `asking`."""
        found = [cell for cell in self._cells if asking or not cell.asks]
        return tuple(found[-n:] if n else found if n is None else ())

    def images(self, n: int | None = None) -> tuple[tuple[Cell, Shown], ...]:
        """The newest `n` images (all) with their cells, oldest first; those of the cell under way too."""
        cells = list(self._cells)
        if self._running is not None:
            cells.append(self._finished(self._running))
        found = [(cell, shown) for cell in cells for shown in cell.images]
        return tuple(found[-n:] if n else found if n is None else ())

    def error(self) -> BaseException | None:
        """The last error, held by Python and IPython themselves (`sys.last_value`); None where there was none."""
        error = getattr(sys, "last_value", None)
        return None if isinstance(error, ClaudeError) else error

    def failed(self) -> Cell | None:
        """The cell that raised the last error; None where that is not known. A question of ours that failed is none."""
        error = self.error()
        name = None if error is None else type(error).__name__
        mine = (c for c in reversed(self._cells) if c.error and not c.asks and not c.refused)
        return next((c for c in mine if name in (None, c.error_name)), None)

    def last_cells(self, count: int, rules: Rules) -> tuple[Attachment, ...]:
        """The newest `count` cells that do not ask Claude, with source, printed text, values, errors and images."""
        from claude_jupyter.content import recent

        return recent.last_cells(self.cells(count), rules)

    def plots(self, count: int, rules: Rules) -> tuple[Attachment, ...]:
        """The newest `count` images that the notebook has shown, oldest first."""
        from claude_jupyter.content import recent

        return recent.plots(self.images(count), count, rules)

    def last_error(self, rules: Rules) -> tuple[Attachment, ...]:
        """The last error: traceback, the failing cell, its variables."""
        from claude_jupyter.content import recent

        return recent.last_error(self.error(), self.failed(), rules)

    # What IPython calls

    def _before(self, info: Any) -> None:
        if self._running is not None and not info.store_history:
            return  # a cell within a cell: %%time, %%capture, ip.run_cell
        self._release_streams()
        # Whether the shell's own counter stands before or behind the cell that runs differs by IPython's version.
        count = len(self._ip.history_manager.input_hist_parsed) if info.store_history else None
        self._running = running = _Running(info, count, getattr(sys, "last_value", None))
        running.kept = self._is_kept(info)
        self._streams = [self._hold(stream, running) for stream in (sys.stdout, sys.stderr)]

    def _after(self, result: Any) -> None:
        running = self._running
        if running is None or (
            result is not None
            and result.info is not running.info
            and getattr(result.info, "raw_cell", None) != running.info.raw_cell
        ):
            return
        self._release_streams()
        self._running = None
        if not running.kept:
            return
        if running.count is not None and result is not None:
            running.count = result.execution_count or running.count
        cell = self._finished(running)
        error = None if result is None else result.error_in_exec or result.error_before_exec
        if error is not None:
            cell = self._failed(cell, error, running)
        if result is not None and _holds_rows(result.result):
            cell = replace(cell, shown=tuple(replace(s, table=s.table or s.value) for s in cell.shown))
        self._keep(cell)

    def _is_kept(self, info: Any) -> bool:
        """Whether it is a cell of the user's: one that is stored in the history, or any where nothing ever is (nbval).

        What a frontend runs on the side (a variable inspector) is not stored either, but beside cells that are.
        """
        return bool(info.store_history) or self._ip.execution_count == 1

    def _finished(self, running: _Running) -> Cell:
        info, printed = running.info, running.printed
        return Cell(
            source=info.raw_cell,
            id=getattr(info, "cell_id", None),
            count=running.count,
            text=printed.text(),
            shown=tuple(running.shown),
            asks=running.asks,
            left_out=printed.left_out + running.left_out,
        )

    def _failed(self, cell: Cell, error: BaseException, running: _Running) -> Cell:
        if isinstance(error, ClaudeError):
            # The user's own last error stays the last one, for -e and %debug: ours says all it has to say in its line.
            if running.previous_error is not None and getattr(sys, "last_value", None) is error:
                sys.last_value = running.previous_error
                sys.last_type, sys.last_traceback = (
                    type(running.previous_error),
                    running.previous_error.__traceback__,
                )
            return replace(cell, error=str(error), error_name=type(error).__name__, refused=True)
        return replace(cell, error=_traceback(error), error_name=type(error).__name__)

    def _keep(self, cell: Cell) -> None:
        self._cells.append(cell)
        self._size += cell.size
        while len(self._cells) > CELLS or (self._size > BYTES and len(self._cells) > 1):
            self._size -= self._cells.popleft().size

    # What is wrapped

    def _around(self, note: Callable[..., None]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """A method that notes its arguments and then does what it always did.

        In a terminal a display is printed: it is recorded as what it is, not as printed text besides.
        """

        def around(original: Callable[..., Any]) -> Callable[..., Any]:
            def method(*args: Any, **kwargs: Any) -> Any:
                with suppress(
                    Exception
                ):  # whatever a library publishes, the user's own display must not fail by us
                    note(*args, **kwargs)
                self._quiet += 1
                try:
                    return original(*args, **kwargs)
                finally:
                    self._quiet -= 1

            method.recorder = self  # pyright: ignore[reportFunctionMemberAccess]
            return method

        return around

    def _publish(self, data: Any, *_: Any, **kwargs: Any) -> None:
        if not isinstance(data, Mapping):
            return
        display_id = (kwargs.get("transient") or {}).get("display_id")
        if kwargs.get("update"):
            self._update(data, display_id)
        elif self._running is not None:
            self._running.asks = self._running.asks or ANSWER in data
            self._running.show(shown_in(data, display_id))

    def _update(self, data: Mapping[str, Any], display_id: str | None) -> None:
        new = shown_in(data, display_id)
        if display_id is None or not new:
            return

        def updated(shown: Shown) -> Shown:
            return new[0] if shown.display_id == display_id else shown

        if self._running is not None:
            self._running.shown = [updated(s) for s in self._running.shown]
        for place, cell in enumerate(self._cells):
            if any(s.display_id == display_id for s in cell.shown):
                self._cells[place] = changed = replace(cell, shown=tuple(updated(s) for s in cell.shown))
                self._size += changed.size - cell.size

    def _clear_output(self, wait: bool = False, **_: Any) -> None:
        if self._running is not None:
            self._running.clear(wait)

    def _write_format_data(self, data: Any, *_: Any, **__: Any) -> None:
        if self._running is not None and isinstance(data, Mapping):
            self._running.show(shown_in(data, value=True))

    def _hold(self, stream: Any, running: _Running) -> Callable[[], None]:
        ip, displayhook = self._ip, self._ip.displayhook

        def around(original: Callable[..., Any]) -> Callable[..., Any]:
            def write(data: Any, *args: Any, **kwargs: Any) -> Any:
                # Last values and tracebacks that IPython writes to a terminal are recorded as what they are.
                if (
                    not self._quiet
                    and not getattr(displayhook, "is_active", False)
                    and not getattr(ip, "showing_traceback", False)
                    and isinstance(data, str)
                ):
                    running.write(data)
                return original(data, *args, **kwargs)

            return write

        return _wrap(stream, "write", around)

    def _release_streams(self) -> None:
        while self._streams:
            self._streams.pop()()


def _wrap(
    owner: Any, name: str, around: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Callable[[], None]:
    """Put `around(original)` in the place of one object's method; what is returned takes it out again."""
    original = getattr(owner, name, None)
    if original is None or not hasattr(owner, "__dict__"):
        return lambda: None
    had = vars(owner).get(name)
    wrapped = around(original)
    setattr(owner, name, wrapped)

    def undo() -> None:
        if vars(owner).get(name) is not wrapped:
            return  # somebody wrapped it after us: theirs stays, and ours passes everything on
        if had is None:
            delattr(owner, name)
        else:
            setattr(owner, name, had)

    return undo


def _nothing(*_: Any, **__: Any) -> None:
    """What there is to note of a prompt or traceback on its way to a terminal."""


def _holds_rows(value: Any) -> bool:
    if isinstance(value, dict):
        value = list(value.values())[:20]
    if isinstance(value, list | tuple):
        return any(holds_rows(item) or type(item).__name__ == "ndarray" for item in value[:20])
    return holds_rows(value) or type(value).__name__ == "ndarray"


def _traceback(error: BaseException) -> str:
    """The last calls as text, without IPython's own and without paths of this machine: the exception itself is IPython's to keep."""
    told = traceback.TracebackException.from_exception(error, limit=-CALLS, compact=True)
    calls = [
        f"  {_place(frame.filename)}, line {frame.lineno}, in {frame.name}\n    {frame.line or ''}\n"
        for frame in told.stack
        if f"{os.sep}IPython{os.sep}" not in frame.filename
    ]
    message = "".join(told.format_exception_only())
    message = re.sub(r'  File "([^"]*)"', lambda match: f"  {_place(match[1])}", message)
    return "".join(["Traceback (most recent call last):\n" if calls else "", *calls, message[:MESSAGE]])


def _place(filename: str) -> str:
    if "ipykernel_" in filename or filename.startswith("<ipython-input"):
        return "cell"
    return (
        re.split(r"site-packages[\\/]|dist-packages[\\/]", filename)[-1]
        if "-packages" in filename
        else re.split(r"[\\/]", filename)[-1]
    )
