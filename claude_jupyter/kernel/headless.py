"""Runs code within the cell that asks, for frontends that cannot insert cells: nbclient, papermill, nbconvert."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass
from typing import Any

from claude_jupyter.interrupts import started


@dataclass(frozen=True, slots=True)
class Ran:
    """How it went: the exception that it raised, and how long it took in seconds."""

    error: BaseException | None
    seconds: float


def fenced_code(code: str) -> str:
    """Code as Markdown."""
    fence = "`" * max(3, _longest_run(code) + 1)
    return f"{fence}python\n{code}\n{fence}"


def run_here(ip: Any, code: str) -> Ran:
    """Run code in the user's namespace; its outputs follow in the running cell, in order.

    Parameters
    ----------
    ip
        IPython's shell.

    Notes
    -----
    The figures that the code leaves open are shown with it. Top-level `await` needs a loop of its own, since the kernel's is
    running: such code runs on a thread.
    """
    began = time.monotonic()
    # Whether a last value is shown is decided by the semicolon of the cell that IPython parsed last.
    inputs = ip.history_manager.input_hist_parsed
    inputs.append(code)
    try:
        result = _on_own_loop(ip, code) if _awaits(code) else ip.run_cell(code, store_history=False)
    finally:
        inputs.pop()
    error = result.error_in_exec or result.error_before_exec
    return Ran(error, time.monotonic() - began)


def _awaits(code: str) -> bool:
    from claude_jupyter.kernel.effects.syntax import as_python

    try:
        compile(as_python(code), "<cell>", "exec", dont_inherit=True)
    except SyntaxError:
        return True
    except ValueError:
        return False
    return False


def _on_own_loop(ip: Any, code: str) -> Any:
    results: list[Any] = []

    def run() -> None:
        results.append(
            asyncio.run(
                ip.run_cell_async(code, store_history=False, transformed_cell=ip.transform_cell(code))
            )
        )

    thread = threading.Thread(target=run, name="claude-step")
    started(thread)
    while thread.is_alive():
        thread.join(0.1)
    return results[0]


def _longest_run(text: str) -> int:
    longest = run = 0
    for letter in text:
        run = run + 1 if letter == "`" else 0
        longest = max(longest, run)
    return longest
