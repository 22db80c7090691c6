"""The composition root: `%load_ext` puts magics, completion and recorder into IPython; the rest is assembled when first needed.

`%load_ext claude_jupyter` must not be noticed: conversation, ledger, SDK, widgets and prices are imported by a timer after it
returned, or by the first question, whichever comes first.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

from claude_jupyter.display.shell import Shell
from claude_jupyter.settings import Settings
from claude_jupyter.whereabouts import started_in

if TYPE_CHECKING:
    from claude_jupyter.content.cells import Recorder
    from claude_jupyter.conversation.conversation import Conversation
    from claude_jupyter.conversation.world import World
    from claude_jupyter.turns import Answer, Models, Receipt

_WARM_AFTER = 0.3

_home: Home | None = None


class Home:
    """Everything of one kernel.

    Attributes
    ----------
    ip
        IPython's shell; None in plain Python.
    shell
        What of IPython is needed to show answers and to know the cell.
    recorder
        What the notebook's cells showed; None in plain Python.
    folder
        The notebook's own, as far as Jupyter tells.
    """

    def __init__(self, ip: Any = None) -> None:
        self.ip = ip
        # As the kernel began: it may `%cd` before the first question, and another folder's `.env` is not the notebook's.
        self.folder = started_in()
        self.magics: Any = None
        self.recorder: Recorder | None = None
        if ip is not None:
            from claude_jupyter.content.cells import Recorder
            from claude_jupyter.magics.claude_magic import ClaudeMagics

            self.magics = ClaudeMagics(ip, self)
            self.recorder = Recorder(ip)
        self.settings: Settings = self.magics or Settings()
        self.shell = Shell(ip, self.settings)
        self._world: World | None = None
        self._lock = threading.RLock()
        self._timer: threading.Timer | None = None

    @property
    def world(self) -> World:
        """The surroundings of the conversations, assembled on first use."""
        with self._lock:
            if self._world is None:
                from claude_jupyter.assembly import assembled, plain_namespace

                namespace = self.ip.user_ns if self.ip is not None else plain_namespace()
                self._world = assembled(self.settings, self.shell, namespace, self.recorder, self.folder)
            return self._world

    @property
    def claude(self) -> Conversation:
        """The kernel's conversation."""
        return self.world.chats["main"]

    def chats(self) -> list[str]:
        """Names of the chats there are."""
        return list(self._world.chats) if self._world is not None else ["main"]

    def load(self) -> None:
        """Put the magics, completion, recorder and formatters into IPython."""
        from claude_jupyter.magics import complete, lines
        from claude_jupyter.magics.link import Links

        assert self.recorder is not None
        self.ip.register_magics(self.magics)
        lines.install(self.ip)
        complete.install(self.ip, chats=self.chats)
        self.recorder.install()
        self.links = Links(self)
        self.links.install()
        self.ip.events.register("pre_run_cell", self._warn_of_key)
        self.ip.events.register("post_run_cell", self._left)
        self.shell.load(_FORMATS)
        self._timer = threading.Timer(_WARM_AFTER, self._warm)
        self._timer.daemon = True
        self._timer.start()

    def unload(self) -> None:
        """Take them out again; history and ledger stay."""
        from claude_jupyter.magics import complete, lines

        assert self.recorder is not None
        if self._timer is not None:
            self._timer.cancel()
        lines.uninstall(self.ip)
        complete.uninstall(self.ip)
        self.recorder.uninstall()
        self.links.uninstall()
        self.ip.events.unregister("pre_run_cell", self._warn_of_key)
        self.ip.events.unregister("post_run_cell", self._left)
        self.shell.unload()
        for kind in ("line", "cell"):
            for name in self.magics.magics[kind]:
                self.ip.magics_manager.magics[kind].pop(name, None)

    def _left(self, result: Any) -> None:
        if self._world is not None and not result.success:
            self._world.cell_failed()

    def _warn_of_key(self, info: Any) -> None:
        from claude_jupyter.content.secrets import find_key

        name = find_key(info.raw_cell or "")
        if name:
            self.shell.warn(
                f"this cell holds a key ({name}), and the notebook will keep it. Delete it there; enter keys with %claude_key."
            )

    def _warm(self) -> None:
        """Import what the first question needs, so that it need not wait; harmless if the question comes first."""
        from claude_jupyter import assembly  # noqa: F401  # pyright: ignore[reportUnusedImport]
        from claude_jupyter.client.service import warm
        from claude_jupyter.costs import prices
        from claude_jupyter.display import bundle  # noqa: F401  # pyright: ignore[reportUnusedImport]
        from claude_jupyter.models import newest

        warm()
        prices.price_date()
        prices.list_price(newest("sonnet").id)
        self.shell.warm()


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
    ("claude_jupyter.turns", "Answer"): _answer,
    ("claude_jupyter.turns", "Models"): _models,
    ("claude_jupyter.turns", "Receipt"): _receipt,
    ("claude_jupyter.conversation.conversation", "Conversation"): _transcript,
}
"""How our own types are shown, by module and name: they are imported when they are."""
