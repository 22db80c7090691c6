"""Questions with `--look`: what goes over the wire, what the answer shows of it, and what later questions carry."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from typing import Any

import matplotlib
import pandas as pd
import pytest
from support.world import stage

from claude_jupyter.client.transport import Stop
from claude_jupyter.content.cells.cell_records import Cell
from claude_jupyter.demo.script import Call, Script, Think
from claude_jupyter.errors import UsageError
from claude_jupyter.kernel.look import offered
from claude_jupyter.kernel.reading import Reader

matplotlib.use("agg")
LOOKS = ["variables", "show", "query", "cells", "help"]


def sales() -> pd.DataFrame:
    return pd.DataFrame({"city": ["Oslo", "Rome"] * 20, "amount": range(40)})


def texts(message: Any) -> str:
    return json.dumps(message["content"])


def looking(sql: str, *, thinks: bool = False) -> Script:
    call = Call("query", {"sql": sql})
    return Script(pieces=(*((Think("Let me see."),) if thinks else ()), call))


def test_a_question_without_look_offers_nothing_and_carries_no_inventory() -> None:
    with stage() as s:
        s.claude.ask("Hello?")
        assert "tools" not in s.bodies[0] and "inventory" not in str(s.bodies)


def test_claude_looks_and_the_answer_shows_at_what() -> None:
    with stage([looking("SELECT sum(amount) FROM sales"), "780."]) as s:
        s.env.namespace = lambda: {"sales": sales()}
        answer = s.claude.ask("What is the total?", look=True)
        first, second = s.bodies
        assert [tool["name"] for tool in first["tools"]] == LOOKS
        inventory, prompt = first["messages"][0]["content"]
        assert "sales: pandas DataFrame 40 × 2: city, amount" in inventory["text"]
        assert prompt["text"] == "What is the total?"
        assert "780" in texts(second["messages"][-1])
        assert [a.label for a in answer.attachments] == ["this notebook", "SELECT sum(amount) FROM sales"]
        assert answer.attachments[1].sent == "1 row" and answer.attachments[1].kind == "frame"
        (tool,) = answer.tools
        assert tool["tokens"] > 0 and tool["price"].startswith("$") and not tool["error"]


def test_the_setting_makes_every_question_look_and_the_option_undoes_it() -> None:
    with stage() as s:
        s.settings.look = True
        s.claude.ask("One?", look=False)
        s.claude.ask("Two?")
        assert ["tools" in body for body in s.bodies[:2]] == [False, True]


def test_the_inventory_stands_in_the_newest_turn_only_and_the_cache_holds() -> None:
    with stage(
        [looking("SELECT 1", thinks=True), "One.", looking("SELECT 2", thinks=True), "Two.", "Three."]
    ) as s:
        s.env.namespace = lambda: {"sales": sales()}
        long = "Tell me about it. " * 600
        s.claude.ask(long, sales(), look=True)
        s.claude.ask(long, look=True)
        s.claude.ask("And?", look=True)
        for body in s.bodies:
            assert str(body["messages"]).count('kind="inventory"') == 1
        last = s.bodies[-1]["messages"]
        assert "inventory" in texts(last[-1]) and "inventory" not in texts(last[0])
        assert s.server.requests[-1].usage.cache_read > 3000
        assert max(str(body).count("cache_control") for body in s.bodies) <= 4


def test_a_look_up_that_fails_is_told_to_claude_and_the_question_goes_on() -> None:
    calls = [
        Call("show", {"expression": "sale"}), Call("query", {"sql": "DROP TABLE sales"}), Call("show", {"expression": "sales.head()"}),
        Call("cells", {"count": 9}), Call("help", {"name": "sales"}), Call("show", {"wrong": 1}),
    ]  # fmt: skip
    with stage([Script(pieces=tuple(calls)), "Done."]) as s:
        s.env.namespace = lambda: {"sales": sales()}
        answer = s.claude.ask("Look.", look=True)
        assert answer.text == "Done." and all(tool["error"] for tool in answer.tools)
        results = s.bodies[1]["messages"][-1]["content"]
        assert [result["is_error"] for result in results] == [True] * len(calls)
        assert "did you mean sales?" in str(results[0])


class Hanging:
    def __repr__(self) -> str:
        time.sleep(60)
        return ""


def test_a_look_up_of_many_objects_that_hang_takes_two_seconds_in_all() -> None:
    calls = [Call("show", {"expression": "many"}), Call("show", {"expression": "fine"})]
    with stage([Script(pieces=tuple(calls)), "Done."]) as s:
        s.env.namespace = lambda: {"many": [Hanging() for _ in range(6)], "fine": [1, 2]}
        answer = s.claude.ask("Look.", look=True)
        many, fine = answer.tools
        assert answer.text == "Done." and 2 <= many["seconds"] < 5
        assert "its repr was not called, because the 2 s were used up" in many["result"]
        assert "[1, 2]" in fine["result"]


def test_a_result_is_cut_at_10_000_tokens_and_says_how_to_ask_for_the_rest() -> None:
    wide = pd.DataFrame({f"column_{i}": ["x" * 150] * 300 for i in range(10)})
    with stage([looking("SELECT * FROM wide"), "Long."]) as s:
        s.env.namespace = lambda: {"wide": wide}
        answer = s.claude.ask("All of it", look=True, rows="all")
        text = s.bodies[1]["messages"][-1]["content"][0]["content"][0]["text"]
        assert len(text) / 3.5 < 10_100
        assert "characters left out; select fewer columns, aggregate, or use LIMIT and OFFSET" in text
        assert text.endswith("</attachment>") and answer.complete


def test_a_cut_of_a_huge_text_says_how_much_of_all_of_it_is_missing() -> None:
    with stage([Script(pieces=(Call("show", {"expression": "log"}),)), "Long."]) as s:
        s.env.namespace = lambda: {"log": "x" * 3_000_000}
        s.claude.ask("What is it?", look=True)
        text = s.bodies[1]["messages"][-1]["content"][0]["content"][0]["text"]
        told = re.search(r"\[… ([\d,]+) of ([\d,]+) characters left out; show a part", text)
        assert told is not None
        missing, total = (int(number.replace(",", "")) for number in told.groups())
        assert total == pytest.approx(3_000_000, abs=500) and total - missing == pytest.approx(
            text.count("x"), abs=500
        )


def test_secrets_in_what_is_looked_at_are_redacted() -> None:
    with stage(
        [
            Script(pieces=(Call("show", {"expression": "note"}), Call("query", {"sql": "SELECT * FROM t"}))),
            "Seen.",
        ]
    ) as s:
        s.env.redact = lambda text: (text.replace("hunter2-hunter2", "[redacted KEY]"), ("KEY",))
        s.env.namespace = lambda: {"note": "hunter2-hunter2", "t": pd.DataFrame({"k": ["hunter2-hunter2"]})}
        answer = s.claude.ask("Look.", look=True)
        assert "hunter2" not in str(s.bodies) and "hunter2" not in str(answer.tools)


def test_a_figure_is_looked_at_as_a_picture() -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 2, 3])
    with stage([Script(pieces=(Call("show", {"expression": "fig"}),)), "A line."]) as s:
        s.env.namespace = lambda: {"fig": figure}
        answer = s.claude.ask("What is drawn?", look=True)
        assert any(b["type"] == "image" for b in s.bodies[1]["messages"][-1]["content"][0]["content"])
        assert answer.attachments[-1].kind == "image"


def test_rows_that_were_looked_at_are_remembered_under_rows_none() -> None:
    with stage([looking("SELECT * FROM sales"), "Seen."]) as s:
        s.env.namespace = lambda: {"sales": sales()}
        s.claude.ask("Look.", look=True)
        with pytest.raises(UsageError, match="contain rows"):
            s.claude.ask("And?", rows="none")


def test_a_dry_run_shows_the_inventory_and_the_tools_and_calls_nothing() -> None:
    with stage() as s:
        s.env.namespace = lambda: {"sales": sales()}
        receipt = s.claude.ask("Look.", look=True, dry_run=True)
        names = dict(receipt.parts)
        assert "5 tools" in names and names["this notebook"] > 20 and not s.bodies


def test_the_demo_model_looks_by_simple_rules() -> None:
    cells = (Cell("x = 1", count=1, text="printed here\n"),)
    with stage() as s:
        s.env.namespace = lambda: {"sales": sales(), "limit": [1, 2]}
        s.env.records = lambda: cells
        answer = s.claude.ask("What is the average amount per city?", look=True)
        assert (
            answer.tools[0]["name"] == "query"
            and "Rome | 20" in answer.text
            and "offline demo" in answer.text
        )
        assert json.loads(s.claude.ask("What is in limit?", look=True).tools[0]["result"].split("\n")[1]) == [
            1,
            2,
        ]
        assert "printed here" in s.claude.ask("What did cell 1 print?", look=True).text
        for question, told in (
            ("Which city had the largest amount in sales?", "Rome | 39"),
            ("What is the median amount in sales?", "19.5"),
            ("What does limit hold?", "[1, 2]"),
            ("What does limit[1] hold?", "\n2\n"),
            ("How much did sales sell per year?", "40 rows × 2 columns"),
        ):
            assert told in s.claude.ask(question, look=True, once=True).text, question
        assert "len(obj, /)" in s.claude.ask("What does len do?", look=True).text


class Extra:
    """A look tool of another package."""

    name = "weather"
    description = "The weather."
    shorter = "ask for a day"

    def __init__(self) -> None:
        from dataclasses import make_dataclass

        self.arguments = make_dataclass("Nothing", [])

    def handle(self, arguments: Any, here: Any) -> Any:
        from claude_jupyter.content.dispatch import attach

        class Sunny:
            def attachments(self, rules: Any) -> Any:
                return attach("sunny", "weather", rules)

        return Sunny()


class Point:
    def __init__(self, name: str, loads: Any) -> None:
        self.name, self._loads = name, loads

    def load(self) -> Any:
        if isinstance(self._loads, Exception):
            raise self._loads
        return self._loads


def test_another_package_adds_a_look_tool_and_a_broken_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [Point("weather", Extra), Point("broken", ImportError("x"))]
    monkeypatch.setattr(
        offered, "entry_points", lambda group: points if group == "claude_jupyter.look" else []
    )
    offered.look_tools.cache_clear()
    try:
        with stage([Script(pieces=(Call("weather", {}),)), "Good."]) as s:
            answer = s.claude.ask("How is it?", look=True)
            assert "sunny" in answer.tools[0]["result"]
            notices = [b["text"] for b in answer.blocks if b["type"] == "notice"]
            assert "The look tool broken cannot be loaded (ImportError)." in notices
    finally:
        offered.look_tools.cache_clear()


async def test_an_answer_elsewhere_reads_between_cells_on_the_kernel_s_own_thread() -> None:
    reader = Reader(lambda: False)
    order: list[str] = []
    found: list[str] = []

    def beside() -> None:
        found.append(reader(lambda: order.append("read") or threading.current_thread().name, Stop()))

    thread = threading.Thread(target=beside)
    thread.start()
    time.sleep(0.3)  # a cell that runs: the loop does nothing else
    order.append("cell ended")
    while not found:
        await asyncio.sleep(0.01)
    assert order == ["cell ended", "read"] and found == [threading.current_thread().name]
    thread.join()


async def test_an_answer_elsewhere_does_not_wait_for_a_cell_for_ever() -> None:
    reader = Reader(lambda: False, wait=0.2)
    found: list[Exception] = []
    read: list[int] = []

    def beside() -> None:
        try:
            reader(lambda: read.append(1), Stop())
        except UsageError as error:
            found.append(error)

    thread = threading.Thread(target=beside)
    thread.start()
    thread.join()  # a cell that runs on
    await asyncio.sleep(0.05)
    assert "values are read only while no cell is running" in str(found[0]) and not read


def test_a_stop_ends_the_wait_for_a_cell() -> None:
    stop = Stop()
    reader = Reader(lambda: True, wait=30)
    threading.Timer(0.2, stop.request).start()
    caught: list[str] = []

    def beside() -> None:
        try:
            reader(lambda: 1, stop)
        except UsageError as error:
            caught.append(str(error))

    began = time.monotonic()
    thread = threading.Thread(target=beside)
    thread.start()
    thread.join()
    assert caught and time.monotonic() - began < 2
