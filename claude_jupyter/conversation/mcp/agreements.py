"""The MCP servers that the user has allowed: digests of entries, in the folder of user data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from claude_jupyter.client.mcp.entry import ServerEntry
from claude_jupyter.files import write_whole

FILE: Final = "mcp_agreed.json"


class Agreements:
    """Entries of files that anybody may have written, and to which the user said yes.

    Parameters
    ----------
    folder
        The folder of user data; raises OSError if there is none: agreements then last as long as the kernel.
    """

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder = folder
        self._here: set[str] = set()

    def __contains__(self, entry: ServerEntry) -> bool:
        return entry.trusted or entry.key in self._here or entry.key in self._stored()

    def add(self, entry: ServerEntry) -> None:
        """Agree to this very entry: any change of it has to be agreed to again."""
        self._here.add(entry.key)
        try:
            write_whole(self._folder() / FILE, json.dumps(sorted({*self._stored(), entry.key}), indent=1))
        except OSError:
            return

    def _stored(self) -> set[str]:
        try:
            keys = json.loads((self._folder() / FILE).read_bytes())
        except (OSError, ValueError, RecursionError):
            return set()
        return {key for key in keys if isinstance(key, str)} if isinstance(keys, list) else set()
