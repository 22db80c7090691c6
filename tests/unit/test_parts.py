"""A part of `tests/run` that hangs is ended with the stacks of its threads, and fails."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
from support.ground import Ground
from support.parts import PARTS, run_parts, watched

HANGS = """
import threading
def test_hangs():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()
"""
DEAF = """
import signal, time
signal.signal(signal.SIGABRT, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""


def pytest_on(folder: Path, limit: int) -> list[str]:
    """A command that runs the test above with a limit for each test; 0: none."""
    (folder / "test_hangs.py").write_text(HANGS)
    words = ["-q", "-p", "no:cacheprovider", "-p", "no:asyncio", "-o", f"timeout={limit}", "test_hangs.py"]
    return [sys.executable, "-m", "pytest", *words]


def test_a_test_that_hangs_fails_with_its_stack(tmp_path: Path) -> None:
    status, output = watched(pytest_on(tmp_path, 1), tmp_path, dict(os.environ), io.BytesIO(), 60)
    assert status == 1
    assert b"Failed: Timeout" in output and b"lock.acquire()" in output


def test_a_silent_command_is_ended_with_the_stacks_of_its_threads(tmp_path: Path) -> None:
    status, output = watched(pytest_on(tmp_path, 0), tmp_path, dict(os.environ), io.BytesIO(), 10)
    assert status is None
    assert b"Fatal Python error: Aborted" in output and b"in test_hangs" in output


def test_what_writes_now_and_then_is_left_alone(tmp_path: Path) -> None:
    script = "import time\nfor n in range(5): print(n, end='', flush=True); time.sleep(0.5)"
    log = io.BytesIO()
    status, output = watched([sys.executable, "-c", script], tmp_path, dict(os.environ), log, 2)
    assert (status, output, log.getvalue()) == (0, b"01234", b"01234")


def test_what_is_deaf_is_killed(tmp_path: Path) -> None:
    status, output = watched([sys.executable, "-c", DEAF], tmp_path, dict(os.environ), io.BytesIO(), 1)
    assert (status, output) == (None, b"deaf\n")


@pytest.mark.parametrize("ends", ["", "raise SystemExit(3)"])
def test_short_parts_run_beside_a_long_one_and_are_printed_whole(
    ends: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    ended = tmp_path / "ended"
    # The long one ends after the short ones alone: so they run meanwhile.
    scripts = {
        "unit": f"import os, time\nprint('long')\nwhile not os.path.exists({str(ended)!r}): time.sleep(0.05)\nprint('=== 7 passed in 1s')",
        "lint": "print('first', flush=True); print('second')",
        "types": f"open({str(ended)!r}, 'w'); print('third'); {ends}",
        "secrets": f"import os; print('last' if os.path.exists({str(ended)!r}) else 'too early')",
    }
    for part, script in scripts.items():
        command = [sys.executable, "-c", script]
        monkeypatch.setitem(PARTS, part, lambda _ground, _extra, command=command: [command])
    status = run_parts(Ground(Path(sys.executable), None), list(scripts))
    told = capfdbinary.readouterr().out.decode().splitlines()
    assert status == (1 if ends else 0)
    assert told[told.index("first") + 1] == "second" and told.index("third") < told.index("last")
    assert "7 passed" in told[-1]
    assert [line.split()[1] for line in told if line.startswith("types ")] == ["FAILED" if ends else "ok"]
