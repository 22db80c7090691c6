"""Which process holds a reservation, and whether it is still alive. Never signals anything."""

from __future__ import annotations

import os
import socket
import sys
from functools import lru_cache
from pathlib import Path


def this_process() -> str:
    """This process, told apart from every later one with its number: `host:pid:start`."""
    return _described(os.getpid())


def is_alive(process: str) -> bool:
    """Whether a process told by `this_process` may still run; one of another machine may."""
    host, _, rest = process.rpartition(":")[0].rpartition(":")
    if host != socket.gethostname() or sys.platform == "win32":
        return True  # its reservation ends by the clock
    try:
        os.kill(int(rest), 0)  # asks only whether there is one
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process.rpartition(":")[2] == _started(int(rest))


@lru_cache(maxsize=4)
def _described(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}:{_started(pid)}"


def _started(pid: int) -> str:
    try:
        # The start time is the 22nd field; the 2nd, the name, may hold blanks and parentheses.
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        fields = stat.rpartition(")")[2].split()
        return "" if fields[0] in ("Z", "X") else fields[19]  # dead, and not yet taken note of by its parent
    except (OSError, IndexError):
        return ""
