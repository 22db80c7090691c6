"""Which look tools there are: our own, and those of other packages by the entry points `claude_jupyter.look`."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import entry_points
from typing import Any, Final

from claude_jupyter.kernel.look.cells import Cells
from claude_jupyter.kernel.look.documentation import Help
from claude_jupyter.kernel.look.query import Query
from claude_jupyter.kernel.look.show import Show
from claude_jupyter.kernel.look.tool import LookTool, definition
from claude_jupyter.kernel.look.variables import Variables

GROUP: Final = "claude_jupyter.look"
OWN: Final[tuple[LookTool, ...]] = (Variables(), Show(), Query(), Cells(), Help())


@lru_cache(maxsize=1)
def look_tools() -> tuple[tuple[LookTool, ...], tuple[str, ...]]:
    """The tools, and a line on each entry point that could not be loaded."""
    tools: dict[str, LookTool] = {tool.name: tool for tool in OWN}
    problems: list[str] = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            tool = _instance(point.load())
            definition(tool)
        except Exception as error:  # another package's fault must not cost the user the question
            problems.append(f"The look tool {point.name} cannot be loaded ({type(error).__name__}).")
            continue
        if tool.name in tools:
            problems.append(f"The look tool {point.name} is left out: {tool.name} is taken.")
        else:
            tools[tool.name] = tool
    return tuple(tools.values()), tuple(problems)


def _instance(loaded: Any) -> LookTool:
    return loaded() if isinstance(loaded, type) else loaded
