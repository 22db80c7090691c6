"""What a conversation needs of its surroundings, passed in by the composition root (`extension.py`): no IPython, no widgets here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from claude_jupyter.client.service import Service
from claude_jupyter.client.wire import Stop
from claude_jupyter.content.rules import Rules
from claude_jupyter.conversation.billing import Books
from claude_jupyter.settings import Settings
from claude_jupyter.turns import Answer, Attachment, Place, View


class ViewMaker(Protocol):
    """Makes the view of one answer."""

    def __call__(self, answer_id: str, stop: Stop, *, background: bool) -> View: ...


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
    redact
        Text → (text without secrets, their names).
    insert
        Puts code into a new cell below.
    finished
        Told of every answer that ended, also stopped and failed ones (`_`, journal, the page).
    chats
        The conversations of this kernel by name.
    """

    settings: Settings
    service: Service
    books: Books
    view: ViewMaker
    place: Callable[[], Place] = Place
    cells: Cells | None = None
    confirm: Callable[[str], bool | None] = lambda _question: None
    redact: Callable[[str], tuple[str, tuple[str, ...]]] = lambda text: (text, ())
    insert: Callable[[str, Answer], None] = lambda _code, _answer: None
    finished: Callable[[Answer], None] = lambda _answer: None
    namespace: Callable[[], Mapping[str, Any]] = dict
    chats: dict[str, Any] = field(default_factory=dict[str, Any])
