"""What execute requests say about the notebook's cells: their order, if the page has our extension, and which were deleted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from claude_jupyter.answer.model import Layout

KEY: Final = "claude_jupyter"
_MOST: Final = 100_000


class PageLayout:
    """The cells of the notebooks that run in this kernel.

    JupyterLab's own `deletedCells` names what was deleted since the last execution. Our page adds
    `{"claude_jupyter": {"notebook", "cells", "merged"}}` to the request's metadata: all ids, from top to bottom, and which of
    the cells came about by merging others.
    """

    def __init__(self) -> None:
        self.layout = Layout()
        self._cells: dict[str, tuple[str, ...]] = {}

    def hear(self, metadata: Mapping[str, Any]) -> None:
        """Take in the metadata of an execute request."""
        order, deleted, returned, merged = self.layout
        missing = set(deleted | _ids(metadata.get("deletedCells")))
        reported = metadata.get(KEY)
        if isinstance(reported, Mapping) and (cells := _ids(reported.get("cells"))):
            notebook = str(reported.get("notebook"))
            before = self._cells.get(notebook, ())
            missing |= set(before) - cells
            missing -= cells
            self._cells[notebook] = order = tuple(dict.fromkeys(reported["cells"]))
            merged = _with_merged(merged, before, order, _ids(reported.get("merged")))
        else:  # no report: the last known order, without the deleted cells
            order = tuple(cell for cell in order if cell not in missing)
        if (cell := metadata.get("cellId")) in missing:
            missing.discard(cell)  # its deletion was undone
            returned |= {cell}
        layout = Layout(order, frozenset(missing), returned - missing, merged)
        if layout != self.layout:
            self.layout = layout


def _with_merged(
    merged_before: tuple[tuple[str, str], ...],
    before: tuple[str, ...],
    order: tuple[str, ...],
    results: frozenset[str],
) -> tuple[tuple[str, str], ...]:
    """Which cell went into which: into a new one that is a merge's result went the cells that was between its neighbors."""
    merged = dict(merged_before)
    places = {cell: at for at, cell in enumerate(before)}
    for at, cell in enumerate(order):
        if cell in results and cell not in places:
            above = next((places[c] for c in reversed(order[:at]) if c in places), -1)
            below = next((places[c] for c in order[at + 1 :] if c in places), len(before))
            parts = set(before[above + 1 : below])
            merged |= dict.fromkeys([*parts, *(old for old, new in merged.items() if new in parts)], cell)
    return tuple(merged.items())


def _ids(value: Any) -> frozenset[str]:
    fits = isinstance(value, list) and len(value) <= _MOST and all(isinstance(v, str) for v in value)
    return frozenset(value) if fits else frozenset()
