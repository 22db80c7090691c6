"""A cable between a database's clients and its socket, which a test may cut, hold still, and mend."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from types import TracebackType

_RESET = struct.pack("ii", 1, 0)


class Cable:
    """Listens on a port of this machine and passes on to a Unix socket."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []
        self._is_cut = False
        self._flows = threading.Event()
        self._flows.set()
        self._last_words = b""
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Cable:
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._listener.close()
        self.cut()
        self._flows.set()

    def cut(self) -> None:
        """Reset all connections, and every new one."""
        self._is_cut = True
        while self._ends:
            _reset(self._ends.pop())

    def cut_after(self, words: bytes) -> None:
        """Pass these words on to the server, and cut before its reply."""
        self._last_words = words

    def hold(self) -> None:
        """Take everything, new connections too, and pass nothing on."""
        self._flows.clear()

    def mend(self) -> None:
        """Let it flow again."""
        self._is_cut, self._last_words = False, b""
        self._flows.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._is_cut:
                    _reset(client)
                    continue
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._path)
                self._ends += [client, server]
                threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, to_server: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._flows.wait()
                if to_server and self._last_words and self._last_words in data:
                    self._is_cut = True
                    target.sendall(data)
                    target.shutdown(socket.SHUT_WR)
                    while target.recv(65536):  # the server has done it; nobody hears
                        pass
                    self.cut()
                    return
                if self._is_cut and not to_server:
                    return
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    end.close()
