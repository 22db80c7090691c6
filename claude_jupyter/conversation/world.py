"""What a conversation needs of its surroundings, passed in by the composition root (`extension.py`): no IPython, no widgets here."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakSet

from claude_jupyter.client.service import Service
from claude_jupyter.client.wire import Stop
from claude_jupyter.content.rules import Rules
from claude_jupyter.conversation.billing import Books
from claude_jupyter.conversation.history import Turns
from claude_jupyter.conversation.journal import Journal
from claude_jupyter.conversation.permits import Permits
from claude_jupyter.conversation.repeats import Repeats
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.settings import Settings
from claude_jupyter.turns import Answer, Attachment, Place, View


class ViewMaker(Protocol):
    """Makes the view of one answer."""

    def __call__(self, answer_id: str, stop: Stop, *, background: bool) -> View: ...


class Transcriber(Protocol):
    """Renders a transcript."""

    def __call__(
        self, name: str, turns: Turns, usage: Usage, cost: Cost, /
    ) -> tuple[dict[str, Any], dict[str, Any]]: ...


class Left(Protocol):
    """A stream that somebody reads."""

    def leave(self, execution: str | None) -> None:
        """End it if the reading began in this execution of a cell, which failed."""
        ...


class Cells(Protocol):
    """What the notebook's cells showed (`content/cells.py`)."""

    def last_cells(self, count: int, rules: Rules) -> tuple[Attachment, ...]:
        """The last cells, whole."""
        ...

    def plots(self, count: int, rules: Rules) -> tuple[Attachment, ...]:
        """The newest images shown."""
        ...

    def last_error(self, rules: Rules) -> tuple[Attachment, ...]:
        """The last error with its cell and locals."""
        ...


def _no_journal() -> Journal:
    return Journal(None, "", None, lambda: "off", lambda _text: None)


@dataclass
class World:
    """The surroundings of a kernel's conversations.

    Attributes
    ----------
    place
        The cell and execution that run now.
    view
        Makes the view of an answer.
    confirm
        Asks the user a yes-or-no question; None back: nobody can answer.
    attended
        Whether somebody is there who could answer a question later.
    redact
        Text → (text without secrets, their names).
    insert
        Puts code into a new cell below.
    finished
        Told of every answer that ended, also stopped and failed ones (`_`, journal, the page).
    show
        Shows a value in the cell that runs.
    adopt
        Called in the cell: makes a context in which another thread's output lands in that cell.
    transcript
        Renders a transcript as a mimebundle.
    repeats
        Questions answered before, for the hint.
    folder
        The notebook's own folder; None: the process's, whatever it is.
    notebook
        The open notebook's file, where it is known and readable from here.
    chats
        The conversations of this kernel by name.
    permits
        Tool calls of background answers that wait to be allowed.
    streams
        Those that are being read.
    """

    settings: Settings
    service: Service
    books: Books
    view: ViewMaker
    place: Callable[[], Place] = Place
    cells: Cells | None = None
    confirm: Callable[[str], bool | None] = lambda _question: None
    attended: Callable[[], bool] = lambda: False
    redact: Callable[[str], tuple[str, tuple[str, ...]]] = lambda text: (text, ())
    insert: Callable[[str, Answer], None] = lambda _code, _answer: None
    finished: Callable[[Answer], None] = lambda _answer: None
    show: Callable[[Any], None] = print
    adopt: Callable[[], AbstractContextManager[object]] = nullcontext
    namespace: Callable[[], dict[str, Any]] = dict
    transcript: Transcriber = lambda _name, _turns, _usage, _cost: ({"text/markdown": ""}, {})
    journal: Journal = field(default_factory=_no_journal)
    repeats: Repeats = field(default_factory=Repeats)
    folder: Path | None = None
    notebook: Path | None = None
    chats: dict[str, Any] = field(default_factory=dict[str, Any])
    permits: Permits = field(default_factory=Permits)
    streams: WeakSet[Left] = field(default_factory=WeakSet["Left"])

    def cell_failed(self) -> None:
        """End the streams whose loop the failure of the cell that runs has broken off; to be called while it is known."""
        execution = self.place().execution
        for stream in list(self.streams):
            stream.leave(execution)
