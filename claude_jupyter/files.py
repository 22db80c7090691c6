"""Writes and reads our files: private, whole or line by line, so that a killed kernel or a full disk does little damage."""

from __future__ import annotations

import contextlib
import errno
import fnmatch
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from claude_jupyter.encodable import encodable, encodable_all


def private_folder(path: Path) -> Path:
    """A folder of the user's alone, made where it is missing with those above it: `mkdir`'s own parents are everybody's.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    for folder in [*reversed(path.parents), path]:
        if not folder.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    return path


def matching(folder: Path, pattern: str) -> list[Path]:
    """The files of a folder that match, none where there is no folder. Read at once: an interrupt leaves no open folder behind."""
    try:
        names = os.listdir(folder)  # noqa: PTH208  Path.iterdir is a generator from Python 3.13 on
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [folder / name for name in fnmatch.filter(names, pattern)]


def write_whole(path: Path, text: str) -> None:
    """Write a file that appears whole or not at all, readable by its owner only.

    Raises
    ------
    OSError
        If it cannot be written; what was there before stays.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")  # mode 600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(encodable(text).encode())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def append_line(path: Path, value: Any) -> None:
    """Add a value to a file of JSON lines that is ours alone, all of it.

    Raises
    ------
    OSError
        If the disk does not take it all.
    """
    # The newline before it ends a line that a kill or a full disk has cut.
    data = encodable(f"\n{json.dumps(value, ensure_ascii=False)}\n").encode()
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        written = os.write(handle, data)
    finally:
        os.close(handle)
    if written < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects in a file of JSON lines; a line that was cut, or edited, is skipped, and so is a file that cannot be read."""
    try:
        data = path.read_bytes()
    except OSError:
        return
    # As bytes: a text file would part at more than newlines, and a line cut within a letter would end it.
    for line in data.split(b"\n"):
        try:
            entry = encodable_all(json.loads(line.decode("utf-8", "surrogatepass")))
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict):
            yield entry
