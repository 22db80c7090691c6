"""The composition root: `%load_ext` puts magics, completion and recorder into IPython; the rest is assembled when first needed.

`%load_ext claude_jupyter` must be quick: conversation, ledger, SDK, widgets and prices are imported by a timer after it
returned, or by the first question, whichever comes first.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import TYPE_CHECKING, Any

from claude_jupyter.display.shell import Shell
from claude_jupyter.interrupts import locked, started, surely
from claude_jupyter.kernel.identity import started_in
from claude_jupyter.kernel.quick_tracebacks import know_cell
from claude_jupyter.magics.page.page_settings import PageSettings
from claude_jupyter.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from claude_jupyter.answer.model import Answer, Models, Receipt
    from claude_jupyter.content.cells.recorder import Recorder
    from claude_jupyter.conversation.agents import AgentReply, Agents
    from claude_jupyter.conversation.conversation import Conversation
    from claude_jupyter.conversation.environment import Environment

_WARM_AFTER = 0.3

_the_extension: Extension | None = None
"""One for the process: `from claude_jupyter import claude` finds it without being passed anything."""


class Extension:
    """Everything that belongs to one kernel.

    Attributes
    ----------
    ip
        IPython's shell; None in plain Python.
    shell
        What of IPython is needed to show answers and to know the cell.
    recorder
        What the notebook's cells showed; None in plain Python.
    folder
        The notebook's own, as far as Jupyter says.
    """

    def __init__(self, ip: Any = None) -> None:
        self.ip = ip
        # As the kernel began: it may `%cd` before the first question, and another folder's `.env` is not the notebook's.
        self.folder = started_in()
        self.magics: Any = None
        self.recorder: Recorder | None = None
        if ip is not None:
            from claude_jupyter.content.cells.recorder import Recorder
            from claude_jupyter.magics.claude_magic import ClaudeMagics

            self.magics = ClaudeMagics(ip, self)
            self.recorder = Recorder(ip)
        self.settings: Settings = self.magics or Settings()
        self.shell = Shell(ip, self.settings)
        self.page_settings = PageSettings(self.settings)
        self._env: Environment | None = None
        self._lock = threading.RLock()
        self._timer: threading.Timer | None = None
        self._registered: Path | None = None
        self.agents: Agents | None = None

    @property
    def env(self) -> Environment:
        """The environment of the conversations, assembled on first use."""
        with locked(self._lock):  # a half made one is worse than an interrupt that waits for a second
            if self._env is None:
                from claude_jupyter.assembly import assembled, plain_namespace
                from claude_jupyter.conversation.conversation import Conversation
                from claude_jupyter.conversation.work.driver import Watch

                Conversation.kernel = self

                namespace = self.ip.user_ns if self.ip is not None else plain_namespace()
                self._env = assembled(self.settings, self.shell, namespace, self.recorder, self.folder)
                self._watch = Watch(self._env)
            return self._env

    @property
    def claude(self) -> Conversation:
        """The kernel's conversation."""
        return self.env.chats["main"]

    def chats(self) -> list[str]:
        """Names of the chats there are."""
        return list(self._env.chats) if self._env is not None else ["main"]

    def servers(self) -> list[str]:
        """Names of the MCP servers there are."""
        servers = self.env.mcp
        return servers.names() if servers is not None else []

    def load(self) -> None:
        """Put the magics, completion, recorder and formatters into IPython."""
        from claude_jupyter.display.proposals import Proposals
        from claude_jupyter.magics.completion import complete
        from claude_jupyter.magics.line import lines
        from claude_jupyter.magics.page.link import Links
        from claude_jupyter.magics.variable import ConversationVariable

        assert self.recorder is not None
        self.ip.register_magics(self.magics)
        lines.install(self.ip)
        complete.install(self.ip, chats=self.chats, servers=self.servers)
        self.recorder.install()
        self.links = Links(self)
        self.links.install()
        self.proposals = Proposals(self.ip)
        self.proposals.install()
        self._variable = ConversationVariable(self)
        self._variable.bind()
        self.ip.events.register("pre_run_cell", self._warn_of_key)
        self.ip.events.register("pre_run_cell", self._take_settings)
        self.ip.events.register("pre_run_cell", self._before_cell)
        self.ip.events.register("post_run_cell", self._after_cell)
        self.shell.load(_FORMATS)
        self._take_settings()
        self._timer = threading.Timer(_WARM_AFTER, self._warm)
        self._timer.daemon = True
        started(self._timer)

    def unload(self) -> None:
        """Take them out again; history and ledger stay."""
        from claude_jupyter.magics.completion import complete
        from claude_jupyter.magics.line import lines

        assert self.recorder is not None
        if self._timer is not None:
            surely(self._timer.cancel)
        lines.uninstall(self.ip)
        complete.uninstall(self.ip)
        self.recorder.uninstall()
        self.links.uninstall()
        self.proposals.uninstall()
        self._unregister()
        self._variable.unbind()
        self.ip.events.unregister("pre_run_cell", self._warn_of_key)
        self.ip.events.unregister("pre_run_cell", self._take_settings)
        self.ip.events.unregister("pre_run_cell", self._before_cell)
        self.ip.events.unregister("post_run_cell", self._after_cell)
        self.shell.unload()
        for kind in ("line", "cell"):
            for name in self.magics.magics[kind]:
                self.ip.magics_manager.magics[kind].pop(name, None)

    def _take_settings(self, _: Any = None) -> None:
        """Take over what the page's settings say with the request that runs."""
        for refused in self.page_settings.take(self.shell.page_settings()):
            self.shell.warn(refused)

    def _before_cell(self, info: Any) -> None:
        with contextlib.suppress(Exception):  # a shell or an `inspect` of another version
            know_cell(self.ip, info)
        if self._env is not None and info.store_history:
            self._watch.before(info.raw_cell or "", self.shell.place().cell)

    def _register(self) -> None:
        """Let `claude-jupyter mcp` find this kernel; where user data cannot be written it does not."""
        from claude_jupyter.kernel.registration import register
        from claude_jupyter.settings import data_dir

        with contextlib.suppress(OSError):
            self._registered = register(data_dir())

    def _unregister(self) -> None:
        if self._registered is not None:
            with contextlib.suppress(OSError):
                self._registered.unlink()
            self._registered = None

    def _after_cell(self, result: Any) -> None:
        if self._env is None:
            return
        if not result.success:
            self._env.cell_failed()
        if result.info.store_history:
            error = result.error_in_exec or result.error_before_exec
            self._watch.after(result.info.raw_cell or "", self.shell.place().cell, error)

    def _warn_of_key(self, info: Any) -> None:
        from claude_jupyter.content.secrets.redact import find_key

        name = find_key(info.raw_cell or "")
        if name:
            self.shell.warn(
                f"this cell contains a key ({name}), which the notebook would save. Delete it from the cell; enter keys with %claude_key."
            )

    def _warm(self) -> None:
        """Import what the first question needs, so that it need not wait; harmless if the question comes first."""
        self._register()
        from claude_jupyter import assembly  # noqa: F401  # pyright: ignore[reportUnusedImport]
        from claude_jupyter.client.service import warm
        from claude_jupyter.costs import prices
        from claude_jupyter.display import bundle  # noqa: F401  # pyright: ignore[reportUnusedImport]
        from claude_jupyter.models import newest

        warm()
        prices.price_date()
        prices.list_price(newest("sonnet").id)
        self.shell.warm()


def get_extension() -> Extension:
    """This process's extension, created on first use: in IPython with everything but the magics, elsewhere without IPython."""
    global _the_extension
    if _the_extension is None:
        interactive = sys.modules.get("IPython")
        _the_extension = Extension(interactive.get_ipython() if interactive is not None else None)
    return _the_extension


def agent_request(request: str) -> AgentReply:
    """Answer a coding agent that asks this kernel something through `claude-jupyter mcp`."""
    from claude_jupyter.conversation.agents import Agents

    here = get_extension()
    here.agents = here.agents or Agents(lambda: here.env, here.proposals.put)
    return here.agents.reply(request)


def current() -> Conversation:
    """The kernel's conversation."""
    return get_extension().claude


def conversation_type() -> type[Conversation]:
    """The class of conversations; those that are made without environment get this kernel's."""
    from claude_jupyter.conversation.conversation import Conversation

    Conversation.kernel = get_extension()
    return Conversation


def load_ipython_extension(ip: Any) -> None:
    """`%load_ext claude_jupyter`."""
    global _the_extension
    if get_extension().ip is not ip:
        _the_extension = Extension(ip)
    get_extension().load()


def unload_ipython_extension(ip: Any) -> None:
    """`%unload_ext claude_jupyter`."""
    if _the_extension is not None and _the_extension.ip is ip:
        _the_extension.unload()


def _transcript(conversation: Conversation) -> tuple[dict[str, Any], dict[str, Any]]:
    from claude_jupyter.display.transcript import transcript

    return transcript(conversation.name, conversation.turns, conversation.usage, conversation.cost)


def _answer(answer: Answer) -> tuple[dict[str, Any], dict[str, Any]]:
    from claude_jupyter.display.bundle import bundle

    return bundle(answer)


def _receipt(receipt: Receipt) -> tuple[dict[str, Any], dict[str, Any]]:
    from claude_jupyter.display.receipt import rendered

    return rendered(receipt)


def _models(models: Models) -> tuple[dict[str, Any], dict[str, Any]]:
    from claude_jupyter.display.tables import models_table

    return models_table(models)


_FORMATS: dict[tuple[str, str], Any] = {
    ("claude_jupyter.answer.model", "Answer"): _answer,
    ("claude_jupyter.answer.model", "Models"): _models,
    ("claude_jupyter.answer.model", "Receipt"): _receipt,
    ("claude_jupyter.conversation.conversation", "Conversation"): _transcript,
}
"""How our own types are shown, by module and name: they are imported when they are."""
