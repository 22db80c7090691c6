"""A conversation over the demo server with scripted replies: everything real but the model and the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anthropic

from claude_jupyter.answer.model import Answer, Layout, Part, Place, View
from claude_jupyter.client.service import Service
from claude_jupyter.client.transport import Stop
from claude_jupyter.conversation.billing import Billing, Owner
from claude_jupyter.conversation.conversation import Conversation
from claude_jupyter.conversation.environment import Environment
from claude_jupyter.costs.ledger.sqlite_ledger import Ledger
from claude_jupyter.demo.server import DemoServer, start
from claude_jupyter.display.progress import Terminal
from claude_jupyter.kernel.page_layout import PageLayout
from claude_jupyter.settings import Settings


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
class Screen:
    """A frontend of which tests replace what they are about."""

    view: Callable[..., View]
    place: Callable[[], Place] = Place
    answers: bool = False
    confirm: Callable[[str], bool | None] = lambda _question: None
    insert: Callable[[str, Answer], None] = lambda _code, _answer: None
    remember: Callable[[Answer], None] = lambda _answer: None
    show: Callable[[Any], None] = print
    progress: Callable[[int, int], Terminal] = Terminal
    adopt: Callable[[], AbstractContextManager[object]] = nullcontext
    formatted: Callable[[Any], Any] = lambda _value: None


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
    env: Environment
    view: Watched
    place: Place = field(default_factory=Place)
    stops: list[Stop] = field(default_factory=list)
    page: PageLayout = field(default_factory=PageLayout)

    def run(self, cell: str, execution: str) -> None:
        """From now on questions come from this cell and execution."""
        self.place = Place(cell, execution)
        self.page.hear({"cellId": cell})

    def lay_out(self, *cells: str, merged: Sequence[str] = ()) -> None:
        """From now on the page tells these cells, from top to bottom, and which of them were made by merging others."""
        report = {"notebook": "a.ipynb", "cells": list(cells), "merged": list(merged)}
        self.page.hear({"claude_jupyter": report})

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The Messages requests that the server got, oldest first."""
        return [dict(r.body) for r in self.server.requests if r.path == "/v1/messages" and r.body is not None]


@contextmanager
def stage(replies: Any = None, *, known_models: Path | None = None, **server: Any) -> Iterator[Stage]:
    """A conversation whose model says what `replies` tell it (see `claude_jupyter.demo.server.start`).

    Parameters
    ----------
    known_models
        Where is kept what the Models API told; without it only unknown models are asked about.
    """
    running = start(replies, **server)
    settings = Settings()
    service = Service(settings, known_models=known_models)
    client = anthropic.Anthropic(api_key="sk-test-not-a-key", base_url=running.url)
    service.client = client
    ledger = Ledger(None, warn=print)
    billing = Billing(
        settings, ledger, Owner("tester", "kernel-1", "a.ipynb"), provider=lambda: service.provider
    )
    view = Watched()
    here: list[Stage] = []

    def make(_id: str, stop: Stop, *, background: bool, typed: bool = False) -> View:
        here[0].stops.append(stop)
        return view

    screen = Screen(make, lambda: here[0].place)
    env = Environment(
        settings, service, billing, screen, layout=lambda: here[0].page.layout if here else Layout()
    )
    claude = Conversation(env)
    env.chats["main"] = claude
    here.append(Stage(running, settings, ledger, claude, env, view))
    try:
        yield here[0]
    finally:
        client.close()
        running.close()
