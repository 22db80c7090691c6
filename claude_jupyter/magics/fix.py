"""`%claude_fix`: the last error explained, the corrected cell put below with a diff. It is never run by itself."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import Any

from claude_jupyter.display.inert import inert
from claude_jupyter.errors import UsageError
from claude_jupyter.magics.parse import Asked, parse_line
from claude_jupyter.options import Options
from claude_jupyter.turns import Answer

_PROMPT = (
    "The cell above failed. Explain the error in a sentence or two, then give the whole corrected cell in one fenced "
    "Python block, changing nothing that the error does not ask for."
)


def fix(line: str, home: Any) -> None:
    """Ask about the last error, show what would change, put the corrected cell below.

    Parameters
    ----------
    line
        Options of `%claude`, and a hint in words.

    Raises
    ------
    UsageError
        Where no cell has failed since the extension was loaded.
    ClaudeError
        As `claude.ask`.
    """
    asked = parse_line(line) if line.strip() else Asked()
    failed = next((c for c in reversed(home.recorder.cells()) if c.error), None)
    if failed is None:
        raise UsageError("no cell has failed since %load_ext claude_jupyter: there is nothing to fix")
    options: Options = replace(asked.options, error=True)
    prompt = f"{_PROMPT}\n\n{asked.prompt}" if asked.prompt else _PROMPT

    def finished(answer: Answer) -> None:
        code = corrected(answer)
        if code is None:
            home.shell.warn("the answer holds no corrected cell.")
        elif code.strip() == failed.source.strip():
            home.shell.warn("the corrected cell is the one that failed; nothing was put below.")
        else:
            home.shell.publish(*difference(failed.source, code))
            home.shell.insert(code, answer)

    home.claude.question(prompt, (), options, labels=(), finished=finished)


def corrected(answer: Answer) -> str | None:
    """The last fenced block of the answer: explanations may quote code before it."""
    return answer.codes[-1] if answer.codes else None


def difference(before: str, after: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What would change, as a mimebundle."""
    lines = difflib.unified_diff(
        before.splitlines(),
        after.splitlines(),
        "the cell that failed",
        "the corrected cell",
        lineterm="",
        n=2,
    )
    text = "\n".join(lines)
    fence = "`" * max(3, 1 + max((len(run) for run in _ticks(text)), default=0))
    return {"text/markdown": inert(f"{fence}diff\n{text}\n{fence}"), "text/plain": text}, {}


def _ticks(text: str) -> list[str]:
    import re

    return re.findall(r"`+", text)
