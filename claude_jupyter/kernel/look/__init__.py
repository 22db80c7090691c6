"""The tools that let Claude look around in this kernel, one file each. `tool.py` defines what a tool is."""

from claude_jupyter.kernel.look.tool import Here, LookTool, Result

__all__ = ["Here", "LookTool", "Result"]
