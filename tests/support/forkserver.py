"""Kernels forked from one process that has imported what nearly every kernel imports: a start costs a tenth of the processor's time.

jupyter_client starts `forked_kernel.py` where it would start ipykernel. That asks this server for a kernel, forwards signals to it
and ends with it (`END` kills the kernel first). The kernel has a session, an environment, a folder and outputs of its own, and
runs ipykernel from its first line.
"""

from __future__ import annotations

import array
import atexit
import functools
import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from ipykernel.kernelspec import get_kernel_dict

PRELOADED: Final = (
    "ipykernel.kernelapp", "ipykernel.zmqshell", "IPython.core.completer", "anthropic", "anthropic.resources.beta",
    "pandas", "matplotlib.figure", "matplotlib.font_manager", "ipywidgets", "anywidget", "httpcore2", "h11", "anyio", "genai_prices",
    "truststore",
)  # fmt: skip
OF_THE_START: Final = ("PYTHON", "LANG", "LC_", "LD_", "MPL", "OPENBLAS", "OMP")
"""Prefixes of environment variables that are read only at startup or import."""
END: Final = getattr(signal, "SIGUSR1", signal.SIGTERM)  # Windows has no such signal, and forks nothing
CLIENT: Final = Path(__file__).with_name("forked_kernel.py")


def suits(env: Mapping[str, str]) -> bool:
    """Whether a kernel with this environment can be forked from a process with ours; never in a benchmark, which pytest does not run."""
    names = {name for name in {*env, *os.environ} if name.startswith(OF_THE_START)}
    same = all(env.get(name) == os.environ.get(name) for name in names)
    return same and sys.platform == "linux" and "pytest" in sys.modules


@functools.cache
def kernels_folder() -> Path:
    """A folder of kernelspecs whose `python3` is forked; the server starts with it and ends with this process."""
    folder = Path(tempfile.mkdtemp(prefix="claude-jupyter-kernels-"))
    address = folder / "socket"
    begin = (
        f"import sys; sys.path.insert(1, {str(CLIENT.parents[1])!r}); from support.forkserver import serve; "
        f"del sys.path[1]; serve({str(address)!r})"
    )
    # Its standard input ends with this process, whichever way that ends.
    server = subprocess.Popen(
        [sys.executable, "-c", begin], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert server.stdout is not None
    if server.stdout.readline() != b"ready\n":
        raise RuntimeError("the fork server of the kernels did not start")
    start = [sys.executable, "-I", "-S", str(CLIENT), str(address), "-f", "{connection_file}"]
    spec = {**get_kernel_dict(), "argv": start}
    (folder / "python3").mkdir()
    (folder / "python3" / "kernel.json").write_text(json.dumps(spec))
    atexit.register(_end, server, folder)
    return folder


def _end(server: subprocess.Popen[bytes], folder: Path) -> None:
    assert server.stdin is not None
    server.stdin.close()
    server.wait(10)
    shutil.rmtree(folder, ignore_errors=True)


def serve(address: str) -> NoReturn:
    """Fork kernels until standard input ends. Never returns: a forked child runs ipykernel and exits."""
    # Both are read at import: what ipykernel sets before matplotlib is imported, and whose end a kernel watches for.
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    os.environ["JPY_PARENT_PID"] = str(os.getpid())
    for module in PRELOADED:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    print("ready", flush=True)
    kernels: list[_Forked] = []
    while True:
        waited = [0, listener, *(k.client for k in kernels), *(k.end for k in kernels)]
        ready, _, _ = select.select(waited, [], [])
        if 0 in ready:
            os._exit(0)  # the kernels see the end of their parent
        for kernel in [k for k in kernels if k.client in ready or k.end in ready]:
            kernel.finish(killed=kernel.client in ready)
            kernels.remove(kernel)
        if listener not in ready:
            continue
        client, _ = listener.accept()
        request, files = _received(client)
        if request is not None:
            pid = os.fork()
            if pid == 0:
                for inherited in (listener, *kernels):
                    inherited.close()
                _become_kernel(request, files, client)
            kernels.append(_Forked(pid, client, os.pidfd_open(pid)))
        for file in files:
            os.close(file)


@dataclass(frozen=True, slots=True)
class _Forked:
    """A kernel; `end` is a descriptor that is ready once it has ended, `client` is ready once who asked for it was killed."""

    pid: int
    client: socket.socket
    end: int

    def finish(self, killed: bool) -> None:
        if killed:
            with suppress(ProcessLookupError):  # it may not have become its group's leader yet
                os.killpg(self.pid, signal.SIGKILL)
            os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        with suppress(OSError):
            self.client.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
        self.close()

    def close(self) -> None:
        self.client.close()
        os.close(self.end)


def _received(client: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """What a client sent: None where it was killed meanwhile."""
    files = array.array("i")
    data, ancillary, *_ = client.recvmsg(1 << 20, socket.CMSG_SPACE(3 * files.itemsize))
    for *_, sent in ancillary:
        files.frombytes(sent)
    while data and not data.endswith(b"\n"):
        more = client.recv(1 << 20)
        data = data + more if more else b""
    return (json.loads(data) if data else None), list(files)


def _become_kernel(request: dict[str, Any], files: list[int], client: socket.socket) -> NoReturn:
    """What a process that is started has already: a session, outputs, an environment, a folder; then ipykernel."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with client, suppress(OSError):  # it may have been killed meanwhile: the server sees that
        client.sendall(b"%d\n" % os.getpid())
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    time.tzset()
    sys.modules["numpy"].random.seed()
    sys.argv = ["ipykernel_launcher.py", *request["argv"]]
    sys.path.remove("")
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance()
    sys.exit(0)
