"""`--look` in a real kernel: the magic, and an answer in the background beside a cell that runs."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from support.kernel import ANSWER, Kernel
from support.raw_server import Play, RawServer, answer, sse, text_events

FRAME = "import pandas as pd\nsales = pd.DataFrame({'city': ['Oslo', 'Rome'] * 20, 'amount': range(40)})"


def query(sql: str) -> Play:
    """An answer that sends one SELECT."""
    start, *_, stop, _delta, end = text_events("x")
    block = {"type": "tool_use", "id": "toolu_1", "name": "query", "input": {}}
    told = {"type": "input_json_delta", "partial_json": json.dumps({"sql": sql})}
    reason = {"stop_reason": "tool_use", "stop_sequence": None}
    call = [
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": told},
    ]
    ended = [{"type": "message_delta", "delta": reason, "usage": {"output_tokens": 9}}]
    return Play([start, *sse(call), stop, *sse(ended), end])


def looks_once(sql: str) -> Any:
    """A server whose model sends one SELECT and then says what came back."""

    def choose(request: Any) -> Play:
        blocks = request.json["messages"][-1]["content"]
        results = [b for b in blocks if b.get("type") == "tool_result"]
        return answer(f"It says {results[0]['content'][0]['text']}") if results else query(sql)

    return choose


def test_the_magic_looks_and_tells_the_cells_that_ran(kernel: Kernel, server: RawServer) -> None:
    server.plays = looks_once("SELECT sum(amount) AS total FROM sales")
    kernel.run(FRAME)
    cell = kernel.run("%claude --look What is the total of sales?")
    assert cell.ok and "780" in cell.answer["text/plain"]
    assert "*lookups: query " in cell.answer["text/markdown"]
    assert "write {sales}" not in cell.stdout + cell.stderr
    labels = [a["label"] for a in cell.answer[ANSWER]["attachments"]]
    assert labels == ["this notebook", "SELECT sum(amount) AS total FROM sales"]
    sent = json.dumps(server.requests[-1].json)
    assert "sales: pandas DataFrame 40" in sent and "import pandas as pd (2 lines)" in sent
    server.plays = lambda _: answer("You did not show it.")
    plain = kernel.run("%claude --once What is the total of sales?")
    assert "write {sales}" in plain.stdout + plain.stderr


def test_an_answer_in_the_background_reads_after_the_cell_that_runs(
    kernel: Kernel, server: RawServer
) -> None:
    server.plays = looks_once("SELECT sum(amount) AS total FROM sales")
    kernel.run(FRAME)
    asked = kernel.start("%%claude --background --look\nWhat is the total?", cell_id="a")
    asked.finish()
    changing = "import time\nsales['amount'] = 0\ntime.sleep(2)\nsales['amount'] = 2"
    assert kernel.run(changing).ok
    asked.wait_for(lambda _: kernel.value("str(claude.last)").startswith("It says"))
    # Never the zeros in the middle of the cell: it was read before the cell, or after it.
    text = kernel.value("str(claude.last)")
    assert "\n80\n" in text or "\n780\n" in text


# None of them may need much memory: a billion rows to join reach DuckDB's limit in less than a second on a quick machine.
ENDLESS = (
    "SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b",
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
    "SELECT sum(a.amount * b.amount) FROM sales a, sales b, sales c, sales d, sales e, sales f, sales g, sales h",
)


@pytest.mark.parametrize("sql", ENDLESS)
def test_an_interrupt_ends_a_query_and_the_kernel_goes_on(
    sql: str, kernel: Kernel, server: RawServer
) -> None:
    server.plays = looks_once(sql)
    kernel.run(FRAME)
    for number in range(3):
        cell = kernel.start("%%claude --look\nWhat is the total?", cell_id=f"endless-{number}")
        asked = len(server.requests)
        kernel.wait_for(lambda asked=asked: len(server.requests) > asked)
        time.sleep(0.3 + 0.2 * number)
        sent = kernel.interrupt()
        done = cell.finish()
        print(f"interrupt to idle: {done.ended - sent:.3f} s")
        assert not done.ok and done.ended - sent < 1
        assert len(server.requests) == asked + 1
        assert kernel.run("1 + 1", timeout=10).ok
