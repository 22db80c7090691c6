"""A conversation over the demo server with scripted replies: everything real but the model and the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anthropic

from claude_jupyter.client.service import Service
from claude_jupyter.client.wire import Stop
from claude_jupyter.conversation.billing import Books, Owner
from claude_jupyter.conversation.conversation import Conversation
from claude_jupyter.conversation.world import World
from claude_jupyter.costs.ledger import Ledger
from claude_jupyter.demo.server import DemoServer, start
from claude_jupyter.settings import Settings
from claude_jupyter.turns import Answer, Part, Place, View


@dataclass
class Watched:
    """A view that remembers what it was told."""

    begun: list[Answer] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    ended: list[Answer] = field(default_factory=list)
    at_part: Callable[[Part], None] = lambda _part: None

    def begin(self, answer: Answer) -> None:
        self.begun.append(answer)

    def show(self, parts: Sequence[Part]) -> None:
        self.parts.extend(parts)
        for part in parts:
            self.at_part(part)

    def end(self, answer: Answer) -> None:
        self.ended.append(answer)


@dataclass
class Stage:
    """A kernel's conversation with nothing around it.

    Attributes
    ----------
    cell
        The cell that runs now: set `place` before asking, as the frontend would.
    """

    server: DemoServer
    settings: Settings
    ledger: Ledger
    claude: Conversation
    world: World
    view: Watched
    place: Place = field(default_factory=Place)
    stops: list[Stop] = field(default_factory=list)

    def run(self, cell: str, execution: str) -> None:
        """From now on questions come from this cell and execution."""
        self.place = Place(cell, execution)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The Messages requests that the server got, oldest first."""
        return [dict(r.body) for r in self.server.requests if r.path == "/v1/messages" and r.body is not None]


@contextmanager
def stage(replies: Any = None, *, told: Path | None = None, **server: Any) -> Iterator[Stage]:
    """A conversation whose model says what `replies` tell it (see `claude_jupyter.demo.server.start`).

    Parameters
    ----------
    told
        Where is kept what the Models API told; without it only unknown models are asked about.
    """
    running = start(replies, **server)
    settings = Settings()
    service = Service(settings, told=told)
    client = anthropic.Anthropic(api_key="sk-test-not-a-key", base_url=running.url)
    service.client = client
    ledger = Ledger(None, warn=print)
    books = Books(settings, ledger, Owner("tester", "kernel-1", "a.ipynb"), provider=lambda: service.provider)
    view = Watched()
    here: list[Stage] = []

    def make(_id: str, stop: Stop, *, background: bool) -> View:
        here[0].stops.append(stop)
        return view

    world = World(settings, service, books, make, place=lambda: here[0].place)
    claude = Conversation(world)
    world.chats["main"] = claude
    here.append(Stage(running, settings, ledger, claude, world, view))
    try:
        yield here[0]
    finally:
        client.close()
        running.close()
