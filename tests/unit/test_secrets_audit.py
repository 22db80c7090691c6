"""The search of `tests/run secrets` finds a planted key wherever one could lie, and asks for what it should have searched."""

from __future__ import annotations

import base64
import gzip
import json
import os
import shutil
import sqlite3
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from secrets_audit import WORTH_PROCESSES, Audit, missing
from support.keys import literals, used_keys

PLANTED = "planted-" + "in-many-places/0123"
KEYS = {PLANTED: "unit/test_secrets_audit.py", "another-of-nobody": "elsewhere.py"}
TESTS = Path(__file__).resolve().parents[1]


def audited(folder: Path) -> Audit:
    audit = Audit(KEYS)
    audit.search(folder)
    return audit


def sqlite(path: Path) -> None:
    """A database, and beside it a log that holds what it has not taken in."""
    made = path.with_suffix(".making")
    connection = sqlite3.connect(made)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("CREATE TABLE calls (id INTEGER, usage_json TEXT)")
    connection.executemany("INSERT INTO calls VALUES (?, ?)", [(n, "x" * 5000) for n in range(10)])
    connection.execute("UPDATE calls SET usage_json = ? WHERE id = 5", ("y" * 9000 + PLANTED + "z" * 9000,))
    connection.commit()
    for end in ("", "-wal"):
        shutil.copy(f"{made}{end}", f"{path}{end}")
    connection.close()
    made.unlink()


def wheel(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside.json.gz", gzip.compress(json.dumps({"a": PLANTED}).encode()))


def holes(path: Path) -> None:
    with path.open("wb") as file:
        file.seek(3_000_000_000)
        file.write(PLANTED.encode())
        file.truncate(5_000_000_000)


def notebook(path: Path) -> None:
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in PLANTED)
    path.write_text('{"cells": [{"outputs": [{"data": {"text/plain": ["' + escaped + '"]}}]}]}')


PLANTS: dict[str, Callable[[Path], object]] = {
    "plain.log": lambda path: path.write_text(f"authorization: Bearer {PLANTED}\n"),
    "basic.log": lambda path: path.write_bytes(b"Basic " + base64.b64encode(f"me:{PLANTED}:!".encode())),
    "shifted.log": lambda path: path.write_bytes(b"Basic " + base64.b64encode(f"you:{PLANTED}".encode())),
    "a.ipynb": notebook,
    "turns.jsonl": lambda path: path.write_text(
        '{"a": 1}\n{"b": "' + PLANTED.replace("/", "\\/") + '"}\n{cut'
    ),
    "turns.gz": lambda path: path.write_bytes(gzip.compress(PLANTED.encode() * 2)),
    "a.whl": wheel,
    "ledger.db": sqlite,
    "holes.csv": holes,
}


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_key_is_found(name: str, tmp_path: Path) -> None:
    (tmp_path / "deep" / "down").mkdir(parents=True)
    (tmp_path / "innocent.txt").write_text("nothing of the kind")
    PLANTS[name](tmp_path / "deep" / "down" / name)
    audit = audited(tmp_path)
    assert audit.leaks and all(name in leak.place for leak in audit.leaks)
    told = "\n".join(map(str, audit.leaks))
    assert PLANTED not in told and "unit/test_secrets_audit.py" in told  # the report is no leak itself


def test_every_core_finds_what_lies_in_its_share_of_many_files(tmp_path: Path) -> None:
    for n in range(WORTH_PROCESSES):
        (tmp_path / f"{n}.log").write_text(f"nothing of the kind: {n}")
    for name, plant in PLANTS.items():
        plant(tmp_path / name)
    audit = audited(tmp_path)
    assert {Path(leak.place).name for leak in audit.leaks} >= set(PLANTS)
    assert sum(audit.files.values()) == sum(path.is_file() for path in tmp_path.iterdir())


def test_where_no_key_lies_none_is_found(tmp_path: Path) -> None:
    for name, plant in PLANTS.items():
        plant(tmp_path / name)
    for path in tmp_path.iterdir():
        os.truncate(path, 40)  # cut short: broken archives and databases
    (tmp_path / "plain.log").write_text(PLANTED[:-1] + "...")
    audit = audited(tmp_path)
    assert not audit.unread
    assert {Path(leak.place).name for leak in audit.leaks} <= {"turns.gz"}


def test_a_file_written_for_its_key_may_hold_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"ANTHROPIC_API_KEY={PLANTED}")
    assert not audited(tmp_path).leaks
    (tmp_path / ".env.copy").write_text(f"ANTHROPIC_API_KEY={PLANTED}")
    assert [Path(leak.place).name for leak in audited(tmp_path).leaks] == [".env.copy"]


def test_what_is_allowed_for_one_tests_key_is_not_for_anothers(tmp_path: Path) -> None:
    (tmp_path / "said").mkdir()
    (tmp_path / "said" / "a.jsonl").write_text(f"printed {PLANTED}")
    audit = Audit({PLANTED: "kernel/test_look.py"})
    audit.search(tmp_path)
    assert not audit.leaks and sum(audit.allowed.values()) == 1
    assert audited(tmp_path).leaks


def test_to_find_nothing_where_nothing_was_written_is_no_proof() -> None:
    assert missing("kernel", Counter({"ledger": 3, "journal": 1, "log": 1})) == [
        "kernel: no output was found in what it left"
    ]
    assert missing("lint", Counter()) == []


def test_every_key_of_the_tests_is_known_and_long_enough() -> None:
    keys, unfit = used_keys(TESTS)
    assert unfit == []
    assert len(keys) > 20
    assert {"test-key-of-the-kernel-tests", "test-key-of-the-browser-tests", "sk-test-not-a-key"} <= set(keys)


@pytest.mark.parametrize(
    "source",
    [
        "client = Anthropic(api_key='{}')",
        "environ(ANTHROPIC_API_KEY='{}')",
        "monkeypatch.setenv('SERVICE_TOKEN', '{}')",
        "kernel({{'AWS_SECRET_ACCESS_KEY': '{}'}})",
        "PAIRS = [('STORAGE_KEY', '{}')]",
        "TEST_KEY = '{}'",
        "secret = '{}' * 4",
        "(folder / '.env').write_text(f'ANTHROPIC_API_KEY={}\\nX={{1}}')",
    ],
)
def test_a_key_is_seen_however_a_test_hands_it_over(source: str) -> None:
    import ast

    assert PLANTED in set(literals(ast.parse(source.format(PLANTED))))
