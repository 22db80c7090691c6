"""`%claude_fix`: the last error explained, the corrected cell put below with a diff. It is never run by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from claude_jupyter.display.diff import difference
from claude_jupyter.errors import UsageError
from claude_jupyter.magics.parse import parse_line, with_objects
from claude_jupyter.turns import Answer

USAGE = """%claude_fix                  explain the last error, and put the corrected cell below with what changed; it is never run
%claude_fix HINT             the same, with a word from you: %claude_fix keep the loop
%claude_fix -m opus HINT     options as for %claude; %claude --help lists them
%claude_fix --background     the answer and what changed arrive while the kernel is free; you insert the cell yourself"""

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
        Where no cell has failed since the extension was loaded, or for an option that does not go with a correction.
    ClaudeError
        As `claude.ask`.
    """
    asked = parse_line(line, may_be_empty=True)
    if asked.help:
        print(USAGE)  # noqa: T201
        return
    if asked.options.returns is not None:
        raise UsageError(
            "%claude_fix gives a corrected cell; -r asks for something else: use %%claude -e -r …"
        )
    failed = home.recorder.failed()
    if failed is None:
        raise UsageError("no cell has failed since %load_ext claude_jupyter: there is nothing to fix")
    space: dict[str, Any] = home.ip.user_ns
    options = with_objects(replace(asked.options, error=True), space)
    prompt = f"{_PROMPT}\n\n{asked.prompt}" if asked.prompt else _PROMPT

    def finished(answer: Answer) -> None:
        if options.out:
            space[options.out] = answer
        code = corrected(answer)
        if code is None:
            home.shell.warn("the answer holds no corrected cell.")
        elif code.strip() == failed.source.strip():
            home.shell.warn("the corrected cell is the one that failed; nothing was put below.")
        else:
            home.shell.publish(*difference(failed.source, code))
            if options.background:
                home.shell.warn(
                    "the corrected cell stands in the answer above: a cell that has returned cannot put one below itself. "
                    "Insert it with the button on its code, or copy it."
                )
            else:
                home.shell.insert(code, answer)

    home.claude.question(prompt, (), options, labels=(), finished=finished)


def corrected(answer: Answer) -> str | None:
    """The last block of code in the answer: explanations may quote code before it."""
    return answer.codes[-1] if answer.codes else None
