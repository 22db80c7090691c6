"""No key that the tests used lies in anything that they left behind: `tests/run secrets`, after all other parts.

    python tests/secrets_audit.py [FOLDER ...]

Searched are the folders that `tests/run` kept (the data, temporary and Jupyter folders of each part with its notebooks,
ledgers, journals and recordings, all that its kernels said, and the log of the part itself), and in this tree the build's
outputs and the notebooks. Looked into are archives, compressed files, SQLite tables and JSON strings; a key is looked for as
it is, as base64 and as UTF-16.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import re
import sqlite3
import sys
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from support.keys import used_keys

ROOT = Path(__file__).resolve().parents[1]
IN_TREE = (
    "claude_jupyter/labextension",
    "claude_jupyter/display/static",
    "notebooks",
    "tests/.artifacts",
    "dist",
)
ON_PURPOSE = (
    ("*/.env", "*", "written by a test that reads it"),
    ("*/profile_default/history.sqlite*", "kernel/*", "IPython's own record of what was typed into cells"),
    (
        "*/said/*",
        "kernel/test_bad_input.py",
        "IPython's %env repeats what is set; the test looks at what is ours",
    ),
    ("*/said/*", "kernel/test_look.py", "cells of the test print it; the test looks at what is ours"),
    ("*/notes of mine.txt", "kernel/test_look.py", "written by the test, which attaches it"),
    ("*/.mcp.json", "servers/test_client.py", "written by the test, which reads it"),
    ("*/claude_jupyter-*.tar.gz", "*", "the source distribution holds the tests"),
    ("*/site-packages/*", "*", "packages of others, installed by a test"),
    ("*/notes.txt", "unit/test_shown_in_notebook.py", "written by the test, which attaches it"),
)
"""Files that may hold a key: a pattern of the path, a pattern of the tests that use the key, and why."""
NEEDED = {
    "kernel": ("ledger", "journal", "output", "log"),
    "wire": ("ledger", "journal", "output", "log"),
    "unit": ("notebook", "ledger", "log"),
    "notebooks": ("ledger", "log"),
    "browser": ("notebook", "ledger", "log"),
}
"""What must have been found in what a part left: a search of the wrong place finds nothing, too."""
KINDS = (
    ("notebook", r"\.ipynb$"),
    ("journal", r"/journal/"),
    ("recording", r"claude_replay/|/recordings?/|/replays?/"),
    ("output", r"/said/"),
    ("ledger", r"ledger[^/]*\.db|\.db$"),
    ("log", r"\.log$|/logs?/"),
)
Looked = tuple[Path, int, frozenset[str] | str]
"""A file, its size, and the keys found in it or why it could not be read."""
WORTH_PROCESSES = 200
"""Files of a folder from which on each core searches its share."""
AT_ONCE = 100
"""Files that a core searches before it says so."""
DEEPEST = 3
LARGEST = 400_000_000


@dataclass(frozen=True, slots=True)
class Leak:
    """A key where it must not be; only its user is told, never the key."""

    place: str
    user: str

    def __str__(self) -> str:
        return f"{self.place}: a key of tests/{self.user}"


@dataclass(slots=True)
class Audit:
    """What was searched and what was found."""

    keys: Mapping[str, str]
    files: Counter[str] = field(default_factory=Counter[str])
    bytes: Counter[str] = field(default_factory=Counter[str])
    allowed: Counter[str] = field(default_factory=Counter[str])
    leaks: list[Leak] = field(default_factory=list[Leak])
    unread: list[str] = field(default_factory=list[str])
    _seen: dict[bytes, frozenset[str]] = field(default_factory=dict[bytes, frozenset[str]])
    _meant: dict[bytes, str] = field(init=False)

    def __post_init__(self) -> None:
        self._meant = {dress: key for key in self.keys for dress in dresses(key)}

    def search(self, folder: Path) -> Counter[str]:
        """Search every file below `folder`; how many of each kind there were."""
        here: Counter[str] = Counter()
        paths = sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink())
        for path, size, found in self._read(paths):
            if isinstance(found, str):
                self.unread.append(f"{path}: {found}")
                continue
            kind = kind_of(path)
            here[kind] += 1
            self.files[kind] += 1
            self.bytes[kind] += size
            self._judge(path, found)
        return here

    def _read(self, paths: Sequence[Path]) -> Iterable[Looked]:
        many = os.cpu_count() or 1
        if len(paths) < WORTH_PROCESSES or many == 1:
            return self.look(paths)
        looked: list[Looked] = []
        with ProcessPoolExecutor(many, initializer=_searchers.append, initargs=(self,)) as pool:
            for some in pool.map(_look, (paths[n : n + AT_ONCE] for n in range(0, len(paths), AT_ONCE))):
                print(".", end="", flush=True)  # a sign of life: what is silent for long is taken to hang
                looked += some
        return looked

    def look(self, paths: Sequence[Path]) -> list[Looked]:
        """Search these files."""
        looked: list[Looked] = []
        for path in paths:
            try:
                data = contents(path)
            except OSError as error:
                looked.append((path, 0, str(error.strerror)))
            else:
                looked.append((path, len(data), self._found(path, data)))
        return looked

    def _found(self, path: Path, data: bytes) -> frozenset[str]:
        digest = hashlib.blake2b(data, digest_size=16).digest()
        if digest not in self._seen or data.startswith(
            SQLITE
        ):  # beside a database lies what it has not taken in yet
            # One search for each is many times quicker than a pattern of all: CPython's `in` skips, `re` does not.
            hits = (
                key for piece in pieces(data, path) for dress, key in self._meant.items() if dress in piece
            )
            self._seen[digest] = frozenset(hits)
        return self._seen[digest]

    def _judge(self, path: Path, found: Iterable[str]) -> None:
        for user in sorted(self.keys[key] for key in found):
            fits = (why for place, of, why in ON_PURPOSE if fnmatch(str(path), place) and fnmatch(user, of))
            if why := next(fits, ""):
                self.allowed[why] += 1
            else:
                self.leaks.append(Leak(str(path), user))


_searchers: list[Audit] = []
"""In a process of the pool: the audit that it searches for, which remembers what it has seen."""


def _look(paths: Sequence[Path]) -> list[Looked]:
    return _searchers[0].look(paths)


SQLITE = b"SQLite format 3\0"


def dresses(key: str) -> Iterator[bytes]:
    """The key as bytes, in JSON, and whatever of its base64 is the same wherever it begins."""
    plain = key.encode()
    yield plain
    yield json.dumps(key)[1:-1].encode()
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + plain)
        yield whole[-(-before * 8 // 6) : (before + len(plain)) * 8 // 6]


def contents(path: Path) -> bytes:
    """The bytes of a file without its holes: tests of files that are too large make some of gigabytes of nothing."""
    told = path.stat()
    if told.st_blocks * 512 >= told.st_size // 2 or not hasattr(os, "SEEK_DATA"):
        return path.read_bytes()
    parts: list[bytes] = []
    with path.open("rb") as file:
        end = 0
        while end < told.st_size:
            try:
                begin = os.lseek(file.fileno(), end, os.SEEK_DATA)
            except OSError:  # nothing but a hole from here on
                break
            end = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            parts.append(os.pread(file.fileno(), end - begin, begin))
    return b"\0".join(parts)


def kind_of(path: Path) -> str:
    """What a file is, by its path."""
    return next((kind for kind, pattern in KINDS if re.search(pattern, path.as_posix())), "other")


def pieces(data: bytes, path: Path | None = None, depth: int = 0) -> Iterator[bytes]:
    """The bytes themselves, and what is packed into them."""
    yield data
    if depth == DEEPEST:
        return
    inside: Iterable[bytes] = ()
    if data[:2] == b"\x1f\x8b":
        inside = _unpacked(data)
    elif data[:4] == b"PK\x03\x04":
        inside = _members(data)
    elif data.startswith(SQLITE):
        yield from _rows(data, path)
    elif data[:1] in b"{[" and data[:1]:
        yield from _strings(data)
    for one in inside:
        yield from pieces(one, None, depth + 1)


def _unpacked(data: bytes) -> Iterator[bytes]:
    try:
        with gzip.open(io.BytesIO(data)) as file:
            yield file.read(LARGEST)
    except (OSError, EOFError, zlib.error):
        return  # bytes that only begin like gzip: they were searched as they are


def _members(data: bytes) -> Iterator[bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    except (zipfile.BadZipFile, RuntimeError, zlib.error):
        return


def _rows(data: bytes, path: Path | None) -> Iterator[bytes]:
    """Every value of every table, in a copy that takes in what stands in the write-ahead log."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.db"
        copy.write_bytes(data)
        wal = path.with_name(path.name + "-wal") if path else None
        if wal and wal.exists():
            copy.with_name("copy.db-wal").write_bytes(wal.read_bytes())
        connection = sqlite3.connect(copy)
        connection.text_factory = bytes
        try:
            connection.execute("PRAGMA synchronous = OFF")  # nobody needs the copy, and there are thousands
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (name,) in tables:
                quoted = name.decode().replace('"', '""')
                for row in connection.execute(f'SELECT * FROM "{quoted}"'):
                    yield b"\n".join(value for value in row if isinstance(value, bytes))
        except sqlite3.DatabaseError:
            return  # a test made it so; its bytes were searched
        finally:
            connection.close()


def _strings(data: bytes) -> Iterator[bytes]:
    """All strings of a JSON document, or of one on each line, with the escapes undone."""
    try:
        documents = [json.loads(data)]
    except (ValueError, RecursionError):
        documents = list(_by_line(data))
    yield "\n".join(_texts(documents)).encode(errors="surrogatepass")


def _by_line(data: bytes) -> Iterator[Any]:
    for line in data.splitlines():
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            continue


def _texts(value: Any) -> Iterator[str]:
    stack = [value]
    while stack:
        match stack.pop():
            case str() as text:
                yield text
            case list() as items:
                stack.extend(items)
            case dict() as named:
                stack.extend(named)
                stack.extend(named.values())
            case _:
                continue


def missing(part: str, here: Counter[str]) -> list[str]:
    """What a part must have left but did not."""
    return [f"{part}: no {kind} was found in what it left" for kind in NEEDED.get(part, ()) if not here[kind]]


def main(folders: list[str]) -> int:
    """Search, print the table, and the exit status: 1 where a key was found or nothing could be searched."""
    keys, problems = used_keys(ROOT / "tests")
    audit = Audit(keys)
    for folder in map(Path, folders):
        part = folder.name.removeprefix("claude-jupyter-").rsplit("-", 1)[0]
        here = audit.search(folder)
        print(f"{part}: {here.total():,} files", flush=True)
        problems += missing(part, here)
    for name in IN_TREE:
        audit.search(ROOT / name)
    print(f"secrets: {len(keys)} keys of the tests, {len(folders)} parts\n")
    print(f"{'searched':<12}{'files':>9}{'MB':>11}")
    for kind in sorted(audit.files):
        print(f"{kind:<12}{audit.files[kind]:>9,}{audit.bytes[kind] / 1e6:>11,.1f}")
    for why, count in audit.allowed.items():
        print(f"allowed in {count} files: {why}")
    problems += [*map(str, audit.leaks), *audit.unread]
    print("\n".join(problems) or "no key in any of them")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
