"""IPython as seen from an answer: which cell runs, who is looking, where output goes. The only place that asks IPython these things."""

from __future__ import annotations

import contextlib
import sys
import threading
import uuid
from collections.abc import Callable, Generator, Mapping
from typing import Any

from claude_jupyter.answer.model import Answer, Layout, Place, View, cell_hash
from claude_jupyter.client.transport import Stop
from claude_jupyter.display.live import FrontendFacts, frontend, view_for
from claude_jupyter.display.progress import ProgressLine, Terminal
from claude_jupyter.kernel.page_layout import PageLayout
from claude_jupyter.settings import Settings

Bundler = Callable[[Any], tuple[dict[str, Any], dict[str, Any]]]
"""A value → its mimebundle and metadata."""

_OURS: dict[str, Any] = {"claude_jupyter": {}}
"""Metadata of our own tables and the like: no button offers to explain them."""


class Shell:
    """The interactive shell of this process, or none.

    Parameters
    ----------
    ip
        IPython's InteractiveShell; None in plain Python.

    Attributes
    ----------
    page_draws_formulas
        Whether the page has said that it sets formulas itself, as JupyterLab does.
    """

    def __init__(self, ip: Any, settings: Settings) -> None:
        self._ip = ip
        self._settings = settings
        self.page_draws_formulas = False
        self._execution = uuid.uuid4().hex
        self._displayed: set[str] = set()
        self._formats: dict[tuple[str, str], Bundler] = {}
        self._page = PageLayout()

    # -- the cell that runs ---------------------------------------------------------------------------------------------

    def _parent(self) -> dict[str, Any]:
        return getattr(self._ip, "get_parent", dict)() or {}

    def place(self) -> Place:
        """The cell and execution that run now; without cell ids only the execution."""
        parent = self._parent()
        metadata = parent.get("metadata") or {}
        self._page.hear(metadata)
        cell = metadata.get("cellId")
        execution = (parent.get("header") or {}).get("msg_id") or self._execution
        return Place(cell, execution)

    def notebook_cell(self) -> str | None:
        """Id of the cell that runs, if it is in a notebook: a console of JupyterLab gives its cells ids as well."""
        cell, metadata = self.place().cell, self._parent().get("metadata") or {}
        in_notebook = "deletedCells" in metadata or "claude_jupyter" in metadata
        return cell if in_notebook or cell in self.layout.order else None

    def page_settings(self) -> Any:
        """The settings that the page sent with the execution that runs; None if it sent none."""
        ours = (self._parent().get("metadata") or {}).get("claude_jupyter")
        return ours.get("settings") if isinstance(ours, Mapping) else None

    @property
    def layout(self) -> Layout:
        """The notebook's cells as the page reported them with the last execution."""
        return self._page.layout

    def cell_hash(self) -> str | None:
        """What the ledger stores about the cell: a hash of its id."""
        cell = self.place().cell
        return cell_hash(cell) if cell else None

    def _facts(self) -> FrontendFacts:
        kernel = getattr(self._ip, "kernel", None)
        stdin = bool(getattr(kernel, "_allow_stdin", False))
        return FrontendFacts(kernel is not None, self.place().cell, stdin)

    # -- showing --------------------------------------------------------------------------------------------------------

    def view(self, answer_id: str, stop: Stop, *, background: bool, typed: bool = False) -> View:
        """The view of a new answer in the cell that runs; `typed` is one whose text is JSON."""
        if self._ip is None:
            return view_for("terminal", answer_id, None, background=background)
        self._displayed.add(answer_id)
        who = frontend(self._facts(), self._settings.widget)
        view = view_for(
            who,
            answer_id,
            self._ip.display_pub,
            background=background,
            on_stop=stop.request,
            draws_formulas=self.page_draws_formulas,
        )
        if not typed or who not in ("widget", "updates"):
            return view
        from claude_jupyter.display.structured.arriving import TypedView

        return TypedView(view)

    def warm(self) -> None:
        """Import what the widget needs, if there will be one."""
        if self._ip is not None and getattr(self._ip, "kernel", None) is not None:
            from claude_jupyter.display.widget import warm

            warm()

    def warn(self, text: str) -> None:
        """One line to the user, next to the answer."""
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
        """Show a value in the cell that runs, with its own representation if it has one."""
        bundle = self._formats.get((type(value).__module__, type(value).__qualname__))
        if bundle is None:
            print(value)  # noqa: T201
            return
        self._displayed.add(str(id(value)))
        self.publish(*bundle(value))

    def formatted(self, value: Any) -> Mapping[str, Any] | None:
        """What the formatters show that the user registered with IPython for the value's class; None if there is none."""
        from claude_jupyter.display.formatters import formatted

        return formatted(getattr(self._ip, "display_formatter", None), value)

    def publish(self, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Show a mimebundle in the cell that runs."""
        self._ip.display_pub.publish(data, _OURS | metadata)

    def progress(self, total: int, before: int) -> ProgressLine | Terminal:
        """A line in the cell that shows the progress of a loop over rows."""
        if self._ip is None or getattr(self._ip, "kernel", None) is None:
            return Terminal(total, before)
        pub, id = self._ip.display_pub, uuid.uuid4().hex

        def publish(data: dict[str, Any], again: bool) -> None:
            pub.publish(data, dict(_OURS), transient={"display_id": id}, update=again)

        return ProgressLine(publish, total, before)

    @contextlib.contextmanager
    def _adopted(self, parent: dict[str, Any]) -> Generator[None]:
        # ipykernel 7.4 and later; before, only updates of the answer's own output reach the cell.
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
        facts = self._facts()
        return facts.stdin or not facts.kernel

    def confirm(self, question: str) -> bool | None:
        """Ask yes or no in the cell; None if nobody can answer."""
        # Questions of other threads (background, aask) would reach whatever cell runs then.
        if not self.answers or threading.current_thread() is not threading.main_thread():
            return None
        try:
            return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
        except (EOFError, OSError):
            return None

    def insert(self, code: str, answer: Answer) -> None:
        """Put code into a new cell below; never run it."""
        self.next_input(code)

    def next_input(self, code: str) -> bool:
        """Put code into a new cell below, or behind the next prompt of a terminal.

        Returns
        -------
        Whether it is put there: a console of JupyterLab would write it into the cell that has run.
        """
        in_console = self.place().cell is not None and self.notebook_cell() is None
        if not in_console:
            self._ip.set_next_input(code, replace=False)
        return not in_console

    def markdown(self, text: str) -> None:
        """Show Markdown in the cell that runs."""
        self.publish({"text/markdown": text, "text/plain": text}, {})

    @property
    def ip(self) -> Any:
        """IPython's shell; None in plain Python."""
        return self._ip

    @property
    def has_cells(self) -> bool:
        """Whether somebody can run a cell that is put below: not under nbclient, papermill and similar tools."""
        facts = self._facts()
        return not facts.kernel or facts.cell is not None or facts.stdin

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
        """Undo `load`."""
        for module, name in self._formats:
            self._ip.display_formatter.ipython_display_formatter.pop(f"{module}.{name}", None)
        self._ip.events.unregister("pre_run_cell", self._new_cell)

    def _showing(self, bundle: Bundler) -> Callable[[Any], None]:
        def show(value: Any) -> None:
            if getattr(value, "id", str(id(value))) not in self._displayed:
                data, metadata = bundle(value)
                self._ip.display_pub.publish(data, _OURS | metadata)

        return show

    def _new_cell(self, *_: Any) -> None:
        self._displayed.clear()
        self._execution = uuid.uuid4().hex
        self._page.hear(self._parent().get("metadata") or {})
