"""A kernel in an alternative's environment, and a listener that counts what it says without keeping it.

`tests/support/kernel.py` parses and keeps every message; here a cell may send gigabytes, so only sizes, times and marks are kept.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from .alternatives import Alternative
from .environments import Home
from .stub import Stub

SMALL = 20_000
"""Bytes of a message's content up to which it is kept."""
SHOWN = (
    "stream",
    "display_data",
    "execute_result",
    "update_display_data",
    "error",
    "comm_open",
    "comm_msg",
    "comm_close",
)


@dataclass(frozen=True, slots=True)
class Heard:
    """One message on iopub: its type, its bytes on the wire, when it came, and its content if that is small."""

    type: str
    size: int
    at: float
    content: bytes = b""


@dataclass(slots=True)
class Run:
    """What one cell did.

    Attributes
    ----------
    marks
        When each mark was first seen in a message (monotonic seconds).
    stopped
        Whether it was interrupted because it took too long.
    """

    messages: list[Heard]
    marks: dict[str, float]
    cpu: float
    seconds: float
    stopped: bool = False
    error: str = ""

    @property
    def shown(self) -> list[Heard]:
        """What goes to the page: outputs and comms, without the kernel's own status."""
        return [m for m in self.messages if m.type in SHOWN]

    @property
    def printed(self) -> str:
        """What the cell printed, where it is short."""
        parts = (json.loads(m.content) for m in self.messages if m.type == "stream" and m.content)
        return "".join(part["text"] for part in parts if part["name"] == "stdout")


@dataclass(slots=True)
class _Listening:
    """What is being listened for."""

    parent: str = ""
    needles: tuple[str, ...] = ()
    messages: list[Heard] = field(default_factory=list[Heard])
    marks: dict[str, float] = field(default_factory=dict[str, float])
    idle: bool = False


class BenchKernel:
    """A kernel that is measured from outside; `opening` is what its first answer sent."""

    def __init__(self, manager: KernelManager) -> None:
        self.manager = manager
        self.client: BlockingKernelClient = manager.client()
        self._now = _Listening()
        self._closing = False
        self.opening: list[Heard] = []
        self._iopub = manager.connect_iopub()
        self._iopub.setsockopt(24, 0)  # zmq.RCVHWM: never drop
        self._iopub.setsockopt(6, b"")  # zmq.SUBSCRIBE
        self._reader = threading.Thread(target=self._read, name="iopub", daemon=True)
        self._reader.start()
        self.client.start_channels(iopub=False, stdin=False)
        self._process = psutil.Process(manager.provisioner.process.pid)  # type: ignore[union-attr]
        self._wait_until_ready()

    def cpu(self) -> float:
        """CPU seconds of the kernel's process so far, in all its threads."""
        times = self._process.cpu_times()
        return times.user + times.system

    def run(
        self, code: str, *, marks: Sequence[str] = (), longest: float = 120, cell_id: str = "bench"
    ) -> Run:
        """Run a cell as JupyterLab does; interrupt it after `longest` seconds."""
        metadata = {"trusted": True, "deletedCells": [], "recordTiming": False, "cellId": cell_id}
        content = {
            "code": code, "silent": False, "store_history": True, "user_expressions": {},
            "allow_stdin": False, "stop_on_error": True,
        }  # fmt: skip
        message = self.client.session.msg("execute_request", content, metadata=metadata)
        now = _Listening(message["header"]["msg_id"], tuple(marks))
        self._now = now
        cpu, began = self.cpu(), time.monotonic()
        self.client.shell_channel.send(message)
        reply = self._reply(now.parent, longest)
        stopped = reply is None
        if stopped:
            self.manager.interrupt_kernel()
            reply = self._reply(now.parent, 5)
        deadline = time.monotonic() + (1 if stopped else 10)
        while not now.idle and time.monotonic() < deadline:
            time.sleep(0.002)
        took = time.monotonic() - began
        error = ""
        if reply is not None and reply["status"] != "ok" and not stopped:
            error = f"{reply.get('ename', '')}: {reply.get('evalue', '')}".strip()
        return Run(list(now.messages), dict(now.marks), self.cpu() - cpu, took, stopped, error)

    def must(self, code: str, **how: Any) -> Run:
        """Run a cell that has to succeed."""
        done = self.run(code, **how)
        if done.error or done.stopped:
            raise RuntimeError(done.error or f"not done within the time: {code[:80]}")
        return done

    def close(self) -> None:
        """Shut down, hard."""
        self._closing = True
        self._reader.join(5)
        self._iopub.close(linger=0)
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            now = _Listening()
            self._now = now
            message = self.client.session.msg("kernel_info_request", {})
            now.parent = message["header"]["msg_id"]
            self.client.shell_channel.send(message)
            if self._reply(now.parent, 30) is not None:
                time.sleep(0.1)
                if now.messages or now.idle:
                    return
        raise TimeoutError("the kernel said nothing on iopub")

    def _reply(self, parent: str, timeout: float) -> Mapping[str, Any] | None:
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            if not self.manager.is_alive():
                raise RuntimeError("the kernel died")
            if not self.client.shell_channel.socket.poll(min(left, 0.5) * 1000):
                continue
            message = self.client.shell_channel.get_msg(timeout=1)
            if message["parent_header"].get("msg_id") == parent:
                return message["content"]
        return None

    def _read(self) -> None:
        while not self._closing:
            if not self._iopub.poll(100):
                continue
            frames = self._iopub.recv_multipart()
            at = time.monotonic()
            start = next((i for i, frame in enumerate(frames) if frame == b"<IDS|MSG>"), None)
            if start is None:
                continue
            header, parent = json.loads(frames[start + 2]), json.loads(frames[start + 3])
            now = self._now
            if parent.get("msg_id") != now.parent:
                continue
            body = frames[start + 5]
            for needle in now.needles:
                if needle not in now.marks and any(needle.encode() in frame for frame in frames[start + 5 :]):
                    now.marks[needle] = at
            kept = body if len(body) <= SMALL else b""
            now.messages.append(Heard(header["msg_type"], sum(map(len, frames)), at, kept))
            if header["msg_type"] == "status" and b'"idle"' in body:
                now.idle = True


def write_spec(folder: Path, name: str, home: Home, env: Mapping[str, str]) -> None:
    """A kernelspec for an environment, in `folder`/`name`."""
    argv = [str(home.python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (folder / name).mkdir(parents=True, exist_ok=True)
    spec = {"argv": argv, "display_name": name, "language": "python", "env": dict(env)}
    (folder / name / "kernel.json").write_text(json.dumps(spec))


def spec_name(alternative: Alternative) -> str:
    """The kernelspec's name: letters and hyphens only."""
    return "bench-" + "".join(c if c.isalnum() else "-" for c in alternative.name.lower())


def variables(alternative: Alternative, url: str, folder: Path) -> dict[str, str]:
    """The environment of an alternative's kernel: the stub server, no proxy, data in `folder`."""
    told = {name: value.replace("{url}", url) for name, value in alternative.variables.items()}
    return told | {
        "CLAUDE_JUPYTER_DATA_DIR": str(folder / "data"),
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


@contextmanager
def kernel(alternative: Alternative, home: Home, url: str, folder: Path) -> Iterator[BenchKernel]:
    """A warm kernel: what a frontend does by itself has been done, nothing is loaded."""
    specs, place = folder / "kernels", folder / spec_name(alternative)
    place.mkdir(parents=True, exist_ok=True)
    env = variables(alternative, url, place)
    write_spec(specs, spec_name(alternative), home, env)
    found = KernelSpecManager(kernel_dirs=[str(specs)], ensure_native_kernel=False)
    manager = KernelManager(kernel_name=spec_name(alternative), kernel_spec_manager=found)
    # What a kernel says on its own streams (how it is connected, warnings at import) is not a part of the table.
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    manager.start_kernel(cwd=str(place), env={**os.environ, **env}, **quiet)
    running = BenchKernel(manager)
    try:
        running.must("import json, os\n1 + 1")
        yield running
    finally:
        running.close()


@contextmanager
def ready(alternative: Alternative, home: Home, stub: Stub, folder: Path) -> Iterator[BenchKernel]:
    """A kernel that is ready to ask, and has asked once."""
    with kernel(alternative, home, stub.url, folder) as running:
        running.must(alternative.load)
        if alternative.setup:
            running.must(alternative.setup)
        stub.say(200, 0)
        done = running.must(asking(alternative, "Warm up."))
        running.opening.extend(done.shown)
        yield running


def asking(alternative: Alternative, prompt: str) -> str:
    """The cell that asks this."""
    return alternative.ask.replace("PROMPT", prompt)
