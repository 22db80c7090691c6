"""`claude-jupyter mcp`: lets a coding agent use this user's kernels, over standard input and output."""
