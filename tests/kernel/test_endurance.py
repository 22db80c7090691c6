"""A kernel that is asked all day is at the end as it was in the morning, and kernels that share a ledger lose nothing of each other's.

Every day a small share of it is run; `ENDURANCE=full` asks 2,000 questions in one kernel, 50 of them interrupted, 200 in which Claude
looks around and 200 in which it works in a cell, and lets ten kernels ask for ten minutes on one file and on one PostgreSQL.
`ENDURANCE_QUESTIONS`, `ENDURANCE_KERNELS` and `ENDURANCE_SECONDS` set them one by one.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from jupyter_core.utils import ensure_event_loop
from support.asking import assert_next_works, assert_one_clear_line
from support.kernel import Execution, Kernel, running_kernel
from support.kernel_fixtures import LOAD, environment
from support.postgres import Postgres
from support.raw_server import End, Play, RawServer, Request, answer, raw_server, sse, text_events

FULL = os.environ.get("ENDURANCE") == "full"
QUESTIONS = int(os.environ.get("ENDURANCE_QUESTIONS", "2000" if FULL else "200"))
INTERRUPTED = QUESTIONS // 40 if FULL else QUESTIONS // 20
KERNELS = int(os.environ.get("ENDURANCE_KERNELS", "10" if FULL else "3"))
SECONDS = float(os.environ.get("ENDURANCE_SECONDS", "600" if FULL else "20"))
CELLS = 20
"""Cells that are run again and again, so that the conversation itself does not grow."""
WARM = 400 if QUESTIONS > 1000 else 60
"""Questions until everything that is made once has been made: the recorder keeps 200 cells, `undo` 200 steps."""
GROWTH = 6_000 if QUESTIONS > 1000 else 60_000
"""Bytes of memory that a question may leave behind beyond what any cell does in IPython; in a short run those 200 still fill up."""
SETUP = """
import os, threading, gc, psutil, pandas as pd
get_ipython().displayhook.do_full_cache = 0  # as with `cache_size = 0`: IPython keeps the values of 1,000 cells in `Out`
frame = pd.DataFrame({"n": range(50), "word": ["w"] * 50})

def weigh(city: str) -> str:
    "The weight of a city."
    return "heavy " + city

def probe():
    from comm import get_comm_manager
    from ipywidgets.widgets import widget
    gc.collect()
    me = psutil.Process()
    return {
        "memory": me.memory_info().rss, "threads": threading.active_count(), "files": me.num_fds(),
        "comms": len(get_comm_manager().comms), "widgets": len(widget._instances), "turns": len(claude.turns),
        "objects": len(gc.get_objects()), "sockets": len(me.net_connections()),
    }
"""
TEXT = "An answer of some length, *marked* and with `code`. " * 20
HALF = text_events(TEXT, size=40)[:12]
CALLS = {
    "run_cell": {"title": "Count", "code": "count = len(frame)\ncount"},
    "variables": {},
    "weigh": {"city": "Oslo"},
}
"""What the model calls, if it may: the first tool of these that is offered."""


def call(name: str, values: dict[str, Any]) -> list[bytes]:
    """A whole answer that calls a tool."""
    tool = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}
    arguments = {"type": "input_json_delta", "partial_json": json.dumps(values)}
    return sse(
        [
            {"type": "message_start", "message": {
                "id": "msg_t", "type": "message", "role": "assistant", "model": "claude-sonnet-5-5", "content": [],
                "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 1}}},
            {"type": "content_block_start", "index": 0, "content_block": tool},
            {"type": "content_block_delta", "index": 0, "delta": arguments},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None},
             "usage": {"input_tokens": 9, "output_tokens": 9}},
            {"type": "message_stop"},
        ]
    )  # fmt: skip


WAYS = (
    "%%claude\nWhat is {number}?",
    "%%claude frame\nWhat is in it, number {number}?",
    "%%claude --once -o kept\nQuestion {number}?",
    "%claude -n Begin afresh, {number}",
    "claude.ask('Number {number}?', frame)",
    "''.join(claude.stream('Number {number}?'))",
    "%%claude --background -o late_{number}\nTake your time, {number}.",
    "%%claude -t weigh\nWeigh it, {number}.",
    "%%claude --look\nLook around, {number}.",
    "%%claude --do\nCount, {number}.",
)
ONE_REQUEST = len(WAYS) - 3
"""So many of them, the first ones, take one request; those with tools take two."""


@dataclass(slots=True)
class Samples:
    """What a kernel held after so many questions."""

    asked: list[int] = field(default_factory=list[int])
    seen: list[dict[str, int]] = field(default_factory=list[dict[str, int]])

    def take(self, kernel: Kernel, asked: int) -> None:
        self.asked.append(asked)
        self.seen.append(kernel.value("probe()"))

    def halves(self) -> tuple[list[dict[str, int]], list[dict[str, int]]]:
        """The earlier and the later samples."""
        middle = len(self.seen) // 2
        return self.seen[:middle], self.seen[middle:]

    def slope(self, what: str) -> float:
        """Growth a question, by least squares."""
        xs, ys = self.asked, [seen[what] for seen in self.seen]
        x, y = sum(xs) / len(xs), sum(ys) / len(ys)
        return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)

    def __str__(self) -> str:
        lines = [f"{'after':>7}" + "".join(f"{what:>12}" for what in self.seen[0])]
        for asked, seen in zip(self.asked, self.seen, strict=True):
            lines.append(f"{asked:>7}" + "".join(f"{n:>12,}" for n in seen.values()))
        lines.append(f"{'each':>7}" + "".join(f"{self.slope(what):>12,.3f}" for what in self.seen[0]))
        return "\n".join(lines)


def play(request: Request) -> Play:
    """A whole answer, a call of the tool first where it is offered, or half an answer for a question to be interrupted."""
    body = request.json
    last = body["messages"][-1]["content"]
    text = last if isinstance(last, str) else last[-1].get("text", "")
    if "Wait for me" in text:
        return Play([*HALF, End.HANG])
    offered = {tool["name"] for tool in body.get("tools") or ()}
    if offered and (isinstance(last, str) or not any(block.get("type") == "tool_result" for block in last)):
        name = next(name for name in CALLS if name in offered)
        return Play(call(name, CALLS[name]))
    return answer(TEXT, size=40)


def ask(kernel: Kernel, number: int, ways: int = len(WAYS)) -> Execution:
    code = WAYS[number % ways].replace("{number}", str(number))
    done = kernel.run(code, cell_id=f"cell-{number % CELLS}")
    assert done.ok, done.error
    if "--do" in code:
        (proposed,) = (p["text"] for p in done.reply["payload"] if p["source"] == "set_next_input")
        done = kernel.run(proposed, cell_id=f"step-{number % CELLS}")
        assert done.ok, done.error
    if "--background" in code:
        done = kernel.run(
            f"while 'late_{number}' not in globals(): __import__('time').sleep(0.01)\ndel late_{number}"
        )
        assert done.ok, done.error
    return done


def interrupt(kernel: Kernel, server: RawServer, number: int) -> None:
    before = len(server.requests)
    cell = kernel.start(f"%%claude\nWait for me, {number}.", cell_id=f"cell-{number % CELLS}")
    kernel.wait_for(lambda: len(server.requests) > before, message="no request came")
    time.sleep(0.05 + number % 7 / 50)
    kernel.interrupt()
    assert_one_clear_line(cell.finish(timeout=20))


def test_a_kernel_that_is_asked_all_day_is_as_it_was_in_the_morning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stops = set(random.Random(7).sample(range(WARM, QUESTIONS), INTERRUPTED))
    samples = Samples()
    data = tmp_path / "data"
    with raw_server() as server:
        server.plays = play
        env = environment(server.url, CLAUDE_JUPYTER_DATA_DIR=str(data))
        with running_kernel(tmp_path, env, LOAD + SETUP) as kernel:
            interrupt(kernel, server, 0)
            for number in range(1, QUESTIONS):
                if number in stops:
                    interrupt(kernel, server, number)
                else:
                    ask(kernel, number)
                if number >= WARM and number % max(10, QUESTIONS // 40) == 0:
                    samples.take(kernel, number)
                kernel.forget()
            samples.take(kernel, QUESTIONS)
            # ipykernel lets go of what threads wrote with only every ten seconds.
            most = {what: max(seen[what] for seen in samples.halves()[0]) for what in ("files", "sockets")}
            kernel.wait_for(
                lambda: all(kernel.value("probe()")[what] <= most[what] for what in most),
                timeout=30,
                message=f"files or sockets grew beyond {most}\n{samples}",
            )
            asked = len(server.requests)
            kernel.wait_for(
                lambda: len(server.disconnects) > INTERRUPTED, message="an interrupted connection is open"
            )
            assert_next_works(kernel, server)
            plain = Samples()
            for number in range(QUESTIONS // 2):
                assert kernel.run(
                    f"x = {number}  # a cell as long as the others", cell_id=f"cell-{number % CELLS}"
                ).ok
                if number % (QUESTIONS // 20) == 0:
                    plain.take(kernel, number)
                kernel.forget()
    own = samples.slope("memory") - max(0.0, plain.slope("memory"))
    with capsys.disabled():
        print(f"\n\n{QUESTIONS} questions in one kernel, {INTERRUPTED + 1} of them interrupted\n{samples}")
        print(
            f"memory a plain cell: {plain.slope('memory'):,.0f}; a question beyond that: {own:,.0f} bytes\n"
        )
    first, last = samples.seen[0], samples.seen[-1]
    for what in ("threads", "comms", "widgets"):
        assert last[what] <= first[what], f"{what} grew\n{samples}"
    works = len({n % CELLS for n in range(QUESTIONS) if "--do" in WAYS[n % len(WAYS)]})
    assert last["turns"] <= CELLS + works, f"a cell, or the step below it, has more than one turn\n{samples}"
    assert own < GROWTH, f"memory grew\n{samples}\n{plain}"
    rows = ledger_rows(data)
    assert len(rows) == asked + 1
    assert sum(not row["complete"] for row in rows) == INTERRUPTED + 1
    assert all(row["stop_reason"] or row["estimated"] for row in rows)


@dataclass(slots=True)
class Day:
    """What one kernel did."""

    answered: int = 0
    stopped: int = 0
    told: list[str] = field(default_factory=list[str])


def busy(folder: Path, env: dict[str, str], server: RawServer, until: float, number: int, day: Day) -> None:
    """Ask in one kernel until the time is over."""
    rng = random.Random(number)
    with running_kernel(folder, env, LOAD + SETUP) as kernel:
        while time.monotonic() < until:
            n = day.answered + day.stopped
            if rng.random() < 0.05:
                cell = kernel.start(f"%%claude\nWait for me, {number}-{n}.", cell_id=f"cell-{n % CELLS}")
                mark = f"Wait for me, {number}-{n}."
                kernel.wait_for(
                    lambda mark=mark: any(mark in str(r.json["messages"][-1]) for r in server.requests[-40:])
                )
                kernel.interrupt()
                assert_one_clear_line(cell.finish(timeout=60))
                day.stopped += 1
            else:
                done = ask(kernel, rng.randrange(1000), ONE_REQUEST)
                day.answered += 1
                if done.stderr:
                    day.told.append(done.stderr)
            kernel.forget()


@pytest.fixture(params=["file", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Postgres | None]:
    """A database for the team's ledger; None where the kernels share a file."""
    if request.param == "file":
        yield None
        return
    with closing(Postgres()) as server:
        yield server


def test_kernels_that_share_a_ledger_lose_nothing_of_each_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], database: Postgres | None
) -> None:
    data = tmp_path / "data"
    team = {"CLAUDE_JUPYTER_LEDGER": database.address()} if database else {}
    days = [Day() for _ in range(KERNELS)]
    failed: list[BaseException] = []
    with raw_server() as server:
        server.plays = play
        env = environment(server.url, CLAUDE_JUPYTER_DATA_DIR=str(data), **team)
        until = time.monotonic() + SECONDS

        def work(number: int) -> None:
            folder = tmp_path / f"kernel-{number}"
            folder.mkdir()
            try:
                busy(folder, env, server, until, number, days[number])
            except BaseException as error:
                failed.append(error)
            finally:
                ensure_event_loop().close()  # jupyter_client's, one a thread

        threads = [threading.Thread(target=work, args=(n,)) for n in range(KERNELS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        asked, left = len(server.requests), len(server.disconnects)
    assert not failed, failed
    rows = team_rows(database) if database else ledger_rows(data)
    answered, stopped = sum(day.answered for day in days), sum(day.stopped for day in days)
    with capsys.disabled():
        print(
            f"\n\n{KERNELS} kernels for {SECONDS:g} s on one {'PostgreSQL' if database else 'file'}: "
            f"{answered} answers, {stopped} interrupted, {len(rows)} rows\n"
        )
    assert all(day.answered for day in days), days
    assert [line for day in days for line in day.told] == []
    assert len(rows) == asked == answered + stopped
    assert len({row["id"] for row in rows}) == asked
    assert sum(not row["complete"] for row in rows) == stopped <= left
    by_kernel = Counter(row["kernel"] for row in rows)
    assert sorted(by_kernel.values()) == sorted(day.answered + day.stopped for day in days)
    if database is None:  # the running totals agree to the last digit
        assert spent(data) == sum(Decimal(row["cost_usd"]) for row in rows)
    assert list(data.glob("ledger*.db")) == ([] if database else [data / "ledger.db"])
    kept = sum(
        line.startswith(b"{")
        for path in (data / "journal").glob("*.jsonl")
        for line in path.read_bytes().split(b"\n")
    )
    once = sum(b'"Question ' in r.body or b"Question " in r.body[-400:] for r in server.requests)
    assert kept <= answered + stopped and kept >= answered - once


def opened(data: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(data / "ledger.db")
    connection.row_factory = sqlite3.Row
    try:
        yield connection
    finally:
        connection.close()


def ledger_rows(data: Path) -> list[dict[str, Any]]:
    for connection in opened(data):
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        return [dict(row) for row in connection.execute("SELECT * FROM calls ORDER BY at")]
    raise AssertionError


def team_rows(database: Postgres) -> list[dict[str, Any]]:
    names = ("id", "kernel", "complete", "cost_usd")
    found = database.sql(f"SELECT {', '.join(names)} FROM calls")
    return [dict(zip(names, row, strict=True)) for row in found]


def spent(data: Path) -> Decimal:
    """The running total of all kernels, as the ledger itself sums it."""
    from claude_jupyter.costs.ledger.sqlite_ledger import Ledger

    ledger = Ledger(data / "ledger.db", warn=print)
    try:
        (total,) = ledger.sums(())
        return total.billed
    finally:
        ledger.close()
