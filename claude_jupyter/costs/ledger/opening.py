"""Which ledger the setting `ledger` names: a SQLite file, or a team's database."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from claude_jupyter.costs.ledger.faults import reason
from claude_jupyter.costs.ledger.sqlite_ledger import Ledger
from claude_jupyter.errors import MissingExtraError
from claude_jupyter.settings import data_dir

if TYPE_CHECKING:
    from claude_jupyter.costs.ledger.team_ledger import TeamLedger

_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\+[A-Za-z0-9_]+)?://")


def is_address(setting: str) -> bool:
    """Whether the setting names a database rather than a file."""
    return bool(_ADDRESS.match(setting.strip()))


def try_address(setting: str) -> tuple[str, str]:
    """The database's address without a password, and why it does not answer now (empty if it does).

    Raises
    ------
    ClaudeError
        As `open_ledger`.
    """
    ledger = _team(setting, Ledger(None, warn=print), print)
    return ledger.name, ledger.silence()


def open_ledger(setting: str, *, warn: Callable[[str], None], kernel: str = "") -> Ledger | TeamLedger:
    """The ledger at the setting's path or address, else `ledger.db` in the folder of user data; in memory if none can be.

    Raises
    ------
    MissingExtraError
        For an address, where what it takes is not installed.
    StorageError
        For an address that is none.
    """
    if is_address(setting):
        return _team(setting.strip(), local_ledger("", warn=warn, kernel=kernel), warn)
    return local_ledger(setting, warn=warn, kernel=kernel)


def local_ledger(setting: str, *, warn: Callable[[str], None], kernel: str = "") -> Ledger:
    """The SQLite ledger at a path, or in the folder of user data."""
    try:
        path = Path(setting).expanduser() if setting else data_dir() / "ledger.db"
    except (OSError, RuntimeError) as error:
        warn(f"Costs are kept in memory only: {reason(error, None)}.")
        path = None
    return Ledger(path, warn=warn, kernel=kernel)


def _team(address: str, local: Ledger, warn: Callable[[str], None]) -> TeamLedger:
    try:
        from claude_jupyter.costs.ledger.team_ledger import TeamLedger, parsed

        return TeamLedger(parsed(address), local, warn=warn)
    except ImportError as error:
        raise MissingExtraError(
            f"A database ledger needs {error.name or 'SQLAlchemy'}, which is not installed: "
            "pip install 'claude-jupyter[team]'."
        ) from None
