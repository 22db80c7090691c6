"""Disks that are full or cannot be written, for the fault matrix: real ones where the machine lets us mount, else scripted."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from claude_jupyter.conversation.map import results
from claude_jupyter.conversation.store import journal
from claude_jupyter.costs.ledger.sqlite_ledger import Ledger


@dataclass(frozen=True, slots=True)
class Disk:
    """A small disk.

    Attributes
    ----------
    folder
        Where it is.
    fill, free
        Make it full, or not writable; and as it was.
    """

    folder: Path
    fill: Callable[[], None]
    free: Callable[[], None]


def mount(folder: Path, *words: str) -> bool:
    """Mount something at a folder; whether it could be done."""
    program = shutil.which("mount")
    if program is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    return subprocess.run([program, *words, str(folder)], capture_output=True, check=False).returncode == 0


def fill_up(folder: Path) -> None:
    """Leave no byte."""
    with (folder / "ballast").open("ab", buffering=0) as ballast:
        for size in (1 << 16, 1 << 12, 1 << 8, 1):
            try:
                while ballast.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue


@contextmanager
def small_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """A disk that can be filled."""
    folder.mkdir()
    if not mount(folder, "-t", "tmpfs", "-o", "size=1m", "tmpfs"):
        yield scripted(folder, monkeypatch, errno.ENOSPC, "database or disk is full")
        return
    try:
        yield Disk(folder, lambda: fill_up(folder), lambda: (folder / "ballast").unlink())
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def locked_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """A disk that can be made read-only."""
    folder.mkdir()
    if not mount(folder, "-t", "tmpfs", "-o", "size=4m", "tmpfs"):
        yield scripted(folder, monkeypatch, errno.EROFS, "attempt to write a readonly database")
        return
    under = folder / "under"
    under.mkdir()
    try:
        # A bind mount of its own, because files that are open for writing keep a whole file system writable.
        assert mount(under, "--bind", str(folder))
        yield Disk(
            under,
            lambda: assert_mounted(mount(under, "-o", "remount,bind,ro")),
            lambda: assert_mounted(mount(under, "-o", "remount,bind,rw")),
        )
    finally:
        subprocess.run(["umount", "-l", str(under)], check=True)
        subprocess.run(["umount", "-l", str(folder)], check=True)


def assert_mounted(done: bool) -> None:
    """Mounting has to go on working where it worked once."""
    assert done


def scripted(folder: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str) -> Disk:
    """A disk that is only said to be so, at the two places that write."""
    bad: list[bool] = []
    append, write = journal.append, Ledger._write_to_disk

    def appended(path: Path, data: bytes) -> None:
        if bad:
            raise OSError(code, os.strerror(code))
        append(path, data)

    def written(self: Ledger, *arguments: Any) -> None:
        if bad:
            raise sqlite3.OperationalError(words)
        write(self, *arguments)

    for module in (journal, results):
        monkeypatch.setattr(module, "append", appended)
    monkeypatch.setattr(Ledger, "_write_to_disk", written)
    return Disk(folder, lambda: bad.append(True), bad.clear)
