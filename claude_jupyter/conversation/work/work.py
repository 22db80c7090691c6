"""One piece of `--do` work: from an answer to the next proposed cell, and from its outcome to the next answer, until it is done.

A state machine without threads: it moves when an answer is there or a cell has run. How a cell gets to run is the executor's
business, how Claude is asked the conversation's.
"""

from __future__ import annotations

import uuid
from asyncio import CancelledError
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final, Literal, Protocol

from claude_jupyter.answer.model import Answer, Block
from claude_jupyter.conversation.work.proposal import RUN_CELL, Proposal, ProposalError, proposed
from claude_jupyter.conversation.work.step_result import Outcome
from claude_jupyter.errors import StoppedError
from claude_jupyter.kernel.checkpoint import Changes, Checkpoint
from claude_jupyter.kernel.effects import Effects
from claude_jupyter.options import Options

Approval = Literal["run", "auto", "edited", "skipped"]

_FIXES: Final = 3
"""Proposals in a row that fail, or cannot be used, before the work ends."""
_ONE: Final = "One cell at a time: this one was not proposed. Propose it again after the first has run, if it still makes sense."
_NOT_RUN: Final = "The user did not run this cell"


@dataclass(frozen=True, slots=True)
class Step:
    """A proposed cell with what it would do.

    Attributes
    ----------
    automatic
        Whether it runs without waiting for the user.
    replaces
        Number of the failed step that it corrects; 0: none.
    undoable
        Names that it changes and that cannot be brought back.
    """

    work: str
    number: int
    proposal: Proposal
    effects: Effects
    undoable: tuple[str, ...] = ()
    automatic: bool = False
    replaces: int = 0

    @property
    def line(self) -> str:
        """What it would do, in one line."""
        return self.effects.words(self.undoable)


@dataclass(frozen=True, slots=True)
class Done:
    """A step that is over.

    Attributes
    ----------
    cell
        The notebook's id of the cell that ran, if there is one.
    answer
        Id of the answer that followed it.
    """

    step: Step
    approval: Approval
    outcome: Outcome | None
    cell: str | None = None
    answer: str = ""

    def to_block(self) -> Block:
        """The block of the answer JSON."""
        outcome = self.outcome
        code = outcome.edited if outcome is not None and outcome.edited else self.step.proposal.code
        block: dict[str, Any] = {
            "type": "step",
            "title": self.step.proposal.title,
            "code": code,
            "cell": self.cell,
            "effects": self.step.effects.to_json(),
            "approval": self.approval,
            "changed": outcome.changes.to_json() if outcome is not None else {},
            "seconds": round(outcome.seconds, 2) if outcome is not None else 0,
            "number": self.step.number,
        }
        if outcome is not None and outcome.error_name:
            block["error"] = outcome.error_name
        return block


class Executor(Protocol):
    """How a proposed cell gets to run: in the notebook, within the asking cell, or as a test says."""

    def run(self, step: Step) -> Outcome | None:
        """Run it now and give the outcome; None if it now is below and waits.

        Raises
        ------
        CannotRunError
            If it would have to wait and nobody is there.
        """
        ...


class CannotRunError(Exception):
    """A step that would wait if nobody can run it; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What Claude is told next.

    Attributes
    ----------
    results
        By the id of the call: a text, or an outcome.
    opening
        Blocks that the answer begins with.
    number
        Of the step that the outcome is of.
    """

    results: Mapping[str, str | Outcome]
    opening: tuple[Block, ...] = ()
    number: int = 0


@dataclass
class Work:
    """One piece of work.

    Parameters
    ----------
    ask
        Tells Claude something and gives the answer.
    executor
        Runs proposed cells, or lets them wait.
    examine
        A cell's source → its effects, and the names whose change could not be undone.
    auto
        Whether cells that only read and add run by themselves.
    agent
        Whether a coding agent proposed its one cell from outside.
    most
        How many steps it may take.
    may_spend
        Asked with what the work has cost before each further request; a text says why it has to end.
    ended
        Told the last word, if there is one, when the work is over.
    unanswered
        What Claude could not be told, because the service or the network failed; it can be told again.
    options
        With which Claude is told the outcome of a step.
    trace
        Where the spans of its later answers are: below the question that began it.
    """

    ask: Callable[[Reply], Answer]
    executor: Executor
    examine: Callable[[str], tuple[Effects, tuple[str, ...]]]
    auto: bool = False
    each: bool = False
    agent: bool = False
    most: int = 30
    may_spend: Callable[[Decimal], str] = lambda _cost: ""
    ended: Callable[[str], None] = lambda _word: None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    steps: list[Done] = field(default_factory=list[Done])
    answers: list[str] = field(default_factory=list[str])
    checkpoints: list[Checkpoint] = field(default_factory=list[Checkpoint])
    newest: Checkpoint | None = None
    pending: Step | None = None
    unanswered: Reply | None = None
    cell: str | None = None
    over: bool = False
    replayed: bool = False
    options: Options = field(default_factory=Options)
    cost: Decimal = Decimal()
    trace: Any = None
    _failures: int = 0

    def advance(self, answer: Answer) -> None:
        """From an answer to the next proposed cell, or to the end."""
        while not self.over:
            self._count(answer)
            calls = _calls(answer)
            if not answer.complete or not calls:
                return self.end("")
            reply = self._proposal(calls)
            if reply is None:
                return None
            if self._failures > _FIXES:
                return self.end(f"Claude stopped here: {_FIXES} proposals in a row could not be run.")
            if word := self.may_spend(self.cost):
                return self.end(word)
            answer = self.tell(reply, self.ask)
        return None

    def _proposal(self, calls: Sequence[Block]) -> Reply | None:
        """Propose the first call's cell; what to tell Claude at once, None if the cell waits or the work has ended."""
        others = {str(call["id"]): _ONE for call in calls[1:]}
        try:
            proposal = proposed(calls[0])
        except ProposalError as problem:
            self._failures += 1
            return Reply({str(calls[0]["id"]): str(problem), **others})
        if len(self.steps) >= self.most:
            self.end(f"Claude stopped here: this work has taken {self.most} steps (setting max_steps).")
            return None
        step = self._step(proposal)
        self.pending, self.cell = step, None
        try:
            outcome = self.executor.run(step)
        except CannotRunError as problem:
            self.end(str(problem))
            return None
        if outcome is None:
            return None
        return self._over(step, outcome, "auto", None, others)

    def _step(self, proposal: Proposal) -> Step:
        effects, undoable = self._examined(proposal.code)
        last = self.steps[-1] if self.steps else None
        failed = last is not None and last.outcome is not None and bool(last.outcome.error_name)
        return Step(
            self.id,
            len(self.steps) + 1,
            proposal,
            effects,
            undoable,
            automatic=self.auto and not self.each and effects.harmless,
            replaces=last.step.number if last is not None and failed else 0,
        )

    def _examined(self, code: str) -> tuple[Effects, tuple[str, ...]]:
        effects, undoable = self.examine(code)
        return effects, tuple(name for name in undoable if name in effects.in_place or effects.hidden)

    def edited(self, code: str) -> Step:
        """The waiting cell with what it does now that the user has edited it."""
        assert self.pending is not None
        effects, undoable = self._examined(code)
        self.pending = replace(self.pending, effects=effects, undoable=undoable)
        return self.pending

    def ran(self, outcome: Outcome, cell: str | None) -> None:
        """The waiting cell has run: tell Claude, and continue."""
        step = self.pending
        assert step is not None
        by_itself = step.automatic and self.cell is not None  # where no page put it in, the user ran it
        approval: Approval = "edited" if outcome.edited else "auto" if by_itself else "run"
        reply = self._over(step, outcome, approval, cell, {})
        if isinstance(outcome.error, KeyboardInterrupt | CancelledError):  # the second: at an await
            return self.end("Stopped. What was done is kept; ask again to continue.")
        if self._failures > _FIXES:
            return self.end(f"Claude stopped here: {_FIXES} corrections did not help.")
        if word := self.may_spend(self.cost):
            return self.end(word)
        return self.advance(self.tell(reply, self.ask))

    def tell(self, reply: Reply, ask: Callable[[Reply], Answer]) -> Answer:
        """Tell Claude; what fails without having been stopped leaves it `unanswered`."""
        self.over, self.unanswered = False, reply
        try:
            answer = ask(reply)
        except (StoppedError, KeyboardInterrupt):
            self.unanswered = None
            raise
        self.unanswered = None
        return answer

    def _over(
        self, step: Step, outcome: Outcome, approval: Approval, cell: str | None, others: Mapping[str, str]
    ) -> Reply:
        self.pending = None
        self._failures = self._failures + 1 if outcome.error_name else 0
        done = Done(step, approval, outcome, cell)
        self.steps.append(done)
        return Reply({step.proposal.call: outcome, **others}, (done.to_block(),), step.number)

    def skipped(self, word: str = "") -> Reply:
        """The user does not run the waiting cell; what Claude is told of it."""
        step = self.pending
        assert step is not None
        self.pending = None
        done = Done(step, "skipped", None)
        self.steps.append(done)
        text = (
            f"{_NOT_RUN}, and says: {word}"
            if word
            else f"{_NOT_RUN}. Continue without it, or propose another."
        )
        return Reply({step.proposal.call: text}, (done.to_block(),), step.number)

    def waits_again(self) -> None:
        """The words that skipped the last step reached nobody: its cell waits as before."""
        self.pending, self.unanswered = self.steps.pop().step, None

    def end(self, word: str) -> None:
        """Nothing more is proposed; what was done is kept."""
        if not self.over:
            self.over = True
            self.ended(word)

    def _count(self, answer: Answer) -> None:
        if answer.id not in self.answers:
            self.answers.append(answer.id)
        self.replayed = answer.replayed
        if answer.cost is not None and answer.billed:
            self.cost += answer.cost
        if self.steps and not self.steps[-1].answer:
            last = self.steps[-1]
            self.steps[-1] = Done(last.step, last.approval, last.outcome, last.cell, answer.id)

    @property
    def have_run(self) -> list[tuple[Done, Outcome]]:
        """The steps that ran, with what came of them."""
        return [(done, done.outcome) for done in self.steps if done.outcome is not None]

    def changes(self, namespace: Mapping[str, Any]) -> Changes:
        """What the work has changed of the user's variables."""
        return self.checkpoints[0].changes(namespace) if self.checkpoints else Changes()

    def beyond(self, steps: int) -> tuple[str, ...]:
        """What the last `steps` steps that ran did that no checkpoint brings back: files, network, installed packages, commands."""
        effects = [done.step.effects for done, _ in self.have_run[-steps:]]
        words = (
            w for kind in ("files", "network", "installs", "shell") for e in effects for w in getattr(e, kind)
        )
        return tuple(dict.fromkeys(w.removeprefix("writes ") for w in words if not w.startswith("reads ")))

    def lost(self, steps: int) -> tuple[str, ...]:
        """Variables that stay as the last `steps` steps that ran left them: changed in place, and not to be copied."""
        names: dict[str, None] = {}
        replaced: set[str] = set()
        for done, outcome in self.have_run[-steps:]:
            changes = outcome.changes
            in_place = {*done.step.effects.in_place, *(changes.changed.keys() - changes.rebound)}
            names.update(dict.fromkeys(n for n in done.step.undoable if n in in_place - replaced))
            replaced |= {*changes.added, *changes.removed, *changes.rebound}
        return tuple(names)


def _calls(answer: Answer) -> list[Block]:
    """The calls of `run_cell` that an answer ends with."""
    message = answer.message or {}
    if message.get("stop_reason") != "tool_use":
        return []
    return [
        b
        for b in message.get("content") or ()
        if b.get("type") == "tool_use" and b.get("name") == RUN_CELL["name"]
    ]
