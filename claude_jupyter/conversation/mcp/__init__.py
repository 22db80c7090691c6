"""The MCP servers of a kernel: which ones are configured, which ones the user has allowed, and their tools in a question."""
