"""IPython as seen from an answer: which cell runs, who is looking, where output goes. The only place that asks IPython these things."""

from __future__ import annotations

import contextlib
import sys
import threading
import uuid
from collections.abc import Callable, Generator, Mapping
from typing import Any

from claude_jupyter.client.wire import Stop
from claude_jupyter.display.live import Seen, frontend, view_for
from claude_jupyter.settings import Settings
from claude_jupyter.turns import Answer, Place, View, cell_hash

Bundler = Callable[[Any], tuple[dict[str, Any], dict[str, Any]]]
"""A value → its mimebundle and metadata."""


class Shell:
    """The interactive shell of this process, or none.

    Parameters
    ----------
    ip
        IPython's InteractiveShell; None in plain Python.
    """

    def __init__(self, ip: Any, settings: Settings) -> None:
        self._ip = ip
        self._settings = settings
        self._execution = uuid.uuid4().hex
        self._shown: set[str] = set()
        self._formats: dict[tuple[str, str], Bundler] = {}

    # -- the cell that runs ---------------------------------------------------------------------------------------------

    def _parent(self) -> dict[str, Any]:
        return getattr(self._ip, "get_parent", dict)() or {}

    def place(self) -> Place:
        """The cell and execution that run now; without cell ids only the execution."""
        parent = self._parent()
        cell = (parent.get("metadata") or {}).get("cellId")
        execution = (parent.get("header") or {}).get("msg_id") or self._execution
        return Place(cell, execution)

    def cell_hash(self) -> str | None:
        """What the ledger keeps of the cell: a hash of its id."""
        cell = self.place().cell
        return cell_hash(cell) if cell else None

    def _seen(self) -> Seen:
        kernel = getattr(self._ip, "kernel", None)
        stdin = bool(getattr(kernel, "_allow_stdin", False))
        return Seen(kernel is not None, self.place().cell, stdin)

    # -- showing --------------------------------------------------------------------------------------------------------

    def view(self, answer_id: str, stop: Stop, *, background: bool) -> View:
        """The view of a new answer in the cell that runs."""
        if self._ip is None:
            return view_for("terminal", answer_id, None, background=background)
        self._shown.add(answer_id)
        who = frontend(self._seen(), self._settings.widget)
        return view_for(who, answer_id, self._ip.display_pub, background=background, on_stop=stop.ask)

    def warm(self) -> None:
        """Import what the widget needs, if there will be one."""
        if self._ip is not None and getattr(self._ip, "kernel", None) is not None:
            from claude_jupyter.display.widget import warm

            warm()

    def warn(self, text: str) -> None:
        """One line to the user, beside the answer."""
        print(f"claude-jupyter: {text}", file=sys.stderr)  # noqa: T201

    def remember(self, answer: Answer) -> None:
        """Make `_` the last answer, as for any cell's value."""
        if self._ip is not None and not self._settings_owned():
            self._ip.displayhook.update_user_ns(answer)

    def _settings_owned(self) -> bool:
        # A result of the cell itself (`claude.ask(…)` as last line) sets `_` again; a `_` of the user's own is left alone.
        hook = self._ip.displayhook
        return self._ip.user_ns.get("_", hook._) is not hook._

    def show(self, value: Any) -> None:
        """Show a value in the cell that runs, in its own way where it has one."""
        bundle = self._formats.get((type(value).__module__, type(value).__qualname__))
        if bundle is None:
            print(value)  # noqa: T201
            return
        self._shown.add(str(id(value)))
        self.publish(*bundle(value))

    def publish(self, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Show a mimebundle in the cell that runs."""
        self._ip.display_pub.publish(data, metadata)

    @contextlib.contextmanager
    def _adopted(self, parent: dict[str, Any]) -> Generator[None]:
        # ipykernel 7.4 and later; before, only updates of the answer's own output reach the cell (TRAPS section 10).
        token = self._ip.set_thread_parent(parent)
        try:
            yield
        finally:
            self._ip.reset_thread_parent(token)

    def adopt(self) -> contextlib.AbstractContextManager[object]:
        """A context in which what another thread prints and shows lands in the cell that runs now."""
        if not hasattr(self._ip, "set_thread_parent"):
            return contextlib.nullcontext()
        return self._adopted(self._parent())

    @property
    def answers(self) -> bool:
        """Whether somebody can answer a question here."""
        if self._ip is None:
            return bool(sys.stdin and sys.stdin.isatty())
        seen = self._seen()
        return seen.stdin or not seen.kernel

    def confirm(self, question: str) -> bool | None:
        """Ask yes or no in the cell; None where nobody can answer."""
        # Questions of other threads (background, aask) would reach whatever cell runs then.
        if not self.answers or threading.current_thread() is not threading.main_thread():
            return None
        try:
            return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
        except (EOFError, OSError):
            return None

    def insert(self, code: str, answer: Answer) -> None:
        """Put code into a new cell below; never run it."""
        self._ip.set_next_input(code, replace=False)

    # -- IPython --------------------------------------------------------------------------------------------------------

    def load(self, formats: Mapping[tuple[str, str], Bundler]) -> None:
        """Show these types (module, name) in their own way wherever they are a cell's value.

        An answer that its own cell has shown already is not shown again as that cell's value.
        """
        self._formats = dict(formats)
        for (module, name), bundle in self._formats.items():
            formatter = self._ip.display_formatter.ipython_display_formatter
            formatter.for_type_by_name(module, name, self._showing(bundle))
        self._ip.events.register("pre_run_cell", self._new_cell)

    def unload(self) -> None:
        """Take that back."""
        for module, name in self._formats:
            self._ip.display_formatter.ipython_display_formatter.pop(f"{module}.{name}", None)
        self._ip.events.unregister("pre_run_cell", self._new_cell)

    def _showing(self, bundle: Bundler) -> Callable[[Any], None]:
        def show(value: Any) -> None:
            if getattr(value, "id", str(id(value))) not in self._shown:
                data, metadata = bundle(value)
                self._ip.display_pub.publish(data, metadata)

        return show

    def _new_cell(self, *_: Any) -> None:
        self._shown.clear()
        self._execution = uuid.uuid4().hex
