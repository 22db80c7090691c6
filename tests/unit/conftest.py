"""A ledger of one's own, for the tests of what it counts and of its file; and hypothesis without a limit on a case's time."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from claude_jupyter.costs.ledger.sqlite_ledger import Ledger

settings.register_profile("without a clock", deadline=None)  # a busy machine is no bug
settings.load_profile("without a clock")


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def ledger(tmp_path: Path, warnings: list[str]) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "data" / "ledger.db", warn=warnings.append, kernel="k1")
    yield ledger
    ledger.close()
