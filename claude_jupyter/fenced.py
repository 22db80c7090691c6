"""The code in Markdown: what of it a cell can run."""

from __future__ import annotations

import re
from typing import Final

_FENCE: Final = re.compile(
    r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>[\w+#.-]*)[^\n]*\n"
    r"(?P<code>.*?)^[ \t]*(?P=fence)[`~]*[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
_PYTHON: Final = frozenset(("python", "python3", "py", "py3", "ipython", "ipython3"))


def codes(text: str) -> tuple[str, ...]:
    """The code of each fenced block that is Python; where none is marked so, of those without a mark, else of all."""
    blocks = [(m["language"].lower(), _dedented(m["code"], len(m["indent"]))) for m in _FENCE.finditer(text)]
    python = [code for language, code in blocks if language in _PYTHON]
    unmarked = [code for language, code in blocks if not language]
    return tuple(python or unmarked or [code for _, code in blocks])


def _dedented(code: str, width: int) -> str:
    """The lines of a fenced block without the indentation of the list item it stands in."""
    lines = code.rstrip("\n").split("\n")
    return "\n".join(line[min(width, len(line) - len(line.lstrip(" \t"))) :] for line in lines)
