"""A ledger of one's own, for the tests of what it counts and of its file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_jupyter.costs.ledger import Ledger


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def ledger(tmp_path: Path, warnings: list[str]) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "data" / "ledger.db", warn=warnings.append, kernel="k1")
    yield ledger
    ledger.close()
