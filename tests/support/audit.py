"""What Python's own audit hook sees of a kernel: files written, processes, connections, each with the cell that ran then."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.kernel import Kernel

INSTALL = r"""
def _watch():
    import os, sys
    effects, running = [], []
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    seen = {
        "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "os.spawn",
        "os.startfile", "os.chmod", "os.chown", "os.link", "os.symlink", "os.truncate", "os.utime", "subprocess.Popen", "shutil.copyfile",
        "shutil.move", "shutil.rmtree", "shutil.make_archive", "socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo",
        "socket.gethostbyname", "urllib.Request", "ftplib.connect", "smtplib.connect", "http.client.connect", "sqlite3.connect",
        "tempfile.mkstemp", "tempfile.mkdtemp", "webbrowser.open", "ctypes.dlopen", "pty.spawn", "os.kill", "signal.pthread_kill",
    }

    def audit(event, args):
        if event == "open":
            path, mode, flags = args
            if isinstance(path, int) or not (set(mode or "") & set("wax+") or (flags or 0) & writing):
                return
            what = os.path.abspath(os.fsdecode(path))
        elif event in seen:
            what = ascii(args)[:300]
        else:
            return
        effects.append((event, what, running[-1] if running else ""))

    class Watched:
        def began(self, info):
            running.append(info.raw_cell)

        def ended(self, result):
            running and running.pop()

    watched = Watched()
    get_ipython().events.register("pre_run_cell", watched.began)
    get_ipython().events.register("post_run_cell", watched.ended)
    sys.addaudithook(audit)
    return effects

_effects = _watch()
del _watch
"""
"""Run before the extension is loaded: what it does after a cell then counts as nobody's."""
SEEN = "(_effects[:], _effects.clear())[0]"
"""An expression: what was seen since the last look."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that reached beyond the kernel."""

    event: str
    what: str
    cell: str


def without_approval(
    kernel: Kernel, approved: Collection[str], ours: Sequence[str | Path], port: int
) -> list[Effect]:
    """Effects that no approved cell had, since the last look.

    Parameters
    ----------
    approved
        Sources of the cells that the user ran.
    ours
        Folders in which the package, IPython and the libraries keep their own files.
    port
        Of the server that is asked.
    """
    return unapproved(kernel.value(SEEN), approved, ours, port)


def unapproved(
    audited: Iterable[Sequence[str]], approved: Collection[str], ours: Sequence[str | Path], port: int
) -> list[Effect]:
    """As `without_approval`, of the value of `SEEN`."""
    effects = [Effect(*e) for e in audited]
    return [e for e in effects if e.cell not in approved and not _is_ours(e, ours, port)]


def _is_ours(effect: Effect, ours: Sequence[str | Path], port: int) -> bool:
    if effect.event in ("socket.connect", "socket.getaddrinfo", "http.client.connect", "urllib.Request"):
        return str(port) in effect.what
    if effect.event == "ctypes.dlopen":
        return True  # libraries being imported; nothing is called by that
    return "__pycache__" in effect.what or any(str(folder) in effect.what for folder in ours)
