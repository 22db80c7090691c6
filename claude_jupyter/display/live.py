"""Chooses the view of an answer, and has the views that need no widget: plain output updates, the terminal, and none at all."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from claude_jupyter.answer.model import Add, Answer, Part, Put, Status, View

Frontend = Literal["widget", "updates", "terminal", "none"]

_UPDATE_EVERY = 0.7
"""Seconds between two updates of a plain output: each is drawn whole by the frontend."""


@dataclass(frozen=True, slots=True)
class FrontendFacts:
    """What the request that runs the cell says about the frontend, which cannot be asked while the cell runs.

    Attributes
    ----------
    kernel
        Whether there is one (else: terminal IPython).
    cell
        The cell's id, if the frontend sent it.
    stdin
        Whether the frontend answers questions (nbclient and the like do not).
    """

    kernel: bool
    cell: str | None
    stdin: bool


def frontend(facts: FrontendFacts, widget: str, modules: Mapping[str, Any] = sys.modules) -> Frontend:
    """Who shows the answer.

    Parameters
    ----------
    widget
        The setting: `on` trusts that widgets are shown, `off` uses updates of the output.
    """
    if not facts.kernel:
        return "terminal"
    if facts.cell is None and not facts.stdin:
        return "none"  # nbclient, papermill, nbconvert: a widget would stay in the file, updates are ignored by nbval
    if widget == "off" or (widget == "auto" and "google.colab" in modules and not _colab_widgets(modules)):
        return "updates"
    return "widget"


def _colab_widgets(modules: Mapping[str, Any]) -> bool:
    output = modules.get("google.colab.output")
    return bool(getattr(output, "_custom_widget_manager_enabled", False))


def view_for(
    who: Frontend,
    display_id: str,
    publisher: Any,
    *,
    background: bool,
    on_stop: Any = None,
    draws_formulas: bool = False,
) -> View:
    """The view for one answer.

    Parameters
    ----------
    publisher
        IPython's `display_pub`; unused in the terminal.
    background
        Whether the cell has returned already (then only a message can stop the answer).
    on_stop
        Called when the page asks to stop.
    draws_formulas
        Whether the page sets formulas itself.
    """
    if who == "terminal":
        return TerminalView(sys.stdout)
    if who == "widget":
        from claude_jupyter.display.widget import WidgetView

        return WidgetView(
            display_id=display_id,
            publisher=publisher,
            background=background,
            on_stop=on_stop,
            draws_formulas=draws_formulas,
        )
    return OutputView(display_id, publisher, live=who == "updates")


class OutputView:
    """A plain output: the durable bundle at the end, with `live` also about once a second on the way."""

    def __init__(self, display_id: str, publisher: Any, *, live: bool) -> None:
        self._id = display_id
        self._publisher = publisher
        self._live = live
        self._displayed = False
        self._last = 0.0
        self._texts: dict[int, list[str]] = {}
        self._blocks: dict[int, Any] = {}
        self._answer: Answer | None = None

    def begin(self, answer: Answer) -> None:
        """Show that it is being answered (with `live`)."""
        self._answer = answer
        if self._live:
            self._publish({"text/plain": "Thinking …", "text/markdown": "*Thinking …*"}, {})

    def show(self, parts: Sequence[Part]) -> None:
        """Collect, and show what has arrived if the last update was long enough ago."""
        if not self._live or self._answer is None:
            return
        for part in parts:
            if isinstance(part, Add):
                self._texts.setdefault(part.block, []).append(part.text)
            elif isinstance(part, Put):
                self._blocks[part.block] = part.data
                if "text" in part.data:
                    self._texts[part.block] = [part.data["text"]]
        now = time.monotonic()
        if now - self._last >= _UPDATE_EVERY and self._texts:
            self._last = now
            from claude_jupyter.display.bundle import snapshot

            blocks = [
                {**b, "text": "".join(self._texts[i])} if i in self._texts else b
                for i, b in sorted(self._blocks.items())
            ]
            self._publish(*snapshot(replace(self._answer, blocks=tuple(blocks))))

    def end(self, answer: Answer) -> None:
        """Publish the durable bundle in the same output."""
        from claude_jupyter.display.bundle import bundle

        self._publish(*bundle(answer))

    def _publish(self, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        self._publisher.publish(data, metadata, transient={"display_id": self._id}, update=self._displayed)
        self._displayed = True


class TerminalView:
    """Text as it arrives, for IPython in a terminal and plain Python."""

    def __init__(self, out: Any) -> None:
        self._out = out
        self._kinds: dict[int, str] = {}
        self._wrote = ""

    def begin(self, answer: Answer) -> None:
        """Say what was sent."""
        for a in answer.attachments:
            self._write(f"[{a.label} · {a.sent}]\n")

    def show(self, parts: Sequence[Part]) -> None:
        """Write text blocks; thinking is left out, tool calls and waits are named."""
        for part in parts:
            if isinstance(part, Put):
                kind = self._kinds[part.block] = part.data["type"]
                if kind == "text":
                    self._write(self._gap() + part.data["text"])
                elif (
                    kind == "tool" and part.data.get("result") is None and part.data.get("input") is not None
                ):
                    self._write(f"\n[calls {part.data['name']}]\n")
            elif isinstance(part, Add):
                if self._kinds.get(part.block) == "text":
                    self._write(part.text)
            elif isinstance(part, Status) and part.until:
                self._write(f"[{part.text} in {part.until:.0f} s]\n")
        self._out.flush()

    def end(self, answer: Answer) -> None:
        """Finish with quotes of documents, notices and the footer."""
        from claude_jupyter.display.bundle import footer_line, looked_line, place_of

        quotes = [
            f"[{b['title']}, {place}] “{' '.join(b['cited'].split())}”"
            for b in answer.citations
            if (place := place_of(b))
        ]
        notices = [b["text"] for b in answer.blocks if b["type"] == "notice"]
        looked = looked_line(answer)
        lines = [*quotes, *notices, *([looked] if looked else []), footer_line(answer)]
        self._write(("\n" if not self._wrote.endswith("\n") else "") + "\n".join(lines) + "\n")
        self._out.flush()

    def _gap(self) -> str:
        """A blank line after what was written, if anything was."""
        return "\n" * (2 - (len(self._wrote) - len(self._wrote.rstrip("\n")))) if self._wrote else ""

    def _write(self, text: str) -> None:
        self._wrote = (self._wrote + text)[-200:]
        try:
            self._out.write(text)
        except UnicodeEncodeError:  # a terminal, or a file it is sent to, of few letters
            coded = text.encode(self._out.encoding or "ascii", "backslashreplace")
            self._out.write(coded.decode(self._out.encoding or "ascii"))
