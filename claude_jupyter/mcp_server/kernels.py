"""The kernels that have loaded the extension, and one question to one of them over its own shell channel."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from queue import Empty
from typing import Any, Final

from claude_jupyter.conversation.agents import OUTCOME
from claude_jupyter.errors import ClaudeError, UsageError
from claude_jupyter.kernel.registration import Registration, registered

WAIT: Final = 20.0
"""Seconds that a kernel has for an answer."""
_ASKING: Final = "claude-jupyter mcp"
"""Who asks, in the header of our messages: by it the page learns that an agent may have proposed a cell."""
_WAITING: Final = f"{_ASKING}, waiting"
"""Who asks for the outcome of a cell: no news, neither for the page nor for those that wait."""
_SOON: Final = 3.0
_OFTEN: Final = 0.5
_LOAD: Final = "run %load_ext claude_jupyter in it"
_CALL: Final = '__import__("sys").modules["claude_jupyter.extension"].agent_request({0!r})'


class KernelError(ClaudeError):
    """A kernel that does not answer, in one line for the agent."""


class _BusyError(KernelError):
    """A cell runs, so that nothing is read."""


def chosen(data: Path, name: str | None) -> Registration:
    """The kernel that an agent means: by its id, the beginning of it or its notebook's name; without, the only one.

    Raises
    ------
    UsageError
        If there is none or more than one.
    """
    running = list(registered(data))
    if not name:
        if len(running) == 1:
            return running[0]
        if not running:
            raise UsageError(
                f"No running kernel of this user has loaded the extension: open a notebook and {_LOAD}."
            )
        raise UsageError(f"There are {len(running)} kernels: name one. {'; '.join(map(described, running))}")
    matches = [k for k in running if k.id == name] or [
        k for k in running if k.id.startswith(name) or k.notebook == name
    ]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise UsageError(f"{name!r} matches {len(matches)} kernels: {'; '.join(map(described, matches))}")
    if _runs_without(name):
        raise UsageError(f"The kernel {name} has not loaded the extension, or was restarted since: {_LOAD}.")
    there = f" There are: {'; '.join(map(described, running))}" if running else ""
    raise UsageError(f"No running kernel {name!r} has loaded the extension.{there}")


def described(kernel: Registration) -> str:
    """A kernel in a few words."""
    return f"{kernel.id} ({kernel.notebook or 'no notebook known'})"


def _runs_without(name: str) -> bool:
    from jupyter_core.paths import jupyter_runtime_dir

    return (Path(jupyter_runtime_dir()) / f"kernel-{name}.json").is_file()


def ask(kernel: Registration, tool: str, arguments: Mapping[str, Any], wait: float = WAIT) -> dict[str, Any]:
    """What the kernel answers: `content` blocks, or `error` in one line.

    Raises
    ------
    KernelError
        If it is busy, has ended, or was restarted without the extension.
    """
    with _client(kernel, _ASKING) as client:
        return _asked(client, kernel, tool, arguments, wait)


@contextlib.contextmanager
def _client(kernel: Registration, username: str, *, iopub: bool = False) -> Generator[Any]:
    from jupyter_client.blocking.client import BlockingKernelClient

    client = BlockingKernelClient()
    client.load_connection_file(kernel.connection)
    client.session.username = username
    client.start_channels(shell=True, iopub=iopub, stdin=False, hb=False, control=False)
    try:
        yield client
    finally:
        client.stop_channels()


def _asked(
    client: Any, kernel: Registration, tool: str, arguments: Mapping[str, Any], wait: float
) -> dict[str, Any]:
    request = json.dumps({"tool": tool, "arguments": dict(arguments), "until": time.time() + wait})
    until = time.monotonic() + wait
    while True:
        message = client.execute(
            "", silent=True, store_history=False, user_expressions={"reply": _CALL.format(request)}
        )
        reply = _reply(client, message, kernel, until, wait)
        # It is aborted where a cell before it failed, which drops what was queued behind it.
        if reply.get("status") != "aborted":
            return _read(reply, kernel)


def outcome(
    kernel: Registration, proposal: str, wait: float, closed: Callable[[], bool]
) -> dict[str, Any] | None:
    """The outcome of a proposed cell, within this many seconds; None if it still waits, or still runs.

    Parameters
    ----------
    closed
        Whether nobody waits for it anymore.

    Raises
    ------
    KernelError
        If the kernel has ended meanwhile.
    """
    until = time.monotonic() + wait
    with _client(kernel, _WAITING, iopub=True) as client:
        while (remaining := until - time.monotonic()) > 0 and not closed():
            with contextlib.suppress(_BusyError):
                reply = _asked(client, kernel, OUTCOME, {"proposal": proposal}, min(remaining, WAIT))
                if "waits" not in reply:
                    return reply
            _news(client, kernel, until, closed)
    return None


def _news(client: Any, kernel: Registration, until: float, closed: Callable[[], bool]) -> None:
    """Wait until the kernel has done something that we did not ask for."""
    while (remaining := until - time.monotonic()) > 0 and not closed():
        try:
            message = client.get_iopub_msg(timeout=min(remaining, _OFTEN))
        except Empty:
            if not kernel.alive:
                raise _ended(kernel) from None
            continue
        theirs = message["parent_header"].get("username") != _WAITING
        if theirs and message["content"].get("execution_state") == "idle":
            return


def _ended(kernel: Registration) -> KernelError:
    return KernelError(f"The kernel {described(kernel)} has ended or was restarted; {_LOAD} again.")


def _reply(client: Any, message: str, kernel: Registration, until: float, wait: float) -> Mapping[str, Any]:
    while (remaining := until - time.monotonic()) > 0:
        try:
            reply = client.get_shell_msg(timeout=min(remaining, _SOON))
        except Empty:
            if not kernel.alive:
                raise _ended(kernel) from None
            continue
        if reply["parent_header"].get("msg_id") == message:
            return reply["content"]
    raise _BusyError(
        f"The kernel {described(kernel)} is busy: a cell has been running for {wait:g} s or more, and values are read only "
        "while no cell is running. Ask again later."
    )


def _read(content: Mapping[str, Any], kernel: Registration) -> dict[str, Any]:
    expression = content.get("user_expressions", {}).get("reply", {})
    data = expression.get("data", {}).get("application/json")
    if expression.get("status") != "ok" or not isinstance(data, dict) or data.get("pid") != kernel.pid:
        raise KernelError(
            f"The kernel {described(kernel)} no longer has the extension loaded; {_LOAD} again."
        )
    return data
