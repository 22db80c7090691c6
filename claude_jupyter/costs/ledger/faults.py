"""What is wrong with the ledger's file, determined from the error it raised. `sqlite_ledger.py` decides what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_DAMAGED: Final = (11, 26)  # SQLITE_CORRUPT, SQLITE_NOTADB
_LOCKED: Final = (5, 6)  # SQLITE_BUSY, SQLITE_LOCKED


def is_damaged(error: BaseException) -> bool:
    """Whether the file is not a database, or a torn one."""
    return _code(error) in _DAMAGED


def is_locked(error: BaseException) -> bool:
    """Whether another process only has to finish."""
    return _code(error) in _LOCKED


def reason(error: BaseException | None, path: Path | None) -> str:
    """Why, in a user's words and without the machine's paths."""
    text = getattr(error, "strerror", None) or str(error)
    return f"{path.name}: {text}" if path is not None else text


def _code(error: BaseException) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
