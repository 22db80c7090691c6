"""A page asks for a changed cell over its link: it gets the new source, nothing runs, nothing enters the history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from support.raw_server import answer

from claude_jupyter.conversation.changing import unfenced

HELLO = {"op": "hello"}


def test_the_new_source_comes_back_and_costs_a_row(fresh_kernel):
    kernel = fresh_kernel()
    comm = kernel.open_comm("claude_jupyter", HELLO)
    kernel.send_comm(
        comm, {"op": "change", "id": "r1", "cell": "cell-9", "source": "pritn(1)", "wish": "fix the name"}
    )

    def last() -> Mapping[str, Any] | None:
        said = (
            m.content["data"] for m in kernel.heard() if m.type == "comm_msg" and m.content["comm_id"] == comm
        )
        return next((d for d in said if d.get("op") == "change" and (d.get("done") or d.get("error"))), None)

    done = kernel.wait_for(last)
    assert done.get("source") or "contains no cell" in done["error"]
    assert done["id"] == "r1"
    assert kernel.value("len(claude.turns)") == 0


def test_the_error_that_the_page_shows_goes_along_where_the_kernel_did_not_see_it(fresh_kernel, server):
    for rows, said in (("10", "ValueError: of canary"), ("none", "ValueError")):
        kernel = fresh_kernel({"CLAUDE_JUPYTER_ROWS": rows})
        server.reset(answer("```python\nx\n```"))
        comm = kernel.open_comm("claude_jupyter", HELLO)
        failed = {"name": "ValueError", "text": "of canary"}
        kernel.send_comm(
            comm, {"op": "change", "id": "r", "cell": "c", "source": "x", "wish": "mend", "failed": failed}
        )
        kernel.wait_for(lambda: server.requests)
        prompt = server.requests[-1].json["messages"][-1]["content"][-1]["text"]
        assert f"When it ran last it failed with: {said}\n" in prompt
        assert ("canary" in prompt) == (rows != "none")


def test_code_that_is_still_arriving():
    assert unfenced("Here") == ""
    assert unfenced("Here:\n```python\na = 1\nb") == "a = 1\nb"
    assert unfenced("```python\na = 1\n```\nDone.") == "a = 1"
