"""An interrupt at the lines of our own code: the cell ends in one line or with its answer, and nothing is left half done or locked.

By default at every step from one line to another, of what holds state, that a plain question takes, and at some of those that only
another way takes; with `FAULTS=lines` at every step of the whole package that some way takes, with `FAULTS=full` in
every way and each time that it is taken.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from functools import cache
from itertools import count
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from support import faults_tally as tally
from support.faults import FULL
from support.faults_checks import assert_history_is_sound, counted_in, tokens_in
from support.faults_line import until
from support.faults_ways import (
    FINE,
    KERNEL,
    NEXT,
    ROWS,
    TEXT,
    WAYS,
    Bench,
    Outcome,
    Way,
    ask_with,
    bench,
    ours,
    outcome_of,
    plainly,
    weather,
)
from traitlets.config import Config

from claude_jupyter.content.cells.cell_records import Cell
from claude_jupyter.conversation.work.step_result import Outcome as Ran
from claude_jupyter.conversation.work.work import Step as Proposed
from claude_jupyter.costs.ledger.calls import Where
from claude_jupyter.demo.script import Call, Script
from claude_jupyter.errors import ClaudeError
from claude_jupyter.magics.claude_magic import ClaudeMagics

PACKAGE = "/claude_jupyter/"
LINES = os.environ.get("FAULTS") == "lines"
OURS = (
    (PACKAGE,)
    if FULL or LINES
    else tuple(
        PACKAGE + part for part in ("client/", "conversation/", "costs/ledger/", "magics/", "interrupts.py")
    )
)
"""What holds state, locks and threads; with `FAULTS=lines` or `full` also what only computes."""
SERVER = "/claude_jupyter/demo/"
MOST = 120
"""Of the steps that a way other than the plain one takes anew, how many are tried by default."""
LIMIT = 10.0
"""Seconds after which a question is taken to hang; it is answered in a few hundredths."""

Step = tuple[str, int, int]
_tried: set[Step] = set()


class Tracer:
    """Notes the steps from line to line of ours in this thread, and interrupts at one of them."""

    def __init__(self, at: int = -1) -> None:
        self.steps: list[Step] = []
        self.where = ""
        self.guarded = False
        self._at = at
        self._before: dict[FrameType, int] = {}

    def __call__(self, frame: FrameType, _event: str, _arg: Any) -> Any:
        name = frame.f_code.co_filename
        return self._line if SERVER not in name and any(part in name for part in OURS) else None

    def _line(self, frame: FrameType, event: str, _arg: Any) -> Any:
        if event == "return":
            self._before.pop(frame, None)
        if event != "line":
            return self._line
        name = frame.f_code.co_filename.partition(PACKAGE)[2]
        self.steps.append((name, self._before.get(frame, 0), frame.f_lineno))
        self._before[frame] = frame.f_lineno
        if len(self.steps) - 1 == self._at:
            self.where = f"{name}:{frame.f_lineno}, step {self._at}"
            self.guarded = _is_guarded(frame)
            signal.raise_signal(signal.SIGINT)
        return self._line


def _is_guarded(frame: FrameType | None) -> bool:
    """Whether the interrupt comes within the question's own guard, where it has to become one line."""
    while frame is not None:
        if frame.f_code.co_name == "wrapper" and frame.f_code.co_filename.endswith("interrupts.py"):
            return frame.f_lineno > frame.f_code.co_firstlineno + 2  # decorator, def, try
        frame = frame.f_back
    return False


@contextmanager
def traced(tracer: Tracer) -> Iterator[None]:
    """With the tracer in this thread."""
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        yield
    finally:
        sys.settrace(before)


@contextmanager
def limited(what: str) -> Iterator[None]:
    """Fail, with the stack, where the block takes longer than any question: also where it waits for a lock."""

    def hangs(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"hangs after an interrupt at {what}")

    before = signal.signal(signal.SIGUSR1, hangs)
    main = threading.get_ident()
    timer = threading.Timer(LIMIT, signal.pthread_kill, (main, signal.SIGUSR1))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        signal.signal(signal.SIGUSR1, before)


def iterate(b: Bench) -> Outcome:
    """`claude.stream`, as a loop in a cell."""
    try:
        with b.claude.stream("What is it?") as stream:
            for _piece in stream:
                pass
    except ClaudeError as error:
        return Outcome(False, error, error.message)
    return outcome_of(stream.answer)


def await_it(b: Bench) -> Outcome:
    """`await claude.aask`."""

    async def cell() -> Any:
        return await b.claude.aask("What is it?")

    try:
        return outcome_of(asyncio.run(cell()))
    except ClaudeError as error:
        return Outcome(False, error, error.message)


def iterate_async(b: Bench) -> Outcome:
    """`async for` over `claude.astream`."""

    async def cell() -> Any:
        async with b.claude.astream("What is it?") as stream:
            async for _piece in stream:
                pass
        return stream.answer

    try:
        return outcome_of(asyncio.run(cell()))
    except ClaudeError as error:
        return Outcome(False, error, error.message)


@cache
def magics() -> ClaudeMagics:
    """The magics, in a shell of this process."""
    shell: Any = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
    shell.user_ns |= {"rows": [{"a": 1}, {"a": 2}], "x": 3, "weather": weather}
    made = ClaudeMagics(shell, None)
    shell.register_magics(made)
    return made


def by_magic(b: Bench) -> Outcome:
    """A `%%claude` cell that points at a value, fills in another, and offers a tool."""
    made, ended = magics(), len(b.view.ended)
    assert made.shell is not None
    made._extension = SimpleNamespace(claude=b.claude, shell=SimpleNamespace(warn=b.shown.append))
    try:
        made.shell.run_cell_magic("claude", "rows -t weather --out said", "What is {x}?\n")
    except ClaudeError as error:
        return Outcome(False, error, error.message)
    return outcome_of(b.view.ended[ended])


def looking(body: Mapping[str, Any]) -> Script:
    """A look at the variables first, then some words."""
    if any(block.get("type") == "tool_result" for block in body["messages"][-1]["content"]):
        return plainly(body)
    return Script(calls=[Call("variables", {})])


def compact(b: Bench) -> Outcome:
    """`claude.compact`, of one turn."""
    try:
        b.claude.ask("What is it?")
        return outcome_of(b.claude.compact())
    except ClaudeError as error:
        return Outcome(False, error, error.message)


def map_batch(b: Bench) -> Outcome:
    """One prompt over three new rows in a batch, and its results."""
    rows = [f"{row}, the {next(_number)}th time" for row in ROWS]
    try:
        values = b.claude.map(rows, "{value}?", batch=True).collect(wait=True)
    except ClaudeError as error:
        return Outcome(False, error, error.message)
    return Outcome(values == [TEXT] * len(ROWS), text="\n".join(values))


_number = count()


class Runs:
    """A notebook in which each proposed cell runs at once."""

    def run(self, step: Proposed) -> Ran:
        return Ran(Cell(step.proposal.source))


def working(body: Mapping[str, Any]) -> Script:
    """A proposed cell first, then some words."""
    if any(block.get("type") == "tool_result" for block in body["messages"][-1]["content"]):
        return plainly(body)
    return Script(text="First a cell.", calls=[Call("run_cell", {"title": "a step", "code": "y = 1"})])


def work(b: Bench) -> Outcome:
    """`--do auto`, where cells run within the asking one."""
    b.env.executor = Runs
    return ask_with(do="auto")(b)


MORE = (
    Way("do", working, work),
    Way("look", looking, ask_with(look=True)),
    Way("compact", plainly, compact),
    Way("batch", plainly, map_batch),
    Way("magic", plainly, by_magic),
    Way("stream", plainly, iterate),
    Way("aask", plainly, await_it),
    Way("astream", plainly, iterate_async),
)
ASKED = [way for way in (*WAYS, *MORE) if way.name != "tools, after"]


@pytest.mark.timeout(4 * 3600 if FULL or LINES else 300)  # many questions, each with a limit of its own
@pytest.mark.parametrize("way", ASKED, ids=str)
def test_an_interrupt_at_any_line_of_ours(way: Way, tmp_path: Path) -> None:
    with bench(way, tmp_path / "data") as b:
        for _ in range(2):
            b.claude.clear()
            tracer = Tracer()
            with traced(tracer):
                assert way.ask(b).complete
        new = list(range(len(tracer.steps)))
        if not FULL:
            new = [at for at, step in enumerate(tracer.steps) if step not in _tried and not _tried.add(step)]
            new = new[:: 1 if LINES or way.name == "plain" else -(-len(new) // MOST) or 1]
        for at in new:
            with tally.cell("interrupt at a line of ours", way.name):
                interrupted(b, way, Tracer(at))
        for batch in b.claude.batches:
            batch.collect(wait=True)
        assert_ledger_agrees(b)
        assert not b.warned


def interrupted(b: Bench, way: Way, tracer: Tracer) -> None:
    """Ask with an interrupt at one step, and then once more."""
    b.claude.clear()
    with limited(str(tracer._at)):
        try:
            with traced(tracer):
                outcome = way.ask(b)
        except (KeyboardInterrupt, asyncio.CancelledError):
            assert not tracer.guarded, tracer.where
        else:
            if not outcome.complete:
                assert outcome.line.startswith("Stopped") and "\n" not in outcome.line, (
                    tracer.where,
                    outcome,
                )
    with limited(tracer.where):
        until(lambda: not ours(), f"threads to end after an interrupt at {tracer.where}: {ours()}")
        assert b.claude.ask(NEXT).text == FINE, tracer.where
    assert_history_is_sound(b)


def assert_ledger_agrees(b: Bench) -> None:
    """Each complete row is what the server counted, none stands twice, one that never ended costs nothing; the chat says the same."""
    served = {r.request_id: r for r in b.demo.requests if r.path.startswith("/v1/messages")}
    rows = [row for row in b.ledger.rows(Where()) if row["kernel"] == KERNEL]
    known = [row["request_id"] for row in rows if row["request_id"]]
    assert len(known) == len(set(known))
    sent = [r.body["requests"] for r in b.demo.requests if r.method == "POST" and r.path.endswith("/batches")]
    assert len([row for row in rows if row["service_tier"] == "batch"]) == sum(map(len, sent))
    for row in rows:
        if row["complete"] and row["service_tier"] != "batch":
            assert tokens_in(row) == counted_in(served[row["request_id"]]), row
    # One line is left at which it costs a row its end; the row says so.
    begun = [row for row in rows if not row["stop_reason"]]
    assert len(begun) <= 2 and not any(row["complete"] or row["cost_usd"] for row in begun), begun
    billed = sum(Decimal(row["cost_usd"] or 0) for row in rows)
    assert b.claude.cost == billed
