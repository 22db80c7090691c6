"""Connections to MCP servers, on a separate thread."""
