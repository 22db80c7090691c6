"""Assembles the environment of a kernel's conversations: service, ledger, journal, and IPython's side passed in by `extension.py`.

Imported with the first question (or by the warm-up), so that `%load_ext` need not wait for it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_jupyter import settings as config
from claude_jupyter.answer.model import Turn
from claude_jupyter.client.service import Service
from claude_jupyter.content.cells import page_cells
from claude_jupyter.content.secrets.redact import SecretRemover
from claude_jupyter.conversation.ask.repeated import Repeats
from claude_jupyter.conversation.billing import Billing, Owner
from claude_jupyter.conversation.conversation import Conversation
from claude_jupyter.conversation.environment import Environment
from claude_jupyter.conversation.mcp.servers import Servers
from claude_jupyter.conversation.store.journal import Journal
from claude_jupyter.conversation.store.restore import answered_above
from claude_jupyter.conversation.work.driver import take_checkpoint
from claude_jupyter.conversation.work.executors import Below, Within
from claude_jupyter.conversation.work.work import Executor, Step
from claude_jupyter.costs.ledger.calls import Accounts
from claude_jupyter.costs.ledger.opening import local_ledger, open_ledger
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.display.shell import Shell
from claude_jupyter.encodable import encodable
from claude_jupyter.errors import ClaudeError
from claude_jupyter.kernel import quick_tracebacks
from claude_jupyter.kernel.checkpoint import Checkpoint
from claude_jupyter.kernel.identity import kernel_id, notebook_file, notebook_path
from claude_jupyter.settings import Settings

if TYPE_CHECKING:
    from claude_jupyter.content.cells.recorder import Recorder


def assembled(
    settings: Settings, shell: Shell, namespace: dict[str, Any], cells: Recorder | None, folder: Path
) -> Environment:
    """The environment of this kernel, with its conversation `main`.

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
    service = Service(settings, folder, known_models=data / "models.json" if data else None)
    path = data / "journal" if data else None
    journal = Journal(path, kernel_id(), notebook_path(), lambda: settings.journal, shell.warn)
    notebook = notebook_file(folder)
    redact = _redactor(settings, service)
    env = Environment(
        settings=settings,
        service=service,
        billing=_billing(settings, shell, service),
        frontend=shell,
        cells=cells,
        records=lambda: cells.cells() if cells is not None else (),
        running=lambda: cells is not None and cells.running,
        redact=redact,
        transcript=_rendered,
        layout=lambda: shell.layout,
        left_behind=_left_behind(notebook, journal),
        mcp=Servers(settings, folder, lambda text: redact(text)[0]),
        journal=journal,
        repeats=Repeats(journal.answered_before),
        notebook=notebook,
        folder=folder,
        namespace=lambda: namespace,
    )

    if cells is not None:
        env.executor = _executors(env, shell, cells)
    env.chats["main"] = Conversation(env)
    journal.prune(settings.journal_days)
    return env


def _redactor(settings: Settings, service: Service) -> Callable[[str], tuple[str, tuple[str, ...]]]:
    """Removes what is secret now: keys and variables may change."""

    def redact(text: str) -> tuple[str, tuple[str, ...]]:
        key = service.key
        environ = {**os.environ, "ANTHROPIC_API_KEY": key} if key else os.environ
        return SecretRemover.from_environment(environ, settings.redact)(text)

    return redact


def _left_behind(notebook: Path | None, journal: Journal) -> Callable[[str, str | None], bool]:
    """Tells whether the notebook shows answers of a chat above a cell, of which the kernel knows nothing."""

    def left_behind(chat: str, cell: str | None) -> bool:
        above = page_cells.answers_above(cell) if cell is not None else None
        if above is not None:
            return chat in above
        return answered_above(notebook, chat, cell, journal.turns(chat, own=True))

    return left_behind


def _billing(settings: Settings, shell: Shell, service: Service) -> Billing:
    path = notebook_path()
    notebook = None if path is None else encodable(path)
    billing = Billing(
        settings,
        _ledger(settings, shell),
        Owner(encodable(config.user_name(settings)), kernel_id(), notebook),
        provider=lambda: service.provider,
        cell=shell.cell_hash,
        count=service.counted,
    )

    def renamed(_change: Any) -> None:
        billing.owner = replace(billing.owner, user=config.user_name(settings))

    def moved(_change: Any) -> None:
        # A request in progress closes its row where it opened it (`billing.Bill`).
        billing.accounts = _ledger(settings, shell)

    settings.observe(renamed, "user")
    settings.observe(moved, "ledger")
    return billing


def _executors(env: Environment, shell: Shell, recorder: Recorder) -> Callable[[], Executor]:
    """What runs proposed cells: as cells below where somebody can run them, else within the asking cell."""

    def checkpoint(step: Step) -> Checkpoint:
        return take_checkpoint(env, next(work for work in env.works.values() if work.id == step.work))

    def executor() -> Executor:
        if shell.has_cells:
            ready = partial(quick_tracebacks.get_ready, shell.ip)
            return Below(env.page, shell.notebook_cell, shell.next_input, shell.markdown, ready)
        return Within(shell.ip, recorder, shell.markdown, checkpoint)

    return executor


def _data_dir(shell: Shell) -> Path | None:
    try:
        return config.data_dir()
    except OSError as error:
        shell.warn(
            f"User data cannot be written ({error.strerror}): costs and history are kept in this kernel's memory only."
        )
        return None


def _ledger(settings: Settings, shell: Shell) -> Accounts:
    try:
        return open_ledger(settings.ledger, warn=shell.warn, kernel=kernel_id())
    except ClaudeError as error:
        shell.warn(f"{error.message} Costs are written to the local ledger instead.")
        return local_ledger("", warn=shell.warn, kernel=kernel_id())


def _rendered(
    name: str, turns: tuple[Turn, ...], usage: Usage, cost: Cost, *, file: bool = False
) -> tuple[dict[str, Any], dict[str, Any]]:
    from claude_jupyter.display.transcript import transcript

    return transcript(name, turns, usage, cost, file=file)


def plain_namespace() -> dict[str, Any]:
    """The user's variables if there is no IPython."""
    return sys.modules["__main__"].__dict__
