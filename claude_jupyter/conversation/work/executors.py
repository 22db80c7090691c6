"""How a proposed cell is run: below the asking cell, by the page or as the next input; or within it if there is no frontend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from claude_jupyter.content.cells.recorder import Recorder
from claude_jupyter.conversation.work.page import Page
from claude_jupyter.conversation.work.step_result import Outcome
from claude_jupyter.conversation.work.work import CannotRunError, Step
from claude_jupyter.kernel.checkpoint import Checkpoint
from claude_jupyter.kernel.headless import fenced_code, run_here


@dataclass(frozen=True, slots=True)
class Below:
    """The cell is below and waits; the page runs it by itself where the step is automatic."""

    page: Page
    cell: Callable[[], str | None]
    next_input: Callable[[str], bool]
    say: Callable[[str], None]
    get_ready: Callable[[], None]

    def run(self, step: Step) -> None:
        """Put it there; while the first one waits, prepare for an interrupt."""
        if step.number == 1:
            self.get_ready()
        if self.page.propose(step, self.cell()):
            return
        # After a cell that failed JupyterLab takes no next input: then the correction is here to be copied.
        accepted = self.next_input(step.proposal.source)
        if accepted:
            self.page.next_inputs.add((step.work, step.number))
        show = not accepted or step.replaces
        code = f"\n\n{fenced_code(step.proposal.source)}" if show else ""
        self.say(
            f"*Claude proposes the next cell, below: {_markdown(step.line)}. Run it, edit it first, or answer it: "
            f"`%claude no, use the median`.*{code}"
        )


@dataclass(frozen=True, slots=True)
class Within:
    """The code runs within the asking cell, if no approval is needed."""

    ip: Any
    recorder: Recorder
    show: Callable[[str], None]
    checkpoint: Callable[[Step], Checkpoint]

    def run(self, step: Step) -> Outcome:
        """Run it now.

        Raises
        ------
        CannotRunError
            If it would wait for a person.
        """
        if not step.automatic:
            raise CannotRunError(
                f"Claude stopped here: step {step.number} ({step.proposal.title}) needs your approval ({step.line}), "
                "and nobody can approve it in this frontend."
            )
        self.show(fenced_code(step.proposal.source))
        checkpoint, mark = self.checkpoint(step), self.recorder.mark()
        ran = run_here(self.ip, step.proposal.source)
        record = self.recorder.since(mark, step.proposal.source, ran.error)
        return Outcome(record, ran.error, "", checkpoint.changes(self.ip.user_ns), ran.seconds)


def _markdown(text: str) -> str:
    """Text escaped so that Markdown shows it as plain text."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>$|#" else letter for letter in text)
