"""Works in cells in a real kernel, from a table: no cell lost, nothing without its approval, a valid history, an honest ledger."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support import audit, bills
from support.kernel import Execution, Kernel, running_kernel
from support.kernel_fixtures import LOAD, environment
from support.works import WORKS, Act, Case, replies, titles

from claude_jupyter.demo import server as demo
from claude_jupyter.demo.script import Script

SPENT = """
def _spent():
    from claude_jupyter.costs.ledger.calls import Sum, Where
    billing = claude.kernel.env.billing
    return float(Sum.total(billing.accounts.sums(("model",), Where(kernel=billing.owner.kernel))).billed)
"""
SETUP = f"{audit.INSTALL}\n{LOAD}\nimport pandas as pd\n{SPENT}\n_base = {{*globals(), '_base'}}"
FRESH = """
for _name in set(globals()) - _base - {"_name"}:
    if not _name.startswith("_"):
        del globals()[_name]
for _chat in list(claude.chats.values()):
    _chat.clear()
%config ClaudeMagics.approve = 'effects'
%config ClaudeMagics.max_steps = 30
%config ClaudeMagics.confirm_above = None
%config ClaudeMagics.budget = None
sales = pd.DataFrame({"region": ["North", "South"], "amount": [10, 20]})
"""
IDS = itertools.count(1)
STOPS: list[float] = []


class Model:
    """A scripted model; what it says is used up in order."""

    def __init__(self) -> None:
        self.left: list[Script] = []
        self.server = demo.start(lambda _body: self.left.pop(0) if self.left else Script(text="Still here."))

    def told(self) -> str:
        """All results of steps that it was told."""
        return "\n".join(
            str(block["content"])
            for request in self.server.requests
            if request.body is not None and "messages" in request.body
            for message in request.body["messages"]
            if message["role"] == "user"
            for block in message["content"]
            if isinstance(block, dict) and block["type"] == "tool_result"
        )


class Book:
    """A notebook without a page, or with one, in which the user does what the case says."""

    def __init__(self, kernel: Kernel, case: Case) -> None:
        self.kernel, self.case = kernel, case
        self.shown: list[str] = []
        self.approved: set[str] = set()
        self.approvals = 0
        self.last: Execution | None = None
        self.comm = kernel.open_comm("claude_jupyter", self._hello) if case.where == "page" else None

    _hello: Mapping[str, Any] = {"op": "hello", "cells": True}

    def ask(self, question: str) -> None:
        self._run(question, None if self.case.where == "headless" else f"ask-{next(IDS)}")

    def _run(self, source: str, cell: str | None) -> None:
        self.last = self.kernel.run(source, cell_id=cell, stdin=None if cell is None else ["n"] * 3)

    def user(self, source: str) -> None:
        """A cell of the user's own, which is no answer to a proposal."""
        self.approved.add(source)
        self._run(source, f"own-{next(IDS)}")

    # -- the cell that waits --

    def waiting(self) -> tuple[str, str, bool] | None:
        """Its source and id, and whether the page runs it by itself; None where none waits."""
        if self.comm is None:
            assert self.last is not None
            payloads = [p for p in self.last.reply.get("payload", ()) if p["source"] == "set_next_input"]
            return (payloads[-1]["text"], f"step-{next(IDS)}", False) if payloads else None
        steps = self.tell("state")["work"]["waiting"]
        if not steps:
            return None
        (step,) = steps
        assert step["cell"] is None, "a cell that stands in the notebook is not put in again"
        cell = f"step-{next(IDS)}"
        self.tell("placed", work=step["work"], step=step["step"], cell=cell)
        self.work = step["work"]
        return step["source"], cell, step["automatic"]

    def tell(self, op: str, **data: Any) -> dict[str, Any]:
        """Say something as the page does; the state that the kernel answers with."""
        comm = self.comm
        assert comm is not None

        def answers() -> list[dict[str, Any]]:
            sent = (m.content for m in self.kernel.heard() if m.type == "comm_msg")
            return [c["data"] for c in sent if c["comm_id"] == comm and c["data"]["op"] == "state"]

        before = len(answers())
        self.kernel.send_comm(comm, {"op": op, **data})
        return self.kernel.wait_for(lambda: answers()[before:])[0]

    def close(self) -> None:
        """The page goes away."""
        if self.comm is not None:
            self.kernel.close_comm(self.comm)

    def approve(self, source: str, cell: str) -> None:
        self.approvals += 1
        self.approved.add(source)
        self._run(source, cell)

    def act(self, act: Act, source: str, cell: str) -> bool:
        """Do it; whether the work may go on."""
        word, *more = [act] if isinstance(act, str) else act
        match word:
            case "run":
                self.approve(source, cell)
            case "keep":
                self.tell("work", work=self.work, action="keep_going")
                self.approve(source, cell)
            case "edit":
                assert more[0] in source
                self.approve(source.replace(more[0], more[1]), cell)
            case "skip":
                self._run("%claude Skip this step.", cell)
            case "say":
                self._run(f"%claude {more[0]}", f"words-{next(IDS)}")
            case "stop":
                self.tell("work", work=self.work, action="stop")
                return False
            case "stop and run":
                self.tell("work", work=self.work, action="stop")
                self.approve(source, cell)
            case "delete":
                self.tell("placed", work=self.work, step=1, cell="")
                self.user("later = 1")
                return False
            case "move":
                self.approve(source, cell)  # where it stands is the page's business
            case "reload":
                self.close()
                self.comm = self.kernel.open_comm("claude_jupyter", self._hello)
                (step,) = self.tell("state")["work"]["waiting"]
                assert step["cell"] == cell and step["source"] == source
                self.approve(source, cell)
            case "interrupt" | "interrupt answer":
                self.interrupted(source, cell, answer=word == "interrupt answer")
            case "restart":
                self.kernel.restart()
                assert self.kernel.run(SETUP + FRESH, timeout=120).ok
                self.approve(source, cell)
                return False
            case "cell":
                self.user(more[0])
                self.approve(source, cell)
            case "work":
                self.ask(more[0])
            case "elsewhere":
                self.user(source)
                assert self.last is not None and not self.last.answers
                assert "is still waiting" in self.last.stderr
                self.approve(source, cell)
            case "twice":
                self.approve(source, cell)
                ended = self.last
                self._run(source, cell)
                assert self.last is not None and not self.last.answers
                self.last = ended
            case _:
                raise AssertionError(word)
        return True

    def interrupted(self, source: str, cell: str, *, answer: bool) -> None:
        self.approvals += 1
        self.approved.add(source)
        running = self.kernel.start(source, cell_id=cell)
        if answer:
            running.wait_for(lambda messages: any("so so" in str(m.content) for m in messages))
        else:
            running.wait_for(lambda messages: any(m.type == "execute_input" for m in messages))
            time.sleep(0.4)
        at = self.kernel.interrupt()
        self.last = running.finish()
        STOPS.append(self.last.ended - at)

    def play(self) -> None:
        """The whole work."""
        acts = list(self.case.acts)
        self.ask(f"%%claude --do {self.case.options}\nGo.")
        going = True
        while going and (found := self.waiting()) is not None:
            source, cell, automatic = found
            self.shown.append(source.splitlines()[0].removeprefix("# Claude: "))
            if automatic:
                self._run(source, cell)
            else:
                going = self.act(acts.pop(0) if acts else "run", source, cell)
        assert not acts, f"nothing waited for {acts}"

    def said(self) -> str:
        """What the last cell showed, beside what the code itself did."""
        done = self.last
        assert done is not None
        return f"{done.stderr}\n{done.error}\n{done.bundles}"


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    model = Model()
    with model.server:
        yield model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("works")


@pytest.fixture(scope="module")
def kernel(folder: Path, model: Model) -> Iterator[Kernel]:
    env = environment(model.server.url, CLAUDE_JUPYTER_DATA_DIR=str(folder / "data"))
    (folder / "notebooks").mkdir()
    with running_kernel(folder / "notebooks", env, SETUP) as kernel:
        yield kernel
    print(f"\nstops, in ms: {sorted(round(1000 * s) for s in STOPS)}")


@pytest.mark.parametrize("case", WORKS, ids=lambda case: case.name)
def test_a_scripted_work(case: Case, kernel: Kernel, model: Model, folder: Path) -> None:
    done = kernel.run(FRESH, cell_id="before")
    assert done.ok, done.error
    (folder / "notebooks" / "w.txt").unlink(missing_ok=True)
    kernel.value("_effects.clear()")
    model.left = []
    kernel.run("%claude --once warm", cell_id="warm")
    kernel.run(case.before)
    ledger = folder / "data" / "ledger.db"
    asked_before = len(bills.rows(ledger))
    model.server.requests.clear()
    model.left = replies(case)
    book = Book(kernel, case)
    book.play()
    book.close()
    assert book.shown == titles(case), book.said()
    assert case.ends in book.said()
    assert kernel.value(f"bool({case.true})")
    for words in case.reports:
        assert words in model.told()
    if "keep" in case.acts and case.before == "":
        assert book.approvals <= 2
    ours = [folder / "data", Path(os.environ["HOME"]).parent, "/dev/null"]
    unapproved = audit.without_approval(kernel, book.approved, ours, model.server.port)
    assert not unapproved
    model.left = []
    kernel.run("%config ClaudeMagics.budget = None\n%config ClaudeMagics.confirm_above = None")
    after = kernel.run("%claude and now?", cell_id="after")
    assert "Still here." in str(after.bundles[-1]), (after.stderr, after.error)
    messages = [r for r in model.server.requests if r.path == "/v1/messages"]
    assert {r.status for r in messages} <= {200, *(r.status for r in replies(case))}
    bills.check(case, messages, bills.rows(ledger)[asked_before:])
