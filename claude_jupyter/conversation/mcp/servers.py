"""The MCP servers of this kernel: from the setting `mcp` and from `.mcp.json` next to the notebook, started when first needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from claude_jupyter.client.mcp.connection import Connection, ServedTool, check_installed
from claude_jupyter.client.mcp.entry import ServerEntry, entries
from claude_jupyter.client.transport import Stop
from claude_jupyter.conversation.mcp.agreements import Agreements
from claude_jupyter.errors import McpError
from claude_jupyter.options.option_values import did_you_mean
from claude_jupyter.settings import Settings, data_dir

BESIDE: Final = ".mcp.json"


class Servers:
    """The servers that a question may use.

    Parameters
    ----------
    folder
        The notebook's own.
    redact
        Text → the same without secrets.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path | None = None,
        redact: Callable[[str], str] = str,
        data: Callable[[], Path] = data_dir,
    ) -> None:
        self._settings = settings
        self._folder = (folder or Path()).absolute()
        self._redact = redact
        self._connections: dict[str, Connection] = {}
        self.agreements = Agreements(data)

    def entries(self) -> dict[str, ServerEntry]:
        """All entries by name; those of the setting come before those next to the notebook.

        Raises
        ------
        McpError
            For a file or entry that cannot be read.
        """
        beside = self._beside()
        setting: Any = self._settings.mcp
        if isinstance(setting, str):
            return beside | (self._file(setting) if setting else {})
        return beside | entries(setting, "the setting mcp", self._folder, trusted=True)

    def names(self) -> list[str]:
        """Names of the servers there are, for completion: none where they cannot be read."""
        try:
            return list(self.entries())
        except McpError:
            return []

    def entry(self, name: str) -> ServerEntry:
        """The entry of that name.

        Raises
        ------
        McpError
            If there is none, naming the nearest.
        """
        by_name = self.entries()
        if name in by_name:
            return by_name[name]
        if not by_name:
            raise McpError(
                f"There is no MCP server {name!r}: the setting mcp is empty, and there is no {BESIDE} next to the notebook."
            )
        near = did_you_mean(name, by_name) or f"; there are {', '.join(by_name)}."
        raise McpError(f"There is no MCP server {name!r}{near}")

    def words(self, entry: ServerEntry) -> str:
        """What it would start or contact, without secrets."""
        return self._redact(entry.words)

    def agreed(self, entry: ServerEntry, ask: Callable[[str], bool | None]) -> bool:
        """Whether it may be started, asking the user if need be."""
        if entry in self.agreements:
            return True
        question = f"{entry.source} would {self.words(entry)}, as the MCP server {entry.name}. Allow this from now on?"
        if not ask(question):
            return False
        self.agreements.add(entry)
        return True

    def connection(self, entry: ServerEntry, stop: Stop | None = None) -> Connection:
        """The running server, started where it is not; the user has to have agreed.

        Raises
        ------
        McpError
            If the user has not agreed, or it cannot be started.
        """
        if entry not in self.agreements:
            raise McpError(
                f"{entry.source} would {self.words(entry)}, as the MCP server {entry.name}. Nothing was started: "
                f"%claude_mcp allow {entry.name} allows it."
            )
        running = self._connections.get(entry.name)
        if running is not None:
            if running.alive and running.entry == entry:
                return running
            running.close(wait=False)
            del self._connections[entry.name]
        self._connections[entry.name] = opened = Connection(entry, stop)
        return opened

    def tools(
        self, entry: ServerEntry, stop: Stop | None = None
    ) -> tuple[Connection, tuple[ServedTool, ...]]:
        """The running server and its tools; one that died since the last question is started again.

        Raises
        ------
        McpError
            If it cannot be started or does not answer.
        """
        connection = self.connection(entry, stop)
        try:
            return connection, connection.tools(stop)
        except McpError:
            if connection.alive:
                raise
        connection = self.connection(entry, stop)
        return connection, connection.tools(stop)

    def running(self, name: str) -> bool:
        """Whether this server runs now."""
        connection = self._connections.get(name)
        return connection is not None and connection.alive

    def stop(self, name: str) -> bool:
        """End a server; whether it ran."""
        connection = self._connections.pop(name, None)
        if connection is None:
            return False
        connection.close()
        return True

    def _beside(self) -> dict[str, ServerEntry]:
        path = self._folder / BESIDE
        return self._read(path, f"{BESIDE} next to this notebook", trusted=False) if path.is_file() else {}

    def _file(self, name: str) -> dict[str, ServerEntry]:
        path = (self._folder / Path(name).expanduser()).absolute()
        # What lies in the notebook's folder may have come with it, whoever named it.
        inside = path.resolve().is_relative_to(self._folder.resolve())
        return self._read(path, path.name, trusted=not inside)

    def _read(self, path: Path, source: str, *, trusted: bool) -> dict[str, ServerEntry]:
        try:
            config = json.loads(path.read_bytes())
        except OSError as error:
            raise McpError(f"{source} cannot be read ({error.strerror}).") from None
        except (ValueError, RecursionError) as error:
            raise McpError(f"{source} is not JSON: {error}.") from None
        if not isinstance(config, Mapping):
            raise McpError(f'{source} must be an object: {{"mcpServers": {{name: entry}}}}.')
        return entries(config, source, path.parent, trusted=trusted)


__all__ = ["Servers", "check_installed"]
