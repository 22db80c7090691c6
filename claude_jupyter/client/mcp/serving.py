"""Serves tools over standard input and output, with the MCP SDK."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Called = Callable[[str, Mapping[str, Any]], tuple[Sequence[Mapping[str, Any]], bool]]
"""A tool's name and arguments → content blocks as the Messages API has them, and whether the call failed."""


def serve(
    name: str,
    version: str,
    instructions: str,
    tools: Sequence[Mapping[str, Any]],
    called: Called,
    closed: Callable[[], None],
) -> None:
    """Serve these tools until standard input ends.

    Parameters
    ----------
    tools
        As the Messages API takes them. Those that only read are all but `run_cell`, which proposes.
    called
        Runs a call, on a thread of its own.
    closed
        Told once standard input has ended, so that no call waits any longer.
    """
    import anyio
    from mcp import types
    from mcp.server.lowlevel import Server
    from mcp.server.stdio import stdio_server

    async def list_tools(_context: Any, _params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_tool(tool, types) for tool in tools])

    async def call_tool(_context: Any, params: Any) -> types.CallToolResult:
        blocks, failed = await anyio.to_thread.run_sync(
            called, params.name, params.arguments or {}, abandon_on_cancel=True
        )
        return types.CallToolResult(content=[_block(b, types) for b in blocks], is_error=failed)

    server: Server[Any] = Server(
        name, version=version, instructions=instructions, on_list_tools=list_tools, on_call_tool=call_tool
    )

    async def run() -> None:
        async with stdio_server() as (reading, writing):
            try:
                await server.run(reading, writing, server.create_initialization_options())
            finally:
                closed()

    anyio.run(run)


def _tool(tool: Mapping[str, Any], types: Any) -> Any:
    proposes = tool["name"] == "run_cell"
    return types.Tool(
        name=tool["name"],
        description=tool["description"],
        input_schema=tool["input_schema"],
        annotations=types.ToolAnnotations(
            read_only_hint=not proposes,
            destructive_hint=False if proposes else None,
            open_world_hint=False,
        ),
    )


def _block(block: Mapping[str, Any], types: Any) -> Any:
    if block["type"] == "text":
        return types.TextContent(type="text", text=block["text"])
    source = block["source"]
    if block["type"] == "image" and source["type"] == "base64":
        return types.ImageContent(type="image", data=source["data"], mime_type=source["media_type"])
    if source["type"] == "base64":
        resource = types.BlobResourceContents(
            uri="attachment://document", blob=source["data"], mime_type=source["media_type"]
        )
        return types.EmbeddedResource(type="resource", resource=resource)
    return types.TextContent(type="text", text=str(source.get("data") or source.get("url") or ""))
