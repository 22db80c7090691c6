"""Cells that a coding agent proposes when no page can insert them: each becomes the next input after a cell has run. Never run by us."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Proposals:
    """The proposed cells of one kernel that no page has put in.

    Parameters
    ----------
    ip
        IPython's InteractiveShell.
    """

    def __init__(self, ip: Any) -> None:
        self._ip = ip
        self._waiting: list[tuple[str, Callable[[], bool]]] = []

    def install(self) -> None:
        """Start inserting waiting cells below the cells that run."""
        self._ip.events.register("post_run_cell", self._after_cell)

    def uninstall(self) -> None:
        """Stop doing so."""
        self._ip.events.unregister("post_run_cell", self._after_cell)

    def put(self, source: str, missing: Callable[[], bool]) -> None:
        """Let a cell be put below, if it is still missing when a cell has run."""
        self._waiting.append((source, missing))

    def _after_cell(self, _result: Any) -> None:
        self._waiting = [(source, missing) for source, missing in self._waiting if missing()]
        next_inputs = [
            p for p in self._ip.payload_manager.read_payload() if p.get("source") == "set_next_input"
        ]
        if self._waiting and not next_inputs:
            self._ip.set_next_input(self._waiting.pop(0)[0], replace=False)
