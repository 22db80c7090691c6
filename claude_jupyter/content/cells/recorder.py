"""The recorder: what each cell printed, showed and failed with, bounded, so that `-l`, `-p` and `-e` have something to point at.

IPython's own `history_manager.outputs` lacks displayed images in a kernel, grows without bound and differs by version; message
hooks are per thread and see no printed text. So four methods of this shell's own objects are wrapped for as
long as the recorder is installed: where displays and last values pass on their way out in every frontend and thread, and, while
a cell runs, `write` of the two streams. What is created of it is `recent.py`'s business.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import FrameType
from typing import Any, Final

from claude_jupyter.answer.codec import MIME
from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.cells import page_cells
from claude_jupyter.content.cells.cell_records import Cell, CellOutput, Output, outputs_in, weight
from claude_jupyter.content.cells.origin import Origin, origin_of
from claude_jupyter.content.images.media_types import decode
from claude_jupyter.content.recognize import holds_rows
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text.printed_text import short_place
from claude_jupyter.errors import ClaudeError, UsageError
from claude_jupyter.options.option_values import CellReference

CELLS: Final = 200
BYTES: Final = 64 * (1 << 20)
HEAD, TAIL = 64_000, 192_000
"""Characters kept of what one cell printed: its beginning and its end."""
CALLS, MESSAGE = 12, 4_000
"""Calls of a traceback, and characters of an exception's message, that are kept."""

_ASKS: Final = re.compile(r"^[ \t]*(?:[\w., ]+=[ \t]*)?%{1,2}claude(?:_fix)?(?![\w])", re.MULTILINE)

_LOADS: Final = re.compile(r"\s*%load_ext[ \t]+claude_jupyter\s*")


class _Printed:
    """Text as it is printed, of which the beginning and the end are kept."""

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

    @property
    def end(self) -> int:
        """Characters so far, including those left out."""
        return self.head_size + self.left_out + self.tail_size

    def text(self) -> str:
        return "".join([*self.head, self._gap, *self.tail])

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where in `text()` those characters of all that was printed are."""
        return self._place(start), self._place(end)

    def _place(self, at: int) -> int:
        if at <= self.head_size:
            return at
        return max(at - self.left_out, self.head_size) + len(self._gap)

    @property
    def _gap(self) -> str:
        return f"\n[… {self.left_out:,} characters left out …]\n" if self.left_out else ""


class _Layout:
    """The outputs below a cell in their order, while they come: what is printed between two displays is one output per stream."""

    def __init__(self) -> None:
        self.entries: list[int | dict[str, list[tuple[int, int]]] | None] = []

    def printed(self, stream: str, start: int, end: int) -> None:
        if not self.entries or not isinstance(self.entries[-1], dict):
            self.entries.append({})
        streams = self.entries[-1]
        assert isinstance(streams, dict)
        spans = streams.setdefault(stream, [])
        if spans and spans[-1][1] == start:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))

    def outputs(self, printed: _Printed, dropped: int) -> tuple[Output, ...]:
        outputs: list[Output] = []
        for entry in self.entries:
            if isinstance(entry, dict):
                for stream in sorted(entry, reverse=True):  # stdout is flushed before stderr
                    spans = [printed.span(start, end) for start, end in entry[stream]]
                    outputs.append(Output(spans=tuple((a, b) for a, b in spans if a < b)))
            else:
                outputs.append(Output(entry - dropped if entry is not None and entry >= dropped else None))
        return tuple(outputs)


class _Running:
    """The running cell."""

    def __init__(self, info: Any, count: int | None, previous_error: BaseException | None) -> None:
        self.info = info
        self.count = count
        self.previous_error = previous_error
        self.printed = _Printed()
        self.displayed: list[CellOutput] = []
        self.layout = _Layout()
        self.size = self.left_out = self.dropped = 0
        self.asks = bool(_ASKS.search(info.raw_cell or ""))
        self.recorded = True
        self._clear_next = False

    def clear(self, wait: bool) -> None:
        self._clear_next = wait
        if not wait:
            self.printed, self.displayed, self.layout = _Printed(), [], _Layout()
            self.size = self.dropped = 0

    def write(self, text: str, stream: str) -> None:
        if self._clear_next:
            self.clear(wait=False)
        start = self.printed.end
        self.printed.add(text)
        self.layout.printed(stream, start, self.printed.end)

    def show(self, outputs: tuple[CellOutput, ...]) -> None:
        if self._clear_next:
            self.clear(wait=False)
        # A widget or an answer of ours is an output too, though there is nothing of it to show.
        self.layout.entries.append(self.dropped + len(self.displayed) if outputs else None)
        self.displayed.extend(outputs)
        self.size += sum(weight(s.data) for s in outputs)
        while self.size > BYTES // 2 and len(self.displayed) > 1:
            dropped = weight(self.displayed.pop(0).data)
            self.size -= dropped
            self.left_out += dropped
            self.dropped += 1


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
        self._formatted: tuple[Any, Origin | None] = (None, None)

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
            _wrap(self._ip.display_formatter, "format", self._formats),
        ]
        if not hasattr(self._ip, "showing_traceback"):  # before IPython 9
            self._undo.append(_wrap(self._ip, "_showtraceback", self._around(_nothing)))
        self._ip.events.register("pre_run_cell", self._before)
        self._ip.events.register("post_run_cell", self._after)
        self._undo += [
            lambda: self._ip.events.unregister("pre_run_cell", self._before),
            lambda: self._ip.events.unregister("post_run_cell", self._after),
        ]
        info = _under_way()
        if info is not None and info.store_history and not _LOADS.fullmatch(info.raw_cell or ""):
            self._before(info)  # IPython reports no end for what a page runs on the side

    def uninstall(self) -> None:
        """Stop recording and leave the shell as it was found; what was recorded stays."""
        self._release_streams()
        while self._undo:
            self._undo.pop()()
        self._running = None

    def cells(self, n: int | None = None, *, asking: bool = False) -> tuple[Cell, ...]:
        """The newest `n` finished cells (all), oldest first; those that ask Claude only if `asking`."""
        cells = [cell for cell in self._cells if asking or not cell.asks]
        return tuple(cells[-n:] if n else cells if n is None else ())

    @property
    def running(self) -> bool:
        """Whether a cell runs now."""
        return self._running is not None

    def images(self, n: int | None = None) -> tuple[tuple[Cell, CellOutput], ...]:
        """The newest `n` images (all) with their cells, oldest first; including those of the running cell."""
        cells = list(self._cells)
        if self._running is not None:
            cells.append(self._finished(self._running))
        images = [(cell, image) for cell in cells for image in cell.images]
        return tuple(images[-n:] if n else images if n is None else ())

    def error(self) -> BaseException | None:
        """The last error, held by Python and IPython themselves (`sys.last_value`); None if there was none."""
        error = getattr(sys, "last_value", None)
        return None if isinstance(error, ClaudeError) else error

    def failed(self) -> Cell | None:
        """The cell that raised the last error; None if that is not known. A question of ours that failed is none."""
        error = self.error()
        name = None if error is None else type(error).__name__
        ran = (*page_cells.cells(), *self._cells)
        mine = (c for c in reversed(ran) if c.error and not c.asks and not c.refused)
        return next((c for c in mine if name in (None, c.error_name)), None)

    def find(self, reference: str) -> Cell:
        """The cell with that execution count or id, or whose id alone begins so: its last execution.

        A page that shows the exact execution that was recorded takes precedence over the record: it has what was updated later, and
        the outputs in its own order.

        Raises
        ------
        UsageError
            If none is known.
        """
        recorded = _matching(reference, tuple(self._cells))
        outputs = _matching(
            recorded.id if recorded is not None and recorded.id else reference, page_cells.cells()
        )
        cell = recorded
        if outputs is not None and (recorded is None or outputs.count == recorded.count):
            cell = outputs if recorded is None else _with_origins(outputs, recorded)
        if cell is None:
            where = f"[{reference}]" if reference.isdigit() else f"with the id {reference}"
            raise UsageError(
                f"there is no cell {where} that ran after %load_ext claude_jupyter in this kernel: run it first, or point at another "
                "cell by the number next to it"
            )
        return cell

    def pointed(self, reference: CellReference, rules: Rules) -> tuple[Attachment, ...]:
        """A cell with all that it showed, or one of its outputs.

        Raises
        ------
        UsageError
            For a cell that is not known, or an output that it does not have.
        """
        from claude_jupyter.content.cells import recent

        return recent.pointed(self.find(reference.cell), reference.output, rules)

    def is_last_failure(self, cell: Cell) -> bool:
        """Whether the last error of this kernel is that of this execution."""
        error = self.error()
        return error is not None and cell.error_name == type(error).__name__ and str(error) in cell.error

    def last_cells(self, count: int, rules: Rules) -> tuple[Attachment, ...]:
        """The newest `count` cells that do not ask Claude, with source, printed text, values, errors and images."""
        from claude_jupyter.content.cells import recent

        return recent.last_cells(self.cells(count), rules)

    def every_cell(self, rules: Rules, tokens: int) -> tuple[Attachment, ...]:
        """All cells that are remembered and do not ask Claude, within a token limit."""
        from claude_jupyter.content.cells import every

        return every.every_cell(self.cells(), rules, tokens)

    def plots(self, count: int, rules: Rules) -> tuple[Attachment, ...]:
        """The newest `count` images that the notebook has shown, oldest first."""
        from claude_jupyter.content.cells import recent

        return recent.plots(self.images(count), count, rules)

    def last_error(self, rules: Rules) -> tuple[Attachment, ...]:
        """The last error: traceback, the failing cell, its variables."""
        from claude_jupyter.content.cells import recent

        return recent.last_error(self.error(), self.failed(), rules)

    def mark(self) -> tuple[int, int]:
        """Where the output of the running cell is now, for `since`."""
        running = self._running
        return (0, 0) if running is None else (running.printed.end, running.dropped + len(running.displayed))

    def since(self, mark: tuple[int, int], source: str, error: BaseException | None) -> Cell:
        """What the running cell has printed and shown since that mark, as if a separate cell with this source had."""
        running = self._running
        if running is None:
            return Cell(source)
        start, end = running.printed.span(mark[0], running.printed.end)
        outputs = tuple(running.displayed[max(mark[1] - running.dropped, 0) :])
        text = running.printed.text()[start:end]
        cell = Cell(source, text=text, displayed=outputs)
        if error is None:
            return cell
        return replace(cell, error=_traceback(error), error_name=type(error).__name__)

    # What IPython calls

    def _before(self, info: Any) -> None:
        if self._running is not None and not info.store_history:
            return  # a cell within a cell: %%time, %%capture, ip.run_cell
        self._release_streams()
        # Whether the shell's own counter is at or past the running cell depends on IPython's version.
        count = len(self._ip.history_manager.input_hist_parsed) if info.store_history else None
        self._running = running = _Running(info, count, getattr(sys, "last_value", None))
        running.recorded = self._is_recorded(info)
        self._streams = [self._hold(name, running) for name in ("stdout", "stderr")]

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
        if not running.recorded:
            return
        if running.count is not None and result is not None:
            running.count = result.execution_count or running.count
        cell = self._finished(running)
        error = None if result is None else result.error_in_exec or result.error_before_exec
        if error is not None:
            cell = self._failed(cell, error, running)
        if result is not None and _holds_rows(result.result):
            cell = replace(
                cell, displayed=tuple(replace(s, table=s.table or s.value) for s in cell.displayed)
            )
        self._keep(cell)

    def _is_recorded(self, info: Any) -> bool:
        """Whether it is the user's own cell: one that is stored in the history, or any cell if nothing ever is (nbval).

        What a frontend runs on the side (a variable inspector) is not stored either, but it runs alongside cells that are.
        """
        return bool(info.store_history) or self._ip.execution_count == 1

    def _finished(self, running: _Running) -> Cell:
        info, printed = running.info, running.printed
        return Cell(
            source=info.raw_cell,
            id=getattr(info, "cell_id", None),
            count=running.count,
            text=printed.text(),
            displayed=tuple(running.displayed),
            outputs=running.layout.outputs(printed, running.dropped),
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
        """A method that records its arguments and then does what it did before.

        In a terminal a display is printed: it is recorded as what it is, not as printed text besides.
        """

        def around(original: Callable[..., Any]) -> Callable[..., Any]:
            def method(*args: Any, **kwargs: Any) -> Any:
                with suppress(
                    Exception
                ):  # whatever a library publishes, we must not make the user's display fail
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
            self._running.asks = self._running.asks or MIME in data
            self._running.show(self._from_figure(data, outputs_in(data, display_id)))

    def _update(self, data: Mapping[str, Any], display_id: str | None) -> None:
        new = outputs_in(data, display_id)
        if display_id is None or not new:
            return

        def updated(output: CellOutput) -> CellOutput:
            return new[0] if output.display_id == display_id else output

        if self._running is not None:
            self._running.displayed = [updated(s) for s in self._running.displayed]
        for place, cell in enumerate(self._cells):
            if any(s.display_id == display_id for s in cell.displayed):
                self._cells[place] = changed = replace(
                    cell, displayed=tuple(updated(s) for s in cell.displayed)
                )
                self._size += changed.size - cell.size

    def _clear_output(self, wait: bool = False, **_: Any) -> None:
        if self._running is not None:
            self._running.clear(wait)

    def _write_format_data(self, data: Any, *_: Any, **__: Any) -> None:
        if self._running is not None and isinstance(data, Mapping):
            self._running.show(self._from_figure(data, outputs_in(data, value=True)))

    def _formats(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """The formatter, which also notes from which figure it created a bundle."""

        def formats(value: Any, *args: Any, **kwargs: Any) -> Any:
            created = original(value, *args, **kwargs)
            with suppress(Exception):
                self._formatted = (created[0], origin_of(value))
            return created

        return formats

    def _from_figure(self, data: Any, outputs: tuple[CellOutput, ...]) -> tuple[CellOutput, ...]:
        """What is shown, with the figure that it was created from; an earlier picture of that figure is then out of date."""
        (created, origin), self._formatted = self._formatted, (None, None)
        if created is not data or origin is None or not outputs:
            return outputs
        new = replace(outputs[0], origin=origin)

        def outdated(old: CellOutput) -> bool:
            return old.origin is not None and old.origin.is_of(origin) and old.data != new.data

        def current(old: CellOutput) -> CellOutput:
            return replace(old, origin=None) if outdated(old) else old

        if self._running is not None:
            self._running.displayed = [current(old) for old in self._running.displayed]
        for place, cell in enumerate(self._cells):
            if any(map(outdated, cell.displayed)):
                self._cells[place] = replace(cell, displayed=tuple(map(current, cell.displayed)))
        return (new, *outputs[1:])

    def _hold(self, stream: str, running: _Running) -> Callable[[], None]:
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
                    running.write(data, stream)
                return original(data, *args, **kwargs)

            return write

        return _wrap(getattr(sys, stream), "write", around)

    def _release_streams(self) -> None:
        while self._streams:
            self._streams.pop()()


def _with_origins(cell: Cell, recorded: Cell) -> Cell:
    """A cell as a page shows it, its images with the figures that they were drawn from."""
    origins = {_bytes(s.data): s.origin for s in recorded.images if s.origin is not None}
    pictures = (replace(s, origin=origins.get(_bytes(s.data))) if s.is_image else s for s in cell.displayed)
    return replace(cell, displayed=tuple(pictures)) if origins else cell


def _bytes(data: Any) -> bytes:
    """A picture's bytes, whether they came as such or as a page has them; of anything else none."""
    image = decode(data) if isinstance(data, str) else data
    return bytes(image) if isinstance(image, bytes | bytearray | memoryview) else b""


def _under_way() -> Any:
    """The execution of the cell that runs now, in which the extension is being loaded: IPython tells it before the cell only."""
    frame: FrameType | None = sys._getframe()  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        if frame.f_code.co_name == "run_cell_async" and "info" in frame.f_locals:
            return frame.f_locals["info"]
        frame = frame.f_back
    return None


def _wrap(
    owner: Any, name: str, around: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Callable[[], None]:
    """Replace one object's method with `around(original)`; returns a function that restores it."""
    original = getattr(owner, name, None)
    if original is None or not hasattr(owner, "__dict__"):
        return lambda: None
    had = vars(owner).get(name)
    wrapped = around(original)
    setattr(owner, name, wrapped)

    def undo() -> None:
        if vars(owner).get(name) is not wrapped:
            return  # someone wrapped it after us: their wrapper stays, and ours passes everything on
        if had is None:
            delattr(owner, name)
        else:
            setattr(owner, name, had)

    return undo


def _matching(reference: str, cells: Sequence[Cell]) -> Cell | None:
    """The newest of the cells with that count or id; by the beginning of an id only where no other cell's begins so."""
    newest = tuple(reversed(cells))
    exact = (c for c in newest if reference in (c.id, str(c.count)))
    if (cell := next(exact, None)) is not None:
        return cell
    near = (
        [c for c in newest if c.id is not None and c.id.startswith(reference)] if len(reference) > 5 else []
    )
    return near[0] if len({c.id for c in near}) == 1 else None


def _nothing(*_: Any, **__: Any) -> None:
    """What to record of a prompt or traceback on its way to a terminal."""


def _holds_rows(value: Any) -> bool:
    if isinstance(value, dict):
        value = list(value.values())[:20]
    if isinstance(value, list | tuple):
        return any(holds_rows(item) or type(item).__name__ == "ndarray" for item in value[:20])
    return holds_rows(value) or type(value).__name__ == "ndarray"


def _traceback(error: BaseException) -> str:
    """The last calls as text, without IPython's own and without paths of this machine: IPython keeps the exception itself."""
    trace = traceback.TracebackException.from_exception(error, limit=-CALLS, compact=True)
    calls = [
        f"  {short_place(frame.filename)}, line {frame.lineno}, in {frame.name}\n    {frame.line or ''}\n"
        for frame in trace.stack
        if f"{os.sep}IPython{os.sep}" not in frame.filename
    ]
    message = "".join(trace.format_exception_only())
    message = re.sub(r'  File "([^"]*)"', lambda match: f"  {short_place(match[1])}", message)
    return "".join(["Traceback (most recent call last):\n" if calls else "", *calls, message[:MESSAGE]])
