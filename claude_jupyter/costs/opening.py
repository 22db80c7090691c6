"""Where the ledger of a shell stands. A kernel's own is put together in `assembly.py`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from claude_jupyter.costs.faults import reason
from claude_jupyter.costs.ledger import Ledger
from claude_jupyter.settings import data_dir


def open_ledger(setting: str, *, warn: Callable[[str], None], kernel: str = "") -> Ledger:
    """The ledger at the path of the setting `ledger`, or in the folder of user data; in memory where neither can be."""
    try:
        path = Path(setting).expanduser() if setting else data_dir() / "ledger.db"
    except (OSError, RuntimeError) as error:
        warn(f"Costs are kept in memory only: {reason(error, None)}.")
        path = None
    return Ledger(path, warn=warn, kernel=kernel)
