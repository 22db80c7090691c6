"""What a conversation needs from its environment, passed in by the composition root (`extension.py`): no IPython, no widgets here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol
from weakref import WeakSet

from claude_jupyter.answer.model import Answer, Attachment, Layout, Place, View
from claude_jupyter.client.service import Service
from claude_jupyter.client.transport import Stop
from claude_jupyter.content.cells.cell_records import Cell
from claude_jupyter.content.rules import Rules
from claude_jupyter.conversation.ask.repeated import Repeats
from claude_jupyter.conversation.billing import Billing
from claude_jupyter.conversation.drivers.background import Background
from claude_jupyter.conversation.history import Turns
from claude_jupyter.conversation.mcp.servers import Servers
from claude_jupyter.conversation.store.journal import Journal
from claude_jupyter.conversation.tools.approvals import PendingApprovals
from claude_jupyter.conversation.work.page import Page
from claude_jupyter.conversation.work.work import Executor, Work
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.errors import UsageError
from claude_jupyter.interrupts import started, uninterrupted
from claude_jupyter.options.option_values import CellReference
from claude_jupyter.settings import Settings


class Progress(Protocol):
    """A line that says how far a loop over rows is."""

    def set(self, done: int, words: str) -> None:
        """This many are over; `words` say what it has cost, or what is waited for."""
        ...

    def close(self) -> None:
        """Nothing more will come."""
        ...


class Frontend(Protocol):
    """Where answers are shown, and who looks at them: IPython's side (`display/shell.py`)."""

    def view(self, answer_id: str, stop: Stop, *, background: bool, typed: bool = False) -> View:
        """The view of a new answer; `typed` is one whose text is JSON."""
        ...

    def place(self) -> Place:
        """The cell and execution that run now."""
        ...

    @property
    def answers(self) -> bool:
        """Whether somebody is there who could answer a question."""
        ...

    def confirm(self, question: str) -> bool | None:
        """Ask the user yes or no; None if nobody can answer."""
        ...

    def insert(self, code: str, answer: Answer) -> None:
        """Put code into a new cell below."""
        ...

    def remember(self, answer: Answer) -> None:
        """Take note of an answer that ended, also of a stopped or failed one (`_`)."""
        ...

    def show(self, value: Any) -> None:
        """Show a value in the cell that runs."""
        ...

    def adopt(self) -> AbstractContextManager[object]:
        """A context, made in the cell, in which another thread's output lands in that cell."""
        ...

    def progress(self, total: int, before: int) -> Progress:
        """A line that says how far a loop over rows is."""
        ...

    def warn(self, text: str) -> None:
        """Say one line beside what the cell shows."""
        ...

    def formatted(self, value: Any) -> Mapping[str, Any] | None:
        """The mimebundle of the formatters that the user registered with IPython for the value's class, or None."""
        ...


class Transcriber(Protocol):
    """Renders a transcript: for a cell, or as a file that people read and edit."""

    def __call__(
        self, name: str, turns: Turns, usage: Usage, cost: Cost, /, *, file: bool = False
    ) -> tuple[dict[str, Any], dict[str, Any]]: ...


class OpenStream(Protocol):
    """A stream that somebody reads."""

    def leave(self, execution: str | None) -> None:
        """End it if the reading began in this execution of a cell, which failed."""
        ...


class RecordedCells(Protocol):
    """What the notebook's cells showed (`content/cells/recorder.py`)."""

    def last_cells(self, count: int, rules: Rules) -> tuple[Attachment, ...]:
        """The last cells, whole."""
        ...

    def every_cell(self, rules: Rules, tokens: int) -> tuple[Attachment, ...]:
        """All cells that ran, shortened to a token limit."""
        ...

    def plots(self, count: int, rules: Rules) -> tuple[Attachment, ...]:
        """The newest images shown."""
        ...

    def pointed(self, reference: CellReference, rules: Rules) -> tuple[Attachment, ...]:
        """A cell, or an output of it."""
        ...

    def last_error(self, rules: Rules) -> tuple[Attachment, ...]:
        """The last error with its cell and locals."""
        ...


_NO_LAYOUT: Final = Layout()


def _no_journal() -> Journal:
    return Journal(None, "", None, lambda: "off", lambda _text: None)


def _no_executor() -> Executor:
    raise UsageError("--do needs a notebook or IPython: %load_ext claude_jupyter")


def _timer(seconds: float, work: Callable[[], None]) -> Callable[[], None]:
    thread = threading.Timer(seconds, work)
    thread.daemon = True
    started(thread)

    def cancel() -> None:
        with uninterrupted():
            thread.cancel()

    return cancel


@dataclass
class Environment:
    """The environment of a kernel's conversations.

    Attributes
    ----------
    frontend
        Where answers are shown, and who looks at them.
    background
        Answers that continue while the kernel is free.
    records
        The cells that ran, oldest first, for looking around.
    running
        Whether a cell runs now.
    redact
        Text → (text without secrets, their names).
    transcript
        Renders a transcript as a mimebundle.
    layout
        The notebook's cells as its page tells them; the same object until something changes.
    left_behind
        Whether the notebook shows answers of a chat above a cell, which a kernel that has just started does not know.
    mcp
        The MCP servers of this kernel.
    repeats
        Questions answered before, for the hint.
    folder
        The notebook's own folder; None: the process's, whatever it is.
    notebook
        The open notebook's file, if it is known and readable from here.
    chats
        The conversations of this kernel by name.
    page
        What the notebook's page has to do for works.
    works
        The last piece of work of each chat.
    executor
        Makes what runs proposed cells, as fits who looks at the cell that runs now.
    approvals
        Tool calls of background answers that wait to be allowed.
    streams
        Those that are being read.
    later
        Does something in this many seconds, on another thread; a function that cancels it.
    """

    settings: Settings
    service: Service
    billing: Billing
    frontend: Frontend
    cells: RecordedCells | None = None
    records: Callable[[], Sequence[Cell]] = tuple
    running: Callable[[], bool] = lambda: False
    redact: Callable[[str], tuple[str, tuple[str, ...]]] = lambda text: (text, ())
    namespace: Callable[[], dict[str, Any]] = dict
    transcript: Transcriber = lambda _name, _turns, _usage, _cost, *, file=False: ({"text/markdown": ""}, {})
    layout: Callable[[], Layout] = lambda: _NO_LAYOUT
    left_behind: Callable[[str, str | None], bool] = lambda _chat, _cell: False
    mcp: Servers | None = None
    journal: Journal = field(default_factory=_no_journal)
    repeats: Repeats = field(default_factory=Repeats)
    folder: Path | None = None
    notebook: Path | None = None
    chats: dict[str, Any] = field(default_factory=dict[str, Any])
    approvals: PendingApprovals = field(default_factory=PendingApprovals)
    background: Background = field(default_factory=Background)
    page: Page = field(default_factory=Page)
    works: dict[str, Work] = field(default_factory=dict[str, Work])
    executor: Callable[[], Executor] = _no_executor
    streams: WeakSet[OpenStream] = field(default_factory=WeakSet["OpenStream"])
    later: Callable[[float, Callable[[], None]], Callable[[], None]] = _timer

    def cell_failed(self) -> None:
        """End the streams whose loop the failure of the cell that runs has broken off; to be called while it is known."""
        execution = self.frontend.place().execution
        for stream in list(self.streams):
            stream.leave(execution)


class Kernel(Protocol):
    """Who has the environment of this kernel."""

    @property
    def env(self) -> Environment:
        """The environment, put together on first use."""
        ...
