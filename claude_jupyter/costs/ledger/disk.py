"""The ledger's files on disk: keeps them private, recognizes them, sets damaged ones aside. `sqlite_ledger.py` reads and writes them."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_NETWORK: Final = re.compile(
    r"^(nfs\d?|cifs|smb\d*|smbfs|9p|afs|lustre|gpfs|beegfs|ceph|glusterfs|fuse\.\S+)$"
)
_COMPANIONS: Final = ("-wal", "-shm", "-journal")
_LOCK_SECONDS: Final = 10.0


def make_private(path: Path) -> None:
    """Make the file (mode 600) and its folder (mode 700) where they are missing.

    Raises
    ------
    OSError
        If they cannot be made, or the path is a folder or a link to nowhere.
    """
    if path.is_symlink() and not path.exists():
        raise FileNotFoundError(f"{path.name} is a link to a file that does not exist")
    if path.is_dir():
        raise IsADirectoryError(f"{path.name} is a folder; the setting `ledger` must be a file path")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def identity(path: Path) -> tuple[int, int] | None:
    """Which file the path means now; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def is_network(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """Whether the file is on a network disk, where SQLite's WAL must not be used even if it seems to work."""
    if sys.platform == "win32":
        return str(path.absolute()).startswith("\\\\")
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    where, kind = "", ""
    folder = str(path.parent.resolve())
    for line in lines:
        fields, _, rest = line.partition(" - ")
        point = fields.split()[4].replace("\\040", " ")
        inside = folder == point or folder.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(where):
            where, kind = point, rest.split()[0]
    return bool(_NETWORK.match(kind))


def kernel_file(path: Path, kernel: str) -> Path:
    """The file of one kernel next to the ledger, where kernels cannot share one: `ledger-<kernel>.db`."""
    return path.with_name(f"{path.stem}-{re.sub(r'[^A-Za-z0-9_.-]', '_', kernel) or 'shell'}{path.suffix}")


def siblings(path: Path) -> list[Path]:
    """The ledger's files that exist: itself and those of single kernels."""
    pattern = re.compile(rf"{re.escape(path.stem)}(-[A-Za-z0-9_.-]+)?{re.escape(path.suffix)}")
    try:
        names = sorted(entry.name for entry in os.scandir(path.parent) if entry.is_file())
    except OSError:
        return []
    return [path.with_name(name) for name in names if pattern.fullmatch(name) and ".damaged-" not in name]


def set_aside(path: Path, expected: tuple[int, int] | None) -> Path | None:
    """Rename a damaged file, with its companions, to a name that is free.

    Parameters
    ----------
    seen
        Identity of the file found damaged. If another kernel has set it aside already, nothing is done.

    Returns
    -------
    Path or None
        The new name.

    Raises
    ------
    OSError
        If it cannot be renamed.
    """
    with exclusive(path):
        if identity(path) != expected:
            return None
        stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
        aside = path.with_name(f"{path.name}.damaged-{stamp}")
        number = 1
        while aside.exists():
            number += 1
            aside = path.with_name(f"{path.name}.damaged-{stamp}-{number}")
        path.rename(aside)
        for end in _COMPANIONS:
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + end).rename(aside.with_name(aside.name + end))
        return aside


@contextlib.contextmanager
def exclusive(path: Path) -> Generator[None]:
    """Hold the lock file next to the ledger, so that one kernel at a time does what a transaction cannot cover.

    Where the file system has no locks, or no one releases it for ten seconds, the block runs without: a request must not hang.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    # Not `.lock`: that name is SQLite's own where it locks by files.

    try:
        handle = os.open(path.with_name(f"{path.name}.turn"), os.O_CREAT | os.O_RDWR, 0o600)
    except OSError:
        yield
        return
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while time.monotonic() < deadline:
            try:
                fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.005)
            except OSError:
                break
        yield
    finally:
        os.close(handle)
