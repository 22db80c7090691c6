"""The composition root: builds settings, ledger, service, conversation and magics, joins them, and takes them apart again.

`%load_ext claude_jupyter` must not be noticed: the SDK, widgets and prices are imported by a timer after it returned, or by the first
question, whichever comes first.
"""

from __future__ import annotations

import os
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

from claude_jupyter import settings as config
from claude_jupyter.client.service import Service
from claude_jupyter.client.wire import Stop
from claude_jupyter.content.secrets import Redactor, find_key
from claude_jupyter.conversation.billing import Books, Owner
from claude_jupyter.conversation.conversation import Conversation
from claude_jupyter.conversation.journal import Journal
from claude_jupyter.conversation.repeats import Repeats
from claude_jupyter.conversation.world import World
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.display.shell import Shell
from claude_jupyter.settings import Settings
from claude_jupyter.turns import Answer, Models, Receipt, Turn, View

_WARM_AFTER = 0.3

_home: Home | None = None


class Home:
    """Everything of one kernel.

    Attributes
    ----------
    shell
        What of IPython is needed to show answers and to know the cell; None in plain Python.
    world
        The surroundings of the conversations.
    claude
        The kernel's conversation.
    """

    def __init__(self, ip: Any = None) -> None:
        self.ip = ip
        self.magics: Any = None
        settings = self._settings()
        self.shell = Shell(ip, settings)
        folder = Path.cwd()
        service = Service(settings, folder)
        try:
            data: Path | None = config.data_dir()
        except OSError as error:
            self.shell.warn(
                f"User data cannot be written ({error.strerror}): costs and history stay in this kernel."
            )
            data = None
        books = Books(
            settings,
            _ledger(settings, data, self.shell),
            Owner(config.user_name(settings), kernel_id(), notebook_path()),
            provider=lambda: service.provider,
            cell=self.shell.cell_hash,
            count=service.counted,
        )
        journal = Journal(
            data / "journal" if data else None,
            kernel_id(),
            notebook_path(),
            lambda: settings.journal,
            self.shell.warn,
        )
        self.world = World(
            settings=settings,
            service=service,
            books=books,
            view=self._view,
            place=self.shell.place,
            confirm=self.shell.confirm,
            redact=self._redact,
            insert=self.shell.insert,
            finished=self.shell.remember,
            show=self.shell.show,
            adopt=self.shell.adopt,
            transcript=_rendered,
            journal=journal,
            repeats=Repeats(journal.asked),
            notebook=notebook_file(),
            namespace=lambda: ip.user_ns if ip is not None else sys.modules["__main__"].__dict__,
        )
        self.claude = Conversation(self.world)
        self.world.chats["main"] = self.claude
        self._timer: threading.Timer | None = None

    def _settings(self) -> Settings:
        if self.ip is None:
            return Settings()
        from claude_jupyter.magics.claude_magic import ClaudeMagics

        self.magics = ClaudeMagics(self.ip, self)
        return self.magics

    def _redact(self, text: str) -> tuple[str, tuple[str, ...]]:
        key = self.world.service.key
        environ = {**os.environ, "ANTHROPIC_API_KEY": key} if key else os.environ
        return Redactor.from_environment(environ, self.world.settings.redact)(text)

    def _warn_of_key(self, info: Any) -> None:
        name = find_key(info.raw_cell or "")
        if name:
            self.shell.warn(
                f"this cell holds a key ({name}), and the notebook will keep it. Delete it there; enter keys with %claude_key."
            )

    def _view(self, answer_id: str, stop: Stop, *, background: bool) -> View:
        return self.shell.view(answer_id, stop, background=background)

    def load(self) -> None:
        """Put the magics, completion, recorder and formatters into IPython."""
        from claude_jupyter.content.cells import Recorder
        from claude_jupyter.magics import complete, lines
        from claude_jupyter.magics.link import Links

        self.ip.register_magics(self.magics)
        lines.install(self.ip)
        complete.install(self.ip, chats=lambda: list(self.world.chats))
        self.recorder = Recorder(self.ip)
        self.recorder.install()
        self.world.cells = self.recorder
        self.links = Links(self)
        self.links.install()
        self.ip.events.register("pre_run_cell", self._warn_of_key)
        self.shell.load(_FORMATS)
        self._timer = threading.Timer(_WARM_AFTER, _warm)
        self._timer.daemon = True
        self._timer.start()

    def unload(self) -> None:
        """Take them out again; history and ledger stay."""
        from claude_jupyter.magics import complete, lines

        if self._timer is not None:
            self._timer.cancel()
        lines.uninstall(self.ip)
        complete.uninstall(self.ip)
        self.recorder.uninstall()
        self.world.cells = None
        self.links.uninstall()
        self.ip.events.unregister("pre_run_cell", self._warn_of_key)
        self.shell.unload()
        for kind in ("line", "cell"):
            for name in self.magics.magics[kind]:
                self.ip.magics_manager.magics[kind].pop(name, None)


def home() -> Home:
    """This process's home, made on first use: in IPython with everything but the magics, elsewhere without IPython."""
    global _home
    if _home is None:
        interactive = sys.modules.get("IPython")
        _home = Home(interactive.get_ipython() if interactive is not None else None)
    return _home


def current() -> Conversation:
    """The kernel's conversation."""
    return home().claude


def load_ipython_extension(ip: Any) -> None:
    """`%load_ext claude_jupyter`."""
    here = home()
    if here.ip is not ip:
        globals()["_home"] = here = Home(ip)
    here.load()


def unload_ipython_extension(ip: Any) -> None:
    """`%unload_ext claude_jupyter`."""
    if _home is not None and _home.ip is ip:
        _home.unload()


def _warm() -> None:
    """Import what the first question needs, so that it need not wait; harmless if the question comes first."""
    from claude_jupyter.client.service import warm

    warm()
    from claude_jupyter.costs import prices
    from claude_jupyter.display import bundle  # noqa: F401  # pyright: ignore[reportUnusedImport]

    if _home is not None:
        _home.world.journal.prune(_home.world.settings.journal_days)
    prices.price_date()
    prices.list_price(config.DEFAULT_MODEL)
    if _home is not None:
        _home.shell.warm()


def _rendered(
    name: str, turns: tuple[Turn, ...], usage: Usage, cost: Cost
) -> tuple[dict[str, Any], dict[str, Any]]:
    from claude_jupyter.display.transcript import transcript

    return transcript(name, turns, usage, cost)


def _transcript(conversation: Conversation) -> tuple[dict[str, Any], dict[str, Any]]:
    return _rendered(conversation.name, conversation.turns, conversation.usage, conversation.cost)


def _ledger(settings: Settings, data: Path | None, shell: Shell) -> Any:
    from claude_jupyter.costs.ledger import Ledger

    path = Path(settings.ledger).expanduser() if settings.ledger else data / "ledger.db" if data else None
    return Ledger(path, warn=shell.warn, kernel=kernel_id())


def _answer(answer: Answer) -> tuple[dict[str, Any], dict[str, Any]]:
    from claude_jupyter.display.bundle import bundle

    return bundle(answer)


def _receipt(receipt: Receipt) -> tuple[dict[str, Any], dict[str, Any]]:
    from claude_jupyter.display.receipt import rendered

    return rendered(receipt)


def _models(models: Models) -> tuple[dict[str, Any], dict[str, Any]]:
    from claude_jupyter.display.tables import models_table

    return models_table(models)


_FORMATS: dict[type, Any] = {
    Answer: _answer,
    Conversation: _transcript,
    Receipt: _receipt,
    Models: _models,
}


def kernel_id() -> str:
    """The kernel's id as Jupyter knows it, else one of our own for this process."""
    connection = os.environ.get("CLAUDE_JUPYTER_KERNEL_ID")
    if connection:
        return connection
    app = sys.modules.get("ipykernel.kernelapp")
    instance = app.IPKernelApp._instance if app is not None else None
    if instance is not None and instance.connection_file:
        return Path(instance.connection_file).stem.removeprefix("kernel-")
    return _OWN_ID


_OWN_ID = uuid.uuid4().hex


def notebook_path() -> str | None:
    """The notebook's path at kernel start, as Jupyter Server or VS Code tell it."""
    path = os.environ.get("JPY_SESSION_NAME")
    if path:
        return path
    main = sys.modules.get("__main__")
    return getattr(main, "__vsc_ipynb_file__", None)


def notebook_file() -> Path | None:
    """The open notebook's file, if it can be read from here."""
    path = notebook_path()
    if path is None:
        return None
    # Jupyter Server gives a path below its root; the kernel runs in the notebook's folder.
    candidates = (Path(path), Path.cwd() / Path(path).name)
    return next((p for p in candidates if p.is_file()), None)
