"""What the page has to do for `--do` work: after each cell it asks for the state, and finds here which cells to insert or remove."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from claude_jupyter.conversation.work.proposal import MARK
from claude_jupyter.conversation.work.work import Step, Work


@dataclass
class Page:
    """The page, if it has our extension.

    Attributes
    ----------
    open
        Ids of the comms of open pages that can insert cells.
    gone
        Ids of cells that were undone and should be removed.
    next_inputs
        The steps (work, number) that the frontend was given as the next input, because no page was open.
    """

    open: set[str] = field(default_factory=set[str])
    gone: list[str] = field(default_factory=list[str])
    next_inputs: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])
    _after: dict[str, str] = field(default_factory=dict[str, str])

    def propose(self, step: Step, after: str | None) -> bool:
        """Ask for a waiting cell below the cell with this id; False if no page can insert it."""
        if after is None:
            return False
        self._after[step.work] = after
        return bool(self.open)

    def removed(self, cells: Iterable[str]) -> None:
        """A page has removed cells."""
        removed = set(cells)
        self.gone = [cell for cell in self.gone if cell not in removed]

    def to_json(self, works: Mapping[str, Work]) -> dict[str, Any]:
        """What the page is sent: the waiting cells, and those to remove; works by the name of their chat."""
        waiting = [
            {"chat": chat, **self._step(work, work.pending)}
            for chat, work in works.items()
            if work.pending is not None and not work.over
        ]
        return {"waiting": waiting, "gone": list(self.gone)}

    def _step(self, work: Work, step: Step) -> dict[str, Any]:
        replaced = next((d.cell for d in work.steps if d.step.number == step.replaces), None)
        return {
            "work": work.id,
            "step": step.number,
            "title": step.proposal.title,
            "source": step.proposal.source,
            "mark": MARK,
            "line": step.line,
            "harmless": step.effects.harmless,
            "automatic": step.automatic,
            "next_input": (work.id, step.number) in self.next_inputs,
            "after": self._after.get(work.id),
            "cell": work.cell,
            "replaces": replaced,
            "agent": work.agent,
        }


def undo_json(work: Work) -> dict[str, Any] | None:
    """What undoing a finished work would do, as far as its steps say; None if there is nothing to undo."""
    ran = work.have_run
    cells = [done.cell for done, _ in ran if done.cell]
    if not work.over or not cells:
        return None
    names: dict[str, None] = {}
    lost = dict.fromkeys((*work.beyond(len(ran)), *work.lost(len(ran))))
    for _, outcome in ran:
        changes = outcome.changes
        names.update(dict.fromkeys((*changes.added, *changes.changed, *changes.removed)))
    restored = [name for name in names if name not in lost]
    return {"cell": cells[-1], "names": restored, "cells": len(cells), "lost": list(lost)}


# -- What the page says ---------------------------------------------------------------------------------------------------


def placed(page: Page, works: Iterable[Work], data: Mapping[str, Any]) -> None:
    """A waiting cell is in the notebook under this id; `""`: the user has deleted it."""
    for work in list(works):
        if (
            work.id == data.get("work")
            and work.pending is not None
            and work.pending.number == data.get("step")
        ):
            work.cell = str(data.get("cell") or "")
            if work.agent and not work.cell:
                work.end("")


def steered(page: Page, works: Iterable[Work], data: Mapping[str, Any]) -> None:
    """*Keep going*, which holds for this work only, or *Stop*."""
    for work in list(works):
        if work.id == data.get("work"):
            if data.get("action") == "keep_going":
                work.auto = True
            elif data.get("action") == "stop":
                work.end("")


def removed(page: Page, works: Iterable[Work], data: Mapping[str, Any]) -> None:
    """Cells were removed."""
    page.removed(map(str, data.get("cells") or ()))


COMMANDS: Final[Mapping[str, Callable[[Page, Iterable[Work], Mapping[str, Any]], None]]] = {
    "placed": placed,
    "work": steered,
    "removed": removed,
}
"""By the name of the message."""
