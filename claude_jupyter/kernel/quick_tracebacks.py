"""Keeps IPython's tracebacks quick although `inspect` looks through all modules, of which the SDK loads thousands."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import inspect
import threading
from typing import Any, Final

from claude_jupyter.interrupts import started

THREAD: Final = "claude-tracebacks"
"""Name of the thread."""


_LONGEST: Final = 20_000
"""Characters of a cell whose file name is worth computing: ipykernel hashes the source in Python."""


def know_cell(ip: Any, info: Any) -> None:
    """Let `inspect` know that the cell which begins belongs to `__main__`.

    Otherwise `inspect.getmodule` looks through all modules, several times for each frame of a traceback: with the SDK loaded an
    endless recursion computed for 40 seconds before it was shown.

    Parameters
    ----------
    ip, info
        IPython's shell, and what it tells a `pre_run_cell` callback.
    """
    source = info.raw_cell or ""
    if len(source) <= _LONGEST:
        transformed = getattr(info, "transformed_cell", source)
        name = ip.compile.get_code_name(source, transformed, ip.execution_count)
        vars(inspect)["modulesbyfile"][name] = "__main__"


def get_ready(ip: Any) -> None:
    """Format an interrupt as IPython would, on a thread, and discard it.

    For its first traceback IPython asks where each loaded module's file is (`inspect.getmodule`), imports what it formats with, and
    parses `asyncio` where the cell was at an `await`. That computes for a quarter of a second in a kernel with pandas, and is cached.

    Parameters
    ----------
    ip
        IPython's shell.
    """
    started(threading.Thread(target=_format, args=(copy.copy(ip.InteractiveTB),), name=THREAD, daemon=True))


def _format(formatter: Any) -> None:
    with contextlib.suppress(Exception):  # whatever it is, IPython meets it again where somebody sees it
        try:
            _interrupted()
        except KeyboardInterrupt as error:
            formatter.structured_traceback(KeyboardInterrupt, error, error.__traceback__)


def _interrupted() -> None:
    """An interrupt at an `await`, in a cell: a file of which no module knows."""
    sleeping = asyncio.sleep(0)
    sleeping.send(None)
    exec(compile("sleeping.throw(KeyboardInterrupt())", "<cell>", "exec"), {"sleeping": sleeping})
