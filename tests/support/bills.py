"""What a scripted work cost: the rows of the ledger's file against what the server has billed."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from support.works import Case, replies

from claude_jupyter.demo.server import Received

COLUMNS = "input_tokens + cache_write_5m + cache_write_1h + cache_read, output_tokens"
Row = tuple[int, int]


def rows(ledger: Path) -> list[Row]:
    """Tokens of prompt and output, oldest first."""
    with contextlib.closing(sqlite3.connect(ledger)) as db:
        return db.execute(f"SELECT {COLUMNS} FROM calls ORDER BY at").fetchall()


def check(case: Case, requests: Sequence[Received], noted: Sequence[Row]) -> None:
    """A row for each request that was billed, with what was billed for it."""
    messages = [r for r in requests if r.path == "/v1/messages"]
    billed = [(r.usage.prompt, r.usage.output) for r in messages if r.usage.total]
    noted = [row for row in noted if sum(row)]
    if any(reply.usage for reply in replies(case)):  # the model tells more than it has counted
        assert len(noted) == len(billed)
    elif all(r.finished for r in messages):
        assert noted == billed
    else:  # what a broken stream cost is a lower bound
        assert len(noted) <= len(billed)
        assert all(a <= b for a, b in zip(map(sum, noted), map(sum, billed), strict=False))
