"""Cells as an open page shows them, for those that the recorder did not see: they ran before it was installed, or in an earlier kernel.

The JupyterLab extension hands over the cells that a question points at, and the files that its own cell holds, just before it runs
the question's cell. It is kept by the process, because that may be before `%load_ext`.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final

from claude_jupyter.content.cells.cell_records import Cell, CellOutput, Output, outputs_in, shortened
from claude_jupyter.content.files import in_cell
from claude_jupyter.content.text import printed_text

_CELLS: Final = 50
_BYTES: Final = 64 * (1 << 20)

_handed_over: OrderedDict[str, Cell] = OrderedDict()
_page = {"corrections": False}
_above: dict[str, frozenset[str]] = {}


def receive(text: str) -> None:
    """Take in what a page shows: `{"cells": [{"id", "count", "source", "outputs"}]}`, outputs as in a notebook file.

    An output that is null was not sent. `places_corrections` and `asking` are described at `places_corrections` and
    `answers_above`. Malformed entries are skipped: the question then reports what it does not find.
    """
    try:
        message = json.loads(text)
        cells = message["cells"]
        _page["corrections"] = message.get("places_corrections") is True
        if (asking := message.get("asking")) is not None:
            _above.clear()
            _above[str(asking["cell"])] = frozenset(map(str, asking["answers_above"]))
            in_cell.take(asking.get("attachments"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return
    for data in cells if isinstance(cells, list) else ():
        cell = read(data) if isinstance(data, Mapping) else None
        if cell is not None and cell.id:
            _handed_over.pop(cell.id, None)
            _handed_over[cell.id] = cell
    while len(_handed_over) > _CELLS or (
        len(_handed_over) > 1 and sum(c.size for c in _handed_over.values()) > _BYTES
    ):
        _handed_over.popitem(last=False)


def cells() -> tuple[Cell, ...]:
    """What pages have handed over, newest last."""
    return tuple(_handed_over.values())


def places_corrections() -> bool:
    """Whether the page shows what `%claude_fix` found with buttons that put it in place of the failing cell, or below."""
    return _page["corrections"]


def answers_above(cell: str) -> frozenset[str] | None:
    """The chats whose answers the page shows above that cell; None if no page has said."""
    return _above.get(cell)


def forget() -> None:
    """Forget all of them."""
    _handed_over.clear()
    in_cell.take({})
    _above.clear()
    _page["corrections"] = False


def read(data: Mapping[str, Any]) -> Cell | None:
    """A cell of a notebook, with its outputs, as the recorder would have kept it; None if it is malformed."""
    source, count, outputs = _text(data.get("source")), data.get("count"), data.get("outputs")
    if not isinstance(data.get("id"), str) or not isinstance(outputs, list):
        return None
    printed: list[str] = []
    collected: list[CellOutput] = []
    layout: list[Output] = []
    error = error_name = ""
    for output in outputs:
        kind = output.get("output_type") if isinstance(output, Mapping) else None
        if kind == "stream":
            text = _text(output.get("text"))
            start = sum(map(len, printed))
            printed.append(text)
            layout.append(Output(spans=((start, start + len(text)),)))
        elif kind == "error":
            error_name = _text(output.get("ename")) or "Error"
            error = _error(output, error_name)
        else:
            entries = _outputs(output, value=kind == "execute_result")
            layout.append(Output(len(collected) if entries else None))
            collected += entries
    return Cell(
        source=source,
        id=data["id"],
        count=count if isinstance(count, int) and not isinstance(count, bool) else None,
        text="".join(printed),
        displayed=tuple(collected),
        outputs=tuple(layout),
        error=error,
        error_name=error_name,
    )


def _outputs(output: Any, *, value: bool) -> tuple[CellOutput, ...]:
    bundle = output.get("data") if isinstance(output, Mapping) else None
    if not isinstance(bundle, Mapping):
        return ()
    return outputs_in({str(kind): _joined(data) for kind, data in bundle.items()}, value=value)


def _error(output: Mapping[str, Any], name: str) -> str:
    calls = output.get("traceback")
    text = printed_text.clean("\n".join(map(str, calls)) if isinstance(calls, list) else "")
    text = re.sub(r'(\bFile "?)([^\s":]+)', lambda match: match[1] + printed_text.short_place(match[2]), text)
    return shortened(text or f"{name}: {_text(output.get('evalue'))}")


def _joined(data: Any) -> Any:
    lines = isinstance(data, list) and all(isinstance(line, str) for line in data)
    return "".join(data) if lines else data


def _text(value: Any) -> str:
    value = _joined(value)
    return value if isinstance(value, str) else ""
