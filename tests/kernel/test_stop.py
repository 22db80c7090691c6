"""An interrupt at any moment ends the cell with one clean line, closes the connection, and keeps what came."""

from __future__ import annotations

import time

import pytest
from support.asking import ask, assert_next_works, assert_one_clear_line
from support.kernel import ANSWER, Cell, Execution, Kernel
from support.raw_server import End, Play, RawServer, failure, sse, text_events

TEXT = "word " * 4000
EVENTS = text_events(TEXT, size=20)
THINKING = [
    EVENTS[0],
    *sse(
        [
            {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm. "}},
        ]
    ),
]  # fmt: skip
SLOW = [step for event in EVENTS for step in (event, 0.02)]
MOMENTS = {
    "before the connection is answered": Play(before_headers=End.HANG),
    "after the headers": Play([End.HANG]),
    "after message_start": Play([EVENTS[0], End.HANG]),
    "within thinking": Play([*THINKING, End.HANG]),
    "in silence after some text": Play([*EVENTS[:20], End.HANG]),
    "in a steady stream": Play(SLOW),
    "before the last event": Play([*EVENTS[:-1], End.HANG]),
}


def stopped(kernel: Kernel, server: RawServer, cell: Cell, after: float = 0.5) -> Execution:
    """Interrupt once the question is under way."""
    kernel.wait_for(lambda: server.requests, message="no request came")
    time.sleep(after)
    kernel.interrupt()
    return cell.finish(timeout=30)


def stopped_with_text(kernel: Kernel, server: RawServer, cell_id: str | None) -> Execution:
    """Interrupt once text has come: nothing tells when it has, so that a slow machine is given more time."""
    for after in (0.5, 2, 8):
        server.requests.clear()
        done = stopped(kernel, server, kernel.start("%%claude\nWrite much.", cell_id=cell_id), after)
        if done.answers and done.answer["text/plain"].strip():
            return done
    raise AssertionError("the text that came is lost")


@pytest.mark.parametrize("cell_id", ["a", None], ids=["lab", "nbclient"])
@pytest.mark.parametrize("play", MOMENTS.values(), ids=MOMENTS.keys())
def test_an_interrupt_ends_the_cell_and_the_connection(play, cell_id, kernel, server):
    kernel.run("from claude_jupyter.client import service\nservice._LAST_WORD = 60")  # however slow we are
    server.reset(play)
    if play.steps[1:5] == EVENTS[1:5]:
        done = stopped_with_text(kernel, server, cell_id)
    else:
        done = stopped(kernel, server, kernel.start("%%claude\nWrite much.", cell_id=cell_id))
    assert_one_clear_line(done)
    kernel.wait_for(lambda: server.disconnects, message="the connection is still open")
    for bundle in done.answers:
        assert bundle[ANSWER]["complete"] is False
        assert TEXT.startswith(bundle["text/plain"].rstrip("\n"))
    assert_next_works(kernel, server)


@pytest.mark.parametrize(
    "code",
    [
        "for _ in claude.stream('Why?'): pass",
        "async for _ in claude.astream('Why?'): pass",
        "async with claude.astream('Why?') as stream:\n    async for _ in stream: pass",
        "await claude.aask('Why?')",
    ],
)
def test_an_interrupt_of_any_way_to_wait_ends_in_one_line(code, kernel, server):
    server.reset(Play([*EVENTS[:20], End.HANG]))
    assert_one_clear_line(stopped(kernel, server, kernel.start(code, cell_id="a")), "Stopped")
    kernel.wait_for(lambda: server.disconnects, message="the connection is still open")
    kernel.wait_for(lambda: kernel.value("str(claude.last)").startswith("word"), message="what came is lost")
    assert_next_works(kernel, server)


def test_an_interrupt_while_a_busy_service_is_waited_for(kernel, server):
    server.reset(failure(429, "rate_limit_error", "Too many requests", retry_after="50"))
    done = stopped(kernel, server, kernel.start("%%claude\nWhy?", cell_id="a"))
    assert_one_clear_line(done)
    assert len(server.requests) == 1
    assert_next_works(kernel, server)


# The cell outlasts the interrupts: one that comes later, in ipykernel's own loop, costs the reply to the cell.
IN_A_ROW = """
import pathlib, time
seen, over = [], pathlib.Path({over!r})
while True:
    try:
        if not seen:
            claude.ask("Write much.")
        while not over.exists():
            time.sleep(0.01)
        break
    except BaseException as error:
        seen.append(type(error).__name__)
"""


def test_interrupts_in_a_row_do_no_harm(kernel, server, tmp_path):
    for n in range(5):
        server.reset(Play(SLOW))
        over = tmp_path / f"over-{n}"
        cell = kernel.start(IN_A_ROW.format(over=str(over)), cell_id="a")
        kernel.wait_for(lambda: server.requests)
        for _ in range(3):
            kernel.interrupt()
            time.sleep(0.01)
        time.sleep(0.2)
        over.touch()
        done = cell.finish(timeout=30)
        assert done.ok, done.error
        assert kernel.value("seen[0]") == "StoppedError" and not kernel.value("claude.last.complete")
    assert_next_works(kernel, server)


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.05, 0.1, 0.2])
def test_an_interrupt_at_once_leaves_a_kernel_that_works(delay, kernel, server):
    server.reset(Play(SLOW))
    # The cell must be running: what arrives before ends in ipykernel's own loop ("KeyboardInterrupt caught in kernel").
    code = "from claude_jupyter import claude\nprint('go', flush=True)\nclaude.ask('Write much.')"
    cell = kernel.start(code, cell_id="a")
    cell.wait_for(lambda messages: [m for m in messages if m.type == "stream"])
    time.sleep(delay)
    kernel.interrupt()
    assert not cell.finish(timeout=20).ok
    assert_next_works(kernel, server)


def test_a_stopped_cell_stops_run_all(kernel, server):
    server.reset(Play(SLOW))
    cell = kernel.start("%%claude\nWrite much.", cell_id="a")
    queued = kernel.start("after = True", cell_id="b")
    stopped(kernel, server, cell)
    assert queued.finish().reply["status"] == "aborted"


@pytest.mark.parametrize(
    "moment", ["before the connection is answered", "after the headers", "after message_start"]
)
def test_what_a_request_used_that_was_stopped_in_silence_is_a_lower_bound(moment, kernel, server):
    server.reset(MOMENTS[moment])
    done = stopped(kernel, server, kernel.start("%%claude\nWrite much.", cell_id="a"))
    assert done.answer[ANSWER]["estimated"] is True
    assert "≥ $0" in done.answer["text/markdown"]


def test_what_a_busy_service_refused_cost_nothing(kernel, server):
    server.reset(failure(429, "rate_limit_error", "Too many requests", retry_after="50"))
    done = stopped(kernel, server, kernel.start("%%claude\nWhy?", cell_id="a"))
    assert done.answer[ANSWER]["cost"] == "0" and done.answer[ANSWER]["estimated"] is False


def test_an_interrupted_answer_is_a_lower_bound_and_can_be_resumed(kernel, server):
    server.reset(Play([*EVENTS[:20], End.HANG]))
    done = stopped_with_text(kernel, server, "a")
    told = done.answer[ANSWER]
    assert told["estimated"] is True and told["complete"] is False
    assert "≥" in done.answer["text/markdown"]
    server.reset(Play(text_events("and the rest.")))
    resumed = kernel.run("claude.resume()")
    assert resumed.ok, resumed.error
    assert "and the rest." in str(resumed.answer["text/plain"])
    assert ask(kernel, "Then?").ok
