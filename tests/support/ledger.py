"""What a question comes to in tests of the ledger, and a look into its file."""

import contextlib
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from claude_jupyter.costs.ledger.calls import Call, CallOutcome
from claude_jupyter.costs.ledger.sqlite_ledger import Ledger
from claude_jupyter.costs.prices import price
from claude_jupyter.costs.usage import Usage

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

D = Decimal
MODEL = "claude-sonnet-5-5"
CALL = Call(MODEL, user="ada", kernel="k1", notebook="a.ipynb", cell="c1", chat="main", turn=1)


def outcome(tokens: int = 1_000, **more: object) -> CallOutcome:
    usage = Usage(input=tokens, output=tokens, cache_read=tokens, thinking=tokens // 2)
    cost = price(usage, MODEL)
    return CallOutcome(usage=usage, cost=cost, complete=True, stop_reason="end_turn", seconds=1.5, **more)  # type: ignore[arg-type]


def reopened(ledger: Ledger, warn: Callable[[str], None] = print) -> Ledger:
    return Ledger(ledger.path, warn=warn, kernel="other")


def table(path: Path, query: str = "SELECT * FROM calls") -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()
