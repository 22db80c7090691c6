"""What every group of rows is given, and how one alternative after the other is measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .alternatives import Alternative
from .environments import Home
from .figures import Cannot, Figure, Row
from .stub import Stub

Measured = Mapping[str, Figure | Cannot]
"""By the row's id."""


@dataclass(frozen=True, slots=True)
class Bench:
    """One run: its server, who takes part and where they live; `quick` leaves out what takes long."""

    stub: Stub
    alternatives: Sequence[Alternative]
    homes: Mapping[str, Home]
    folder: Path
    quick: bool = False

    def each(
        self, group: str, rows: Sequence[Row], measure: Callable[[Alternative, Home], Measured]
    ) -> list[Row]:
        """Fill `rows` with what `measure` tells of each alternative; a failure becomes the reason for an empty cell."""
        for alternative in self.alternatives:
            began = time.monotonic()
            for row, cell in zip(rows, self._cells(group, rows, alternative, measure), strict=True):
                row.cells[alternative.name] = cell
            print(f"bench: {group}: {alternative.name}, {time.monotonic() - began:.0f} s", flush=True)
        return list(rows)

    def _cells(
        self,
        group: str,
        rows: Sequence[Row],
        alternative: Alternative,
        measure: Callable[[Alternative, Home], Measured],
    ) -> list[Figure | Cannot]:
        home = self.homes[alternative.name]
        if reason := home.missing or alternative.cannot.get(group, ""):
            return [Cannot(reason)] * len(rows)
        try:
            told = measure(alternative, home)
        except (
            Exception
        ) as error:  # one that fails must not cost the others their figures; the table tells why
            words = f"{type(error).__name__}: {error}".splitlines()[0]
            return [Cannot(f"failed here: {words[:160]}")] * len(rows)
        remark = alternative.remarks.get(group, "")
        cells = [told.get(row.id, Cannot("not measured")) for row in rows]
        return [
            replace(c, note=remark) if remark and isinstance(c, Figure) and not c.note else c for c in cells
        ]
