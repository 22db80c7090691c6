"""`%claude_mcp`: the MCP servers of this notebook: list them, allow one, see its tools, stop it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from claude_jupyter.errors import UsageError
from claude_jupyter.magics.host import Host
from claude_jupyter.magics.line.words import unquoted, words
from claude_jupyter.options.option_values import did_you_mean

if TYPE_CHECKING:
    from claude_jupyter.conversation.mcp.servers import Servers

USAGE: Final = """%claude_mcp                list the MCP servers of the setting mcp and of .mcp.json next to the notebook
%claude_mcp allow NAME     allow this exact entry of a file to be started or contacted, from now on
%claude_mcp tools NAME     start it, and list its tools
%claude_mcp stop NAME      stop it
%%claude --mcp NAME        offer its tools in a question"""


_WORDS: Final = "list, allow, tools and stop"


def run(line: str, extension: Host) -> str:
    """Do what the line says.

    Returns
    -------
    str
        What was found or done.

    Raises
    ------
    UsageError
        For a word that does not exist.
    McpError
        For a server that does not exist, is not allowed, or cannot be started.
    """
    arguments = [unquoted(word.text) for word in words(line)]
    if arguments[:1] in (["--help"], ["-h"], ["help"]):
        return USAGE
    servers = extension.env.mcp
    assert servers is not None
    if not arguments or arguments == ["list"]:
        return _list(servers)
    word, *names = arguments
    if word not in COMMANDS:
        raise UsageError(f"%claude_mcp has no {word!r}{did_you_mean(word, WORDS) or f', only {_WORDS}'}")
    if len(names) != 1:
        raise UsageError(f"%claude_mcp {word} takes the name of one server")
    return COMMANDS[word](servers, names[0])


def _list(servers: Servers) -> str:
    entries = servers.entries()
    if not entries:
        return "No MCP servers: the setting mcp is empty, and there is no .mcp.json next to the notebook."
    width = max(map(len, entries))
    lines: list[str] = []
    for name, entry in entries.items():
        state = (
            "running"
            if servers.running(name)
            else "allowed"
            if entry in servers.agreements
            else "not allowed yet"
        )
        lines.append(f"{name:<{width}}  {state:<15}  would {servers.words(entry)} ({entry.source})")
    return "\n".join(lines)


def _allow(servers: Servers, name: str) -> str:
    entry = servers.entry(name)
    if entry in servers.agreements:
        return f"{name} is already allowed. Offer its tools with --mcp {name}."
    servers.agreements.add(entry)
    return f"Allowed from now on, as long as the entry stays the same: to {servers.words(entry)}. Nothing was started yet."


def _tools(servers: Servers, name: str) -> str:
    _, tools = servers.tools(servers.entry(name))
    if not tools:
        return f"{name} has no tools."
    width = max(len(tool.name) for tool in tools) + len(name) + 2
    return "\n".join(
        f"{f'{name}__{tool.name}':<{width}}  {'runs' if tool.read_only else 'asks first'}  {_summary(tool.description)}"
        for tool in tools
    )


def _summary(description: str) -> str:
    text = " ".join(description.split())
    return text if len(text) <= 80 else text[:79] + "…"


def _stop(servers: Servers, name: str) -> str:
    return f"{name} was stopped." if servers.stop(name) else f"{name} was not running."


COMMANDS: Final[Mapping[str, Callable[[Any, str], str]]] = {"allow": _allow, "tools": _tools, "stop": _stop}
WORDS: Final = ("list", *COMMANDS)
