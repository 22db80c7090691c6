"""A real ipykernel over jupyter_client: what a frontend sends it, and all that it says on iopub, as values.

`Kernel.run` is a cell that is waited for; `Kernel.start` one that can be watched, interrupted and talked to meanwhile.
Nothing here knows what the package does, except the names of its mime type and comm target.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from support import forkserver

ANSWER = "application/vnd.claude-jupyter.answer+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
COLORS = re.compile(r"\x1b\[[0-9;]*m")
OUTPUTS = ("stream", "display_data", "execute_result", "error", "update_display_data")


@dataclass(frozen=True, slots=True)
class Message:
    """One message from the kernel on iopub: `size` in bytes as on the wire, `at` in seconds of the monotonic clock."""

    type: str
    content: Mapping[str, Any]
    metadata: Mapping[str, Any]
    parent: str | None
    size: int
    at: float
    buffers: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Execution:
    """A finished cell."""

    reply: Mapping[str, Any]
    messages: tuple[Message, ...]
    began: float
    ended: float
    asked: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the cell succeeded."""
        return self.reply["status"] == "ok"

    def of(self, *types: str) -> list[Message]:
        """The messages of these types."""
        return [message for message in self.messages if message.type in types]

    def _stream(self, name: str) -> str:
        return "".join(m.content["text"] for m in self.of("stream") if m.content["name"] == name)

    @property
    def stdout(self) -> str:
        """What was printed."""
        return self._stream("stdout")

    @property
    def stderr(self) -> str:
        """What was written to stderr: warnings."""
        return self._stream("stderr")

    @property
    def error(self) -> str:
        """The error as the cell shows it, without colors; empty if there is none."""
        traceback = [line for message in self.of("error") for line in message.content["traceback"]]
        return COLORS.sub("", "\n".join(traceback))

    @property
    def error_name(self) -> str:
        """The exception's class."""
        return str(self.reply.get("ename", ""))

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """The outputs that a notebook would hold at the end: updates applied, `clear_output` obeyed."""
        return saved_outputs(self.messages)

    @property
    def bundles(self) -> list[Mapping[str, Any]]:
        """The mimebundles at the end."""
        return [output["data"] for output in self.outputs if "data" in output]

    @property
    def answers(self) -> list[Mapping[str, Any]]:
        """The mimebundles that are answers."""
        return [bundle for bundle in self.bundles if ANSWER in bundle]

    @property
    def answer(self) -> Mapping[str, Any]:
        """The one answer's mimebundle."""
        (bundle,) = self.answers
        return bundle

    @property
    def comms(self) -> list[Message]:
        """Comm traffic toward the frontend."""
        return self.of("comm_open", "comm_msg", "comm_close")


def saved_outputs(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Outputs as JupyterLab would keep them."""
    outputs: list[dict[str, Any]] = []
    wipe = False
    for message in messages:
        content = dict(message.content)
        if message.type == "clear_output":
            wipe = True
            if not content.get("wait"):
                outputs, wipe = [], False
        elif message.type == "update_display_data":
            name = content["transient"]["display_id"]
            for output in outputs:
                if output.get("transient", {}).get("display_id") == name:
                    output.update(data=content["data"], metadata=content["metadata"])
        elif message.type in OUTPUTS:
            if wipe:
                outputs, wipe = [], False
            outputs.append({"output_type": message.type, **content})
    return outputs


@dataclass(slots=True)
class Cell:
    """A cell under way."""

    kernel: Kernel
    id: str
    began: float
    stdin: Sequence[str]
    asked: list[str] = field(default_factory=list[str])

    @property
    def messages(self) -> list[Message]:
        """What has come so far."""
        return self.kernel.heard(self.id)

    def wait_for(self, condition: Callable[[Sequence[Message]], Any], timeout: float = 30) -> Any:
        """Wait until `found(messages so far)` is true; its value."""
        return self.kernel.wait_for(lambda: condition(self.messages), timeout, f"{self.messages[-3:]}")

    def finish(self, timeout: float = 60) -> Execution:
        """Wait until the kernel has replied and is idle."""
        reply = self.kernel.reply_to(self, timeout)
        self.wait_for(_is_idle, timeout)
        return Execution(reply, tuple(self.messages), self.began, time.monotonic(), tuple(self.asked))


def _is_idle(messages: Sequence[Message]) -> bool:
    return any(m.type == "status" and m.content["execution_state"] == "idle" for m in messages)


class Kernel:
    """A running kernel; use `with running_kernel(…) as kernel`."""

    def __init__(self, manager: KernelManager, forked: bool = False) -> None:
        self.manager, self.forked = manager, forked
        self.client: BlockingKernelClient = manager.client()
        self._messages: list[Message] = []
        self._news = threading.Condition()
        self._closing = False
        self._session = self.client.session.clone()
        self._iopub = manager.connect_iopub()
        self._iopub.setsockopt(6, b"")  # zmq.SUBSCRIBE
        self._recording = _record()
        self._reader = threading.Thread(target=self._read, name="iopub", daemon=True)
        self._reader.start()
        self.client.start_channels(iopub=False)
        self._wait_until_ready()

    def run(self, code: str, *, timeout: float = 60, **how: Any) -> Execution:
        """Run a cell to its end; keywords as for `start`."""
        return self.start(code, **how).finish(timeout)

    def start(
        self,
        code: str,
        *,
        cell_id: str | None = None,
        stdin: Sequence[str] | None = None,
        history: bool = True,
        cells: Sequence[str] = (),
    ) -> Cell:
        """Send a cell as JupyterLab does with a `cell_id`, else as nbclient does.

        `stdin` are the answers to questions; None means that the frontend has no input, as in nbclient. `history=False` is how
        nbval runs every cell, and some extensions of JupyterLab what they run on the side. `cells` are the ids of all cells from top
        to bottom, as our page tells them.
        """
        metadata: dict[str, Any] = {}
        if cell_id is not None:
            metadata = {"trusted": True, "deletedCells": [], "recordTiming": False, "cellId": cell_id}
        if cells:
            metadata["claude_jupyter"] = {"notebook": "a.ipynb", "cells": list(cells)}
        content = {
            "code": code,
            "silent": False,
            "store_history": history,
            "user_expressions": {},
            "allow_stdin": stdin is not None or cell_id is not None,
            "stop_on_error": True,
        }
        message = self.client.session.msg("execute_request", content, metadata=metadata)
        cell = Cell(self, message["header"]["msg_id"], time.monotonic(), list(stdin or ()))
        self.client.shell_channel.send(message)
        return cell

    def complete(self, code: str, position: int | None = None, timeout: float = 30) -> Mapping[str, Any]:
        """The reply to a completion request."""
        content = {"code": code, "cursor_pos": len(code) if position is None else position}
        message = self.client.session.msg("complete_request", content)
        self.client.shell_channel.send(message)
        return self._shell_reply(message["header"]["msg_id"], timeout)

    def open_comm(self, target: str, data: Mapping[str, Any] | None = None) -> str:
        """Open a comm as the page does; its id."""
        content = {"comm_id": os.urandom(16).hex(), "target_name": target, "data": dict(data or {})}
        self.client.shell_channel.send(self.client.session.msg("comm_open", content))
        return str(content["comm_id"])

    def send_comm(self, comm: str, data: Mapping[str, Any], buffers: Sequence[bytes] = ()) -> None:
        """Send on a comm as the page does."""
        message = self.client.session.msg("comm_msg", {"comm_id": comm, "data": dict(data)})
        message["buffers"] = list(buffers)
        self.client.shell_channel.send(message)

    def close_comm(self, comm: str) -> None:
        """Close a comm as a page does that goes away."""
        self.client.shell_channel.send(self.client.session.msg("comm_close", {"comm_id": comm, "data": {}}))

    def interrupt(self) -> float:
        """Interrupt as the stop button does; when, on the monotonic clock."""
        self.manager.interrupt_kernel()
        return time.monotonic()

    def restart(self) -> None:
        """Restart as the toolbar's button does; wait until it answers."""
        self.manager.restart_kernel()
        self._wait_until_ready()

    def value(self, expression: str) -> Any:
        """The value of a Python expression in the kernel, by its literal representation."""
        import ast

        done = self.run(f"print('\\x02' + repr({expression}) + '\\x03')")
        assert done.ok, done.error
        return ast.literal_eval(done.stdout.split("\x02")[1].split("\x03")[0])

    def heard(self, parent: str | None = None) -> list[Message]:
        """All messages so far, or those of one cell."""
        with self._news:
            return [m for m in self._messages if parent is None or m.parent == parent]

    def forget(self) -> None:
        """Let go of what was heard so far: what a test of thousands of cells has looked at."""
        with self._news:
            self._messages.clear()

    def wait_for(self, condition: Callable[[], Any], timeout: float = 30, message: str = "") -> Any:
        """Wait until `condition()` is true; it is looked at whenever a message came."""
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            with self._news:
                self._news.wait(0.05)
            if time.monotonic() > deadline:
                raise TimeoutError(f"not seen within {timeout} s; last: {message or self._messages[-3:]}")
        return value

    def reply_to(self, cell: Cell, timeout: float) -> Mapping[str, Any]:
        """The reply to a cell; questions that come meanwhile are answered from its `stdin`."""
        return self._shell_reply(cell.id, timeout, cell)

    def close(self) -> None:
        """Shut down, hard if need be."""
        self._closing = True
        self._reader.join(5)
        self._iopub.close(linger=0)
        self._recording.close()
        self.client.stop_channels()
        with suppress(Exception):  # where it has ended already
            self._end_forked()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()

    def _end_forked(self) -> None:
        """Only now: who asked the fork server for a kernel would end before it, and what it writes last would surprise the next."""
        if self.forked:
            self.manager.signal_kernel(forkserver.END)
            deadline = time.monotonic() + 5
            while self.manager.is_alive() and time.monotonic() < deadline:
                time.sleep(0.005)

    def _wait_until_ready(self) -> None:
        # Sockets take a moment to connect to a kernel that has just started, and what it publishes before is not heard: ask until
        # the answer is heard on both (jupyter_client does the same).
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            message = self.client.session.msg("kernel_info_request", {})
            self.client.shell_channel.send(message)
            with suppress(TimeoutError):
                self._shell_reply(message["header"]["msg_id"], 5)
                self.wait_for(lambda asked=message["header"]["msg_id"]: self.heard(asked), 0.5)
                return
        raise TimeoutError("the kernel did not answer within 60 s of its start")

    def _shell_reply(self, msg_id: str, timeout: float, cell: Cell | None = None) -> Mapping[str, Any]:
        deadline = time.monotonic() + timeout
        answers = list(cell.stdin) if cell else []
        while time.monotonic() < deadline:
            if not self.manager.is_alive():
                raise RuntimeError("the kernel died")
            if cell is not None and self.client.stdin_channel.msg_ready():
                question = self.client.stdin_channel.get_msg(timeout=1)
                cell.asked.append(question["content"]["prompt"])
                self.client.input(answers.pop(0))
            if not self.client.shell_channel.socket.poll(50):
                continue
            message = self.client.shell_channel.get_msg(timeout=1)
            if message["parent_header"].get("msg_id") == msg_id:
                return message["content"]
        raise TimeoutError(f"no reply within {timeout} s")

    def _read(self) -> None:
        while not self._closing:
            if not self._iopub.poll(100):
                continue
            frames = self._iopub.recv_multipart()
            at = time.monotonic()
            _, parts = self._session.feed_identities(frames)
            if len(parts) < 2:
                continue
            message = self._session.deserialize(parts)
            if message["msg_type"] == "iopub_welcome":
                continue
            if message["msg_type"] != "execute_input":  # what the test itself typed
                self._recording.write(b"\n".join((*frames[-1 - len(message["buffers"]) :], b"")))
            heard = Message(
                message["msg_type"],
                message["content"],
                message["metadata"],
                message["parent_header"].get("msg_id"),
                sum(map(len, frames)),
                at,
                tuple(bytes(b) for b in message.get("buffers", ())),
            )
            with self._news:
                self._messages.append(heard)
                self._news.notify_all()


def _record() -> BinaryIO:
    """Where `tests/run` keeps what kernels say until `tests/secrets_audit.py` has searched it; else nowhere."""
    if "TESTS_SAID" not in os.environ:
        return Path(os.devnull).open("wb")
    descriptor, _ = tempfile.mkstemp(suffix=".jsonl", dir=os.environ["TESTS_SAID"])
    return os.fdopen(descriptor, "wb")


@contextmanager
def running_kernel(
    folder: Path, env: Mapping[str, str] | None = None, code: str = "", *, forked: bool = True
) -> Iterator[Kernel]:
    """A kernel started in `folder` with the tests' clean environment and `env` on top; `code` is run first.

    With `forked`, and where the environment allows it, it has imported already what would cost it seconds (`forkserver.py`).
    """
    environment = {**os.environ, **(env or {})}
    specs = KernelSpecManager()
    forked = forked and forkserver.suits(environment)
    if forked:
        specs.kernel_dirs = [str(forkserver.kernels_folder())]
    manager = KernelManager(kernel_name="python3", kernel_spec_manager=specs)
    manager.start_kernel(cwd=str(folder), env=environment)
    kernel = Kernel(manager, forked)
    try:
        if code:
            done = kernel.run(code, timeout=120)
            assert done.ok, done.error
        yield kernel
    finally:
        kernel.close()


def python() -> str:
    """The interpreter of the tests."""
    return sys.executable
