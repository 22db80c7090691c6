"""What a real kernel says to a page is what `tests/fixtures/comm/` holds; `labextension/tests/comm.test.ts` shows it in the page's parts.

So neither side can change alone. `COMM_FIXTURES=write` writes the files anew, to be read before they are committed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support import comm_scripts
from support.kernel import WIDGET, Execution, Kernel

FIXTURES = Path(__file__).parents[1] / "fixtures" / "comm"
SUPPORT = Path(comm_scripts.__file__).parent
HELLO = {"op": "hello", "formulas": True, "cells": True}


def compare(name: str, said: Mapping[str, Any]) -> None:
    """The fixture is what was said, to the letter."""
    path = FIXTURES / f"{name}.json"
    if os.environ.get("COMM_FIXTURES") == "write":
        path.write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n")
    assert said == json.loads(path.read_text())


def answer_in(done: Execution) -> dict[str, Any]:
    """The life of an answer's widget, and of its output."""
    (model,) = [m.content for m in done.of("comm_open") if "answer" in m.content["data"].get("state", {})]
    state = model["data"]["state"]
    of_it = [m for m in done.of("comm_msg", "comm_close") if m.content["comm_id"] == model["comm_id"]]
    (shown,), (final,) = done.of("display_data"), done.of("update_display_data")
    assert shown.content["data"].pop(WIDGET)["model_id"] == model["comm_id"]
    assert [m.type for m in of_it][-1] == "comm_close"
    assert shown.content["transient"] == final.content["transient"] == {"display_id": state["answer"]["id"]}
    return {
        "model": {"answer": state["answer"], "stop": state["stop"]},
        "shown": {"data": shown.content["data"], "metadata": shown.content["metadata"]},
        "messages": [
            m.content["data"]["content"] for m in of_it[:-1] if m.content["data"]["method"] == "custom"
        ],
        "final": {"data": final.content["data"], "metadata": final.content["metadata"]},
    }


@pytest.mark.parametrize("name", comm_scripts.PLAYS)
def test_an_answer_crosses_as_the_pages_tests_have_it(kernel: Kernel, name: str):
    kernel.run(f"import sys; sys.path.insert(0, {str(SUPPORT)!r})")
    done = kernel.run(f"import comm_scripts; comm_scripts.play({name!r})")
    assert done.ok, done.error
    compare(f"answer-{name}", answer_in(done))


def test_the_link_says_what_the_pages_tests_have(fresh_kernel):
    kernel = fresh_kernel()
    comm = kernel.open_comm("claude_jupyter", HELLO)
    exchange: list[dict[str, Any]] = []

    def said() -> list[Mapping[str, Any]]:
        return [
            m.content["data"] for m in kernel.heard() if m.type == "comm_msg" and m.content["comm_id"] == comm
        ]

    def hear(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        told = kernel.wait_for(lambda: said()[len(exchange) :])
        exchange.append({"page": asked, "kernel": told[0]})
        return told[0]

    def say(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        kernel.send_comm(comm, asked)
        return hear(asked)

    hear(HELLO)
    done = kernel.run("%%claude\nWhat is odd?\nReally.", cell_id="asked")
    assert done.ok, done.error
    (turn,) = say({"op": "state"})["turns"]
    say({"op": "answer", "id": turn["answer"]})
    say({"op": "hide", "turn": 1})
    say({"op": "fork"})
    say({"op": "undo"})
    say({"op": "answer", "id": "none"})
    compare("link", {"exchange": steady(exchange, turn["answer"])})


def steady(said: Any, answer: str) -> Any:
    """Without what differs from run to run: ids, times, the user."""
    if isinstance(said, dict):
        fixed = {
            "user": "somebody",
            "started": "2026-11-22T12:00:00+00:00",
            "seconds": 1.5,
            "age": 0.0,  # seconds since the answer ended: as long as the machine took to ask
            "notebook_totals": True,
        }
        return {
            key: fixed[key] if key in fixed and value is not None else steady(value, answer)
            for key, value in said.items()
        }
    if isinstance(said, list):
        return [steady(value, answer) for value in said]
    if isinstance(said, str):
        return re.sub(r"· \d{4}-\d\d-\d\d ·", "· 2026-11-22 ·", said.replace(answer, "answer-1"))
    return said
