"""One entry of an MCP configuration, in the format of `.mcp.json`: what would be started or contacted.

The format is the one of Claude Code: https://docs.claude.com/en/docs/claude-code/mcp
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from claude_jupyter.errors import McpError

TIMEOUT: Final = 60.0
"""Seconds that a server has for one answer, if its entry does not say otherwise."""

_TEXTS: Final = ("command", "url", "type", "cwd")
_MAPPINGS: Final = ("env", "headers")
_TYPES: Final = ("stdio", "http", "streamable-http", "sse")
_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class ServerEntry:
    """A server as it is configured.

    Attributes
    ----------
    config
        As in the file: `command`, `args`, `env`, `cwd`, or `url`, `headers`, `type`; and `timeout` in seconds.
    source
        Where it was found, as messages call it.
    folder
        The folder it belongs to: where its program starts.
    trusted
        Whether the user wrote it: what lies in a notebook's folder may come from anybody.
    """

    name: str
    config: Mapping[str, Any]
    source: str
    folder: Path
    trusted: bool = True

    @property
    def key(self) -> str:
        """Digest of all that decides what would be started or contacted, for the user's agreement."""
        content = json.dumps([self.name, str(self.folder), self.config], sort_keys=True)
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def words(self) -> str:
        """What it starts or contacts, in one line; of environment and headers the names only."""
        config = self.config
        if url := config.get("url"):
            return f"contact {url}{_names(' with the headers', config.get('headers'))}"
        line = " ".join([config["command"], *config.get("args", ())])
        inside = f" in {config['cwd']}" if config.get("cwd") else ""
        return f"run `{line}`{inside}{_names(' with the environment', config.get('env'))}"

    @property
    def timeout(self) -> float:
        """Seconds that it has for one answer."""
        return float(self.config.get("timeout") or TIMEOUT)

    def expanded(self, environ: Mapping[str, str] = os.environ) -> Mapping[str, Any]:
        """The configuration with `${NAME}` and `${NAME:-default}` replaced.

        Raises
        ------
        McpError
            For a variable that is not set.
        """

        def value(match: re.Match[str]) -> str:
            default: str | None = match[2]
            text = environ.get(match[1], default)
            if text is None:
                raise McpError(
                    f"The MCP server {self.name} needs the environment variable {match[1]}, which is not set."
                )
            return text

        def replaced(item: Any) -> Any:
            if isinstance(item, str):
                return _VARIABLE.sub(value, item)
            if isinstance(item, list):
                return [replaced(part) for part in cast("list[Any]", item)]
            if isinstance(item, Mapping):
                return {key: replaced(part) for key, part in cast("Mapping[str, Any]", item).items()}
            return item

        return replaced(self.config)


def entries(config: Mapping[str, Any], source: str, folder: Path, *, trusted: bool) -> dict[str, ServerEntry]:
    """The entries of a configuration by name.

    Raises
    ------
    McpError
        For an entry that cannot be read, saying what it takes.
    """
    servers = config.get("mcpServers", config)
    if not isinstance(servers, Mapping):
        raise McpError(f"mcpServers in {source} must be an object that maps names to entries.")
    by_name: dict[str, ServerEntry] = {}
    for name, entry in cast("Mapping[Any, Any]", servers).items():
        problem = _problem(entry)
        if problem:
            raise McpError(f"The MCP server {name} in {source}: {problem}.")
        by_name[str(name)] = ServerEntry(str(name), dict(entry), source, folder, trusted)
    return by_name


def _problem(value: Any) -> str:
    if not isinstance(value, Mapping):
        return 'an entry must be an object with "command" or "url"'
    config = cast("Mapping[str, Any]", value)
    if ("command" in config) == ("url" in config):
        return 'an entry must have either "command" (a program to start) or "url" (a server to contact)'
    for name in _TEXTS:
        if name in config and not (isinstance(config[name], str) and config[name].strip()):
            return f'"{name}" must be a non-empty string'
    if config.get("type", "stdio") not in _TYPES:
        return f'"type" must be one of {", ".join(_TYPES)}, not {config["type"]!r}'
    arguments = config.get("args", [])
    if not isinstance(arguments, list) or not all(isinstance(a, str) for a in cast("list[Any]", arguments)):
        return '"args" must be a list of strings'
    for name in _MAPPINGS:
        values = config.get(name, {})
        if not isinstance(values, Mapping) or not all(
            isinstance(v, str) for v in cast("Mapping[Any, Any]", values).values()
        ):
            return f'"{name}" must be an object whose values are strings'
    if "url" in config and not re.match(r"https?://[^/\s]|\$\{", config["url"]):
        return '"url" must begin with http:// or https://'
    timeout = config.get("timeout", TIMEOUT)
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < 86_400:
        return '"timeout" must be a number of seconds above 0'
    return ""


def _names(before: str, values: Any) -> str:
    return f"{before} {', '.join(values)}" if values else ""
