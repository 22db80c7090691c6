"""A kernel killed at every event, and one that forks after it has asked, in each way of asking.

The kernel is a process of its own made by fork, which is quick; a real ipykernel is killed in `test_fault_kernels.py`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import faults_tally as tally
from support.faults import FULL, half
from support.faults_checks import assert_history_is_sound, assert_next_works, tokens_in
from support.faults_line import Response, Tamper, until
from support.faults_ways import FINE, NEXT, ROWS, TEXT, WAYS, Bench, Way, another, bench
from support.raw_server import End, Play

from claude_jupyter.costs.ledger.calls import Where


def fork(work: Callable[[], Any]) -> tuple[int, int]:
    """Run `work` in a child: its process id, and a pipe with the JSON of what it returned."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tried here
        child = os.fork()
    if child:
        os.close(write)
        return child, read
    code = 1
    try:
        signal.alarm(60)
        os.write(write, json.dumps(work()).encode())
        code = 0
    except BaseException:
        os.write(write, json.dumps({"failed": traceback.format_exc()[-2000:]}).encode())
    finally:
        sys.stdout.flush()
        os._exit(code)


def said_by(child: int, read: int) -> Any:
    """What the child returned."""
    with os.fdopen(read, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(child, 0)
    assert data, f"the child ended with status {status}"
    return json.loads(data)


def killed(count: int, victim: Callable[[], int]) -> Tamper:
    """The client's process is killed after so many events."""

    def tamper(ask: Callable[[], Response]) -> Play:
        response = ask()
        count_here = min(count, len(response.events))
        return response.play(
            (*response.events[:count_here], 0.01, lambda: os.kill(victim(), signal.SIGKILL), End.HANG)
        )

    return tamper


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_killed_kernel_loses_no_finished_turn_and_no_row(way: Way, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with bench(way, folder) as b:
        assert way.ask(b).complete
        events = len(b.line.passed[-1 if way.name != "tools" else -2].sent)
    for count in range(0, events + 1, 1 if FULL else 3):
        with tally.cell("kernel killed at an event", way.name), bench(way, tmp_path / str(count)) as b:
            victims: list[int] = []
            b.line.spoil(killed(count, lambda v=victims: v[0]), skip=1 + way.skip)

            def kernel(b: Bench = b) -> str:
                with another(b, "killed", tmp_path / str(count)) as here:  # noqa: B023
                    here.claude.ask(NEXT)
                    return str(way.ask(here))

            child, pipe = fork(kernel)
            victims.append(child)
            with os.fdopen(pipe, "rb") as told_by_it:
                assert told_by_it.read() == b""
            _, status = os.waitpid(child, 0)
            assert os.WTERMSIG(status) == signal.SIGKILL
            until(lambda b=b: b.line.open == 0, "the connections to be gone")
            b.line.mend()
            assert_rows_are_marked(b, 2 + way.skip)
            b.claude.restore()
            assert [t.answer.text for t in b.claude.turns][:1] == [FINE]
            if way.name == "map":
                before = len(b.demo.requests)
                assert b.claude.map(ROWS, "{value}?", limit=1) == [TEXT] * len(ROWS)
                assert len(b.demo.requests) - before == len(ROWS) - 1
            assert_history_is_sound(b)
            assert_next_works(b)


def assert_rows_are_marked(b: Bench, rounds: int) -> None:
    """A row for every request, the one under way marked; nothing above what was counted."""
    rows = list(b.ledger.rows(Where()))
    assert len(rows) == rounds
    served = {r.request_id: r for r in b.demo.requests}
    assert [bool(row["complete"]) for row in rows] == [True] * (rounds - 1) + [False]
    for row in rows[:-1]:
        assert tokens_in(row)["output_tokens"] == served[row["request_id"]].usage.output
    assert rows[-1]["stop_reason"] is None and rows[-1]["cost_usd"] is None


@pytest.mark.parametrize("meanwhile", ["at rest", "answering in the background"])
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_forked_kernel_asks_for_itself(way: Way, meanwhile: str, tmp_path: Path) -> None:
    with tally.cell(f"fork after load, {meanwhile}", way.name), bench(way, tmp_path / "data") as b:
        b.claude.ask(NEXT)
        if meanwhile != "at rest":
            b.line.spoil(half(End.HANG))
            b.claude.ask("What is it?", background=True)
            until(
                lambda: len(b.line.passed) == 2 and len(b.line.passed[1].sent) > 4,
                "the background answer to begin",
            )

        def child() -> Any:
            outcome = way.ask(b)
            b.claude.ask(NEXT)
            return {"complete": outcome.complete, "line": outcome.line, "turns": len(b.claude.turns)}

        process, pipe = fork(child)
        assert said_by(process, pipe) == {
            "complete": True,
            "line": "",
            "turns": 2 if way.name == "map" else 3,
        }
        if meanwhile != "at rest":
            b.stops[-1].request()
            until(lambda: b.env.background.is_idle, "the background answer to end")
        assert way.ask(b).complete
        assert_next_works(b)
        rows = list(b.ledger.rows(Where()))
        served = {r.request_id: r for r in b.demo.requests if r.path.startswith("/v1/messages")}
        assert len({row["request_id"] for row in rows}) == len(rows) == len(served)
        assert all(tokens_in(row)["output_tokens"] <= served[row["request_id"]].usage.output for row in rows)
        assert not b.warned
        if meanwhile == "at rest":
            assert all(row["complete"] for row in rows)
