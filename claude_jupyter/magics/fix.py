"""`%claude_fix`: the last error explained, and the corrected cell with what changed. It is never run by itself.

With the JupyterLab extension it is put where the user says, in place of the failing cell or below; elsewhere below.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from claude_jupyter.answer.model import Answer
from claude_jupyter.content.cells import page_cells
from claude_jupyter.display.diff import correction, difference
from claude_jupyter.errors import UsageError
from claude_jupyter.magics.host import Host
from claude_jupyter.magics.line.parse import parse_line, with_objects
from claude_jupyter.options.option_values import CellReference

if TYPE_CHECKING:
    from claude_jupyter.content.cells.cell_records import Cell
    from claude_jupyter.content.cells.recorder import Recorder
    from claude_jupyter.display.shell import Shell

USAGE = """%claude_fix                  explain the last error and insert the corrected cell below, with a diff; it is never run
%claude_fix HINT             the same, with a hint from you: %claude_fix keep the loop
%claude_fix --cell 7         the error of that cell, by the number next to it or its id
%claude_fix -m opus HINT     options as for %claude; %claude --help lists them
%claude_fix --background     the answer and the diff arrive while the kernel stays free; you insert the cell yourself"""

_PROMPT = (
    "The cell above failed. Explain the error in a sentence or two, then give the whole corrected cell in one fenced "
    "Python block, changing nothing that the error does not ask for."
)


def fix(line: str, extension: Host) -> None:
    """Ask about the last error, show what would change, put the corrected cell below.

    Parameters
    ----------
    line
        Options of `%claude`, and a hint in words.

    Raises
    ------
    UsageError
        If no cell has failed since the extension was loaded, or for an option that does not go with a correction.
    ClaudeError
        As `claude.ask`.
    """
    parsed = parse_line(line, may_be_empty=True)
    if parsed.help:
        print(USAGE)  # noqa: T201
        return
    if parsed.options.returns is not None:
        raise UsageError(
            "%claude_fix returns a corrected cell, so it does not accept -r: use %%claude -e -r …"
        )
    recorder = extension.recorder
    assert recorder is not None
    failed = _failed(parsed.options.cell, recorder)
    space: dict[str, Any] = extension.ip.user_ns
    # The last error itself has the variables of its frames; of an earlier one there is what its cell showed.
    last = failed == recorder.failed() or recorder.is_last_failure(failed)
    reference = CellReference(failed.id or str(failed.count))
    pointed = (
        replace(parsed.options, error=True, cell=None) if last else replace(parsed.options, cell=reference)
    )
    options = with_objects(pointed, space)
    prompt = f"{_PROMPT}\n\n{parsed.prompt}" if parsed.prompt else _PROMPT

    def finished(answer: Answer) -> None:
        if options.out:
            space[options.out] = answer
        _show(extension.shell, failed, answer, background=options.background)

    extension.claude.question(prompt, (), options, labels=(), finished=finished)


def _show(shell: Shell, failed: Cell, answer: Answer, *, background: bool) -> None:
    """What would change, and the corrected cell where it can be put."""
    code = corrected(answer)
    if code is None:
        shell.warn("the answer contains no corrected cell.")
    elif code.strip() == failed.source.strip():
        shell.warn("the corrected cell is the same as the one that failed, so no cell was added.")
    elif page_cells.places_corrections():
        shell.publish(*correction(failed.id, failed.source, code))
    else:
        shell.publish(*difference(failed.source, code))
        if not background:
            shell.insert(code, answer)
            return
        shell.warn(
            "the corrected cell is in the answer above: a cell that has returned cannot insert one below itself. "
            "Insert it with the button on its code, or copy it."
        )


def _failed(reference: CellReference | None, recorder: Recorder) -> Cell:
    if reference is None:
        failed = recorder.failed()
        if failed is None:
            raise UsageError("no cell has failed since %load_ext claude_jupyter: there is nothing to fix")
        return failed
    cell = recorder.find(reference.cell)
    if not cell.error:
        raise UsageError(f"{cell.label} did not fail when it ran last: there is nothing to fix")
    return cell


def corrected(answer: Answer) -> str | None:
    """The last block of code in the answer: explanations may quote code before it."""
    return answer.codes[-1] if answer.codes else None
