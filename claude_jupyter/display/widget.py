"""The live view in frontends with widgets: parts of an answer become messages to a widget of its own, and in the end its output.

The view's code is built from `labextension/src` into `static/`. It crosses once per kernel and page, in a library model; each
answer's widget is a stub of about 1 KB. No widget outlives its answer, and none is left in the notebook file.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from claude_jupyter.answer.codec import output_json
from claude_jupyter.answer.model import Add, Answer, Meter, Part, Put, Status
from claude_jupyter.display.bundle import bundle

_STATIC: Final = Path(__file__).parent / "static"
_METER_EVERY: Final = 1.0
"""Seconds between two updates of tokens and price: they are not what people read."""

WIDGET_VIEW: Final = "application/vnd.jupyter.widget-view+json"


def warm() -> None:
    """Import what a widget needs; creates nothing."""
    import anywidget  # noqa: F401  # pyright: ignore[reportUnusedImport]


class WidgetView:
    """An answer in a widget while it arrives, in the same output as a durable bundle afterwards (`turns.View`).

    Parameters
    ----------
    display_id
        Of the output; the answer's id.
    publisher
        IPython's `display_pub`.
    background
        True if the cell has returned already: only a message can stop the answer then, an interrupt never.
    on_stop
        Called, in whatever thread, when the page sends a stop. Must do no more than set a flag.
    stop_hint
        Said on the Stop button: where to stop if the page cannot.
    draws_formulas
        Whether the page sets formulas itself: the code for them need not cross.
    """

    def __init__(
        self,
        *,
        display_id: str,
        publisher: Any,
        background: bool = False,
        on_stop: Callable[[], None] | None = None,
        stop_hint: str = "",
        draws_formulas: bool = False,
    ) -> None:
        self._id = display_id
        self._publisher = publisher
        self._on_stop = on_stop
        self._stop = {"by": "message" if background else "interrupt", "hint": stop_hint or where_to_stop()}
        self._widget: Any = None
        self._lengths: dict[int, int] = {}
        self._tex = draws_formulas  # or has the code for them
        self._meter: Meter | None = None
        self._metered = 0.0

    def begin(self, answer: Answer) -> None:
        """Create the widget and show it under the display id."""
        widget = self._widget = _new_widget(output_json(answer), self._stop)
        for index, block in enumerate(answer.blocks):
            self._lengths[index] = _units(block.get("text", ""))
        widget.on_msg(self._heard)
        data = {
            WIDGET_VIEW: {"version_major": 2, "version_minor": 0, "model_id": widget.model_id},
            "text/plain": "Claude is answering …",
        }
        self._publish(data, {"claude_jupyter": {"id": answer.id}}, update=False)

    def show(self, parts: Sequence[Part]) -> None:
        """Send what arrived, in one message."""
        ops = self._ops(parts)
        if not ops or self._widget is None:
            return
        self._widget.send({"ops": ops})
        if not self._tex and any(isinstance(part, Add | Put) and _has_formula(part) for part in parts):
            self._tex = True
            _library("tex")

    def end(self, answer: Answer) -> None:
        """Replace the widget by the durable bundle, then close it: in this order no trace of it stays in the file."""
        self._publish(*bundle(answer), update=self._widget is not None)
        if self._widget is not None:
            self._widget.close()
            self._widget = None

    def _publish(self, data: Mapping[str, Any], metadata: Mapping[str, Any], *, update: bool) -> None:
        self._publisher.publish(dict(data), dict(metadata), transient={"display_id": self._id}, update=update)

    def _ops(self, parts: Sequence[Part]) -> list[Any]:
        ops: list[Any] = []
        for part in parts:
            if isinstance(part, Add):
                at = self._lengths.get(part.block, 0)
                self._lengths[part.block] = at + _units(part.text)
                if ops and isinstance(ops[-1], list) and ops[-1][0] == part.block:
                    ops[-1][2] += part.text
                else:
                    ops.append([part.block, at, part.text])  # short for {"op": "add", "b", "at", "text"}
            elif isinstance(part, Put):
                self._lengths[part.block] = _units(part.data.get("text") or "")
                ops.append({"op": "put", "b": part.block, "block": dict(part.data)})
            elif isinstance(part, Status):
                ops.append({"op": "status", "text": part.text, "until": part.until})
            else:
                self._meter = part
        now = time.monotonic()
        if self._meter is not None and now - self._metered >= _METER_EVERY:
            ops.append(_meter(self._meter))
            self._meter, self._metered = None, now
        return ops

    def _heard(self, _widget: Any, content: Any, _buffers: Any) -> None:
        if self._on_stop is not None and isinstance(content, dict) and content.get("op") == "stop":
            self._on_stop()


def _meter(meter: Meter) -> dict[str, Any]:
    usage = {name: n for name, n in meter.usage.to_json().items() if n}
    return {"op": "meter", "usage": usage, "cost": None if meter.cost is None else f"{meter.cost:f}"}


def _has_formula(part: Add | Put) -> bool:
    text = part.text if isinstance(part, Add) else part.data.get("text") or ""
    return "$" in text or "\\(" in text or "\\[" in text


def _units(text: str) -> int:
    """Length in UTF-16 code units, as JavaScript counts."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def where_to_stop(environ: Mapping[str, str] = os.environ) -> str:
    """Where to stop in this frontend, when our own button cannot be heard by a busy kernel."""
    if environ.get("VSCODE_PID") or environ.get("VSCODE_CWD"):
        return "To stop, use the cell's stop button."
    return "To stop, use the notebook's ■ button."


# -- The widgets themselves ---------------------------------------------------------------------------------------------------


def _shares(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether widget models in this frontend can reliably find each other; elsewhere each widget carries all the code."""
    import sys

    return not (environ.get("VSCODE_PID") or environ.get("VSCODE_CWD") or "google.colab" in sys.modules)


def _new_widget(answer: dict[str, Any], stop: dict[str, str]) -> Any:
    classes = _widget_classes()
    if not _shares():
        return classes.answer(_esm=_code("widget"), answer=answer, stop=stop)
    shared = {"id": _library("widget").model_id, "version": _version("widget")}
    return classes.answer(_esm=_code("stub"), answer=answer, stop=stop, library=shared)


_libraries: dict[str, Any] = {}


def _library(name: str) -> Any:
    """The model of this kernel that holds a module, made once (again if something closed it: `Widget.close_all()`).

    `widget` is the view, `tex` sets formulas where the page cannot: it crosses at the first formula.
    """
    if name not in _libraries or _libraries[name].comm is None:
        id = uuid4().hex
        _libraries[name] = _widget_classes().library(
            model_id=id, id=id, _esm=_code("library"), code=_code(name), version=_version(name)
        )
    return _libraries[name]


@cache
def _code(name: str) -> str:
    return (_STATIC / f"{name}.js").read_text("utf-8")


@cache
def _version(name: str) -> str:
    return sha256(_code(name).encode()).hexdigest()[:16]


class _Classes:
    """Built at first use: `ipywidgets` must not be imported at the module's level."""

    def __init__(self) -> None:
        from anywidget import AnyWidget
        from ipywidgets import Widget
        from traitlets import Dict, Unicode

        version = AnyWidget.class_traits()["_model_module_version"].default_value

        class Model(Widget):
            # anywidget's model and view in the page, without the Layout model that a DOMWidget brings along:
            # it would be one more comm for each answer, and is left open when the widget is closed.
            _model_name = Unicode("AnyModel").tag(sync=True)
            _model_module = Unicode("anywidget").tag(sync=True)
            _model_module_version = Unicode(version).tag(sync=True)
            _view_name = Unicode("AnyView").tag(sync=True)
            _view_module = Unicode("anywidget").tag(sync=True)
            _view_module_version = Unicode(version).tag(sync=True)
            _anywidget_id = Unicode("claude_jupyter").tag(sync=True)
            _esm = Unicode().tag(sync=True)

        class AnswerModel(Model):
            answer = Dict().tag(sync=True)
            stop = Dict().tag(sync=True)
            library = Dict().tag(sync=True)

        class LibraryModel(Model):
            id = Unicode().tag(sync=True)  # its own: the page's proxy of a model does not tell
            code = Unicode().tag(sync=True)
            version = Unicode().tag(sync=True)

        self.answer = AnswerModel
        self.library = LibraryModel


@cache
def _widget_classes() -> _Classes:
    return _Classes()
