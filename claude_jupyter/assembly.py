"""Puts the surroundings of a kernel's conversations together: service, ledger, journal, and IPython's side passed in by `extension.py`.

Imported with the first question (or by the warm-up), so that `%load_ext` need not wait for it.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_jupyter import settings as config
from claude_jupyter.client.service import Service
from claude_jupyter.content.secrets import Redactor
from claude_jupyter.conversation.billing import Books, Owner
from claude_jupyter.conversation.conversation import Conversation
from claude_jupyter.conversation.journal import Journal
from claude_jupyter.conversation.repeats import Repeats
from claude_jupyter.conversation.world import World
from claude_jupyter.costs.ledger import Ledger
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.display.shell import Shell
from claude_jupyter.settings import Settings
from claude_jupyter.turns import Turn
from claude_jupyter.whereabouts import kernel_id, notebook_file, notebook_path

if TYPE_CHECKING:
    from claude_jupyter.content.cells import Recorder


def assembled(
    settings: Settings, shell: Shell, namespace: dict[str, Any], cells: Recorder | None, folder: Path
) -> World:
    """The world of this kernel, with its conversation `main`.

    Parameters
    ----------
    namespace
        The user's variables.
    cells
        What the notebook's cells showed; None outside of IPython.
    folder
        The notebook's own.
    """
    data = _data_dir(shell)
    service = Service(settings, folder, told=data / "models.json" if data else None)
    journal = Journal(
        data / "journal" if data else None,
        kernel_id(),
        notebook_path(),
        lambda: settings.journal,
        shell.warn,
    )
    books = Books(
        settings,
        _ledger(settings, data, shell),
        Owner(config.user_name(settings), kernel_id(), notebook_path()),
        provider=lambda: service.provider,
        cell=shell.cell_hash,
        count=service.counted,
    )

    def renamed(_change: Any) -> None:
        books.owner = replace(books.owner, user=config.user_name(settings))

    def moved(_change: Any) -> None:
        # A request under way closes its row where it opened it (`billing.Bill`).
        books.accounts = _ledger(settings, data, shell)

    settings.observe(renamed, "user")
    settings.observe(moved, "ledger")

    def redact(text: str) -> tuple[str, tuple[str, ...]]:
        key = service.key
        environ = {**os.environ, "ANTHROPIC_API_KEY": key} if key else os.environ
        return Redactor.from_environment(environ, settings.redact)(text)

    world = World(
        settings=settings,
        service=service,
        books=books,
        view=lambda answer_id, stop, background: shell.view(answer_id, stop, background=background),
        place=shell.place,
        cells=cells,
        confirm=shell.confirm,
        attended=lambda: shell.answers,
        redact=redact,
        insert=shell.insert,
        finished=shell.remember,
        show=shell.show,
        adopt=shell.adopt,
        transcript=_rendered,
        journal=journal,
        repeats=Repeats(journal.asked),
        notebook=notebook_file(folder),
        folder=folder,
        namespace=lambda: namespace,
    )
    world.chats["main"] = Conversation(world)
    journal.prune(settings.journal_days)
    return world


def _data_dir(shell: Shell) -> Path | None:
    try:
        return config.data_dir()
    except OSError as error:
        shell.warn(f"User data cannot be written ({error.strerror}): costs and history stay in this kernel.")
        return None


def _ledger(settings: Settings, data: Path | None, shell: Shell) -> Ledger:
    path = Path(settings.ledger).expanduser() if settings.ledger else data / "ledger.db" if data else None
    return Ledger(path, warn=shell.warn, kernel=kernel_id())


def _rendered(
    name: str, turns: tuple[Turn, ...], usage: Usage, cost: Cost
) -> tuple[dict[str, Any], dict[str, Any]]:
    from claude_jupyter.display.transcript import transcript

    return transcript(name, turns, usage, cost)


def plain_namespace() -> dict[str, Any]:
    """The user's variables where there is no IPython."""
    return sys.modules["__main__"].__dict__
