"""What the fault matrix found, each as a test of its own: the moments are too short to be met every time."""

from __future__ import annotations

import signal
import threading
import typing
from pathlib import Path
from typing import Any

import pytest
from anthropic.types import ContentBlockParam
from anthropic.types.beta import BetaContentBlockParam
from support.faults_line import until
from support.faults_ways import ROWS, TEXT, WAYS, bench, ours
from support.raw_server import End, Play

from claude_jupyter.client.stream import as_sent
from claude_jupyter.conversation.map.mapper import Mapper
from claude_jupyter.conversation.map.results import Results, StoredResult
from claude_jupyter.conversation.store.journal import Journal

PLAIN = WAYS[0]


def test_an_interrupt_while_the_request_is_being_started_leaves_no_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = threading.Thread.start
    with bench(PLAIN, None) as b:

        def interrupted(thread: threading.Thread) -> None:
            start(thread)
            if thread.name == "claude-wire":
                until(lambda: b.line.requests, "the request")
                raise KeyboardInterrupt

        monkeypatch.setattr(threading.Thread, "start", interrupted)
        b.line.spoil(lambda _ask: Play(before_headers=End.HANG))
        outcome = PLAIN.ask(b)
        assert type(outcome.error).__name__ == "StoppedError"
        until(lambda: b.line.disconnects, "the connection to be closed")
        until(lambda: not ours(), "the thread to end")


def test_a_setting_changed_in_between_leaves_no_connection() -> None:
    with bench(PLAIN, None) as b:
        for timeout in (11.0, 12.0, 13.0):
            assert PLAIN.ask(b).complete
            b.settings.timeout = timeout
        assert PLAIN.ask(b).complete
        until(lambda: b.line.open == 1, f"one connection, not {b.line.open}")


def types(union: Any) -> set[str]:
    """The `type` of each block in a union of the SDK."""
    members = [t for t in typing.get_args(union) if hasattr(t, "__annotations__")]
    return {typing.get_args(typing.get_type_hints(t)["type"])[0] for t in members}


@pytest.mark.parametrize("union", [ContentBlockParam, BetaContentBlockParam], ids=["stable", "beta"])
def test_every_block_that_the_sdk_knows_is_sent_back(union: Any) -> None:
    known = sorted(types(union))
    assert len(known) > 10
    assert [b["type"] for b in as_sent([{"type": kind, "text": "x"} for kind in known])] == known


def test_a_block_that_nobody_knows_is_not_and_thinking_bound_to_it_neither() -> None:
    blocks = [{"type": "thinking", "signature": "s"}, {"type": "text", "text": "a"}, {"type": "hologram"}]
    assert as_sent([*blocks, blocks[0], blocks[1]]) == [*blocks[:2], blocks[1]]
    assert as_sent([{"type": "future_tool_result", "tool_use_id": "x"}])


def test_a_line_of_a_map_that_a_full_disk_has_cut_costs_no_other(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "kernel-1", "a.ipynb", lambda: "on", print)
    Results(journal, "kind").keep("one", StoredResult("first"))
    path = tmp_path / "map" / "kind.jsonl"
    path.write_bytes(path.read_bytes() + b'{"version": 1, "hash": "tw')
    Results(journal, "kind").keep("three", StoredResult("third"))
    fresh = Results(Journal(tmp_path, "kernel-2", "a.ipynb", lambda: "on", print), "kind")
    assert [key in fresh for key in ("one", "two", "three")] == [True, False, True]


def test_an_interrupt_while_a_row_comes_home_keeps_the_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hear, way = Mapper._hear, WAYS[-1]

    def interrupted(self: Mapper, news: Any, *rest: Any) -> None:
        if type(news).__name__ == "_Done":
            signal.raise_signal(signal.SIGINT)
        hear(self, news, *rest)

    with bench(way, tmp_path) as b:
        monkeypatch.setattr(Mapper, "_hear", interrupted)
        outcome = way.ask(b)
        assert outcome.line.startswith("Stopped. 1 of 3 rows")
        monkeypatch.setattr(Mapper, "_hear", hear)
        before = len(b.demo.requests)
        assert b.claude.map(ROWS, "{value}?", limit=1) == [TEXT] * len(ROWS)
        assert len(b.demo.requests) - before == len(ROWS) - 1
