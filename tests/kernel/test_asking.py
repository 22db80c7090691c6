"""A conversation in a real kernel: in the background, several at once, asking the user, after a restart, in a terminal."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from support.asking import ask, assert_next_works, assert_one_clear_line
from support.kernel import ANSWER, Kernel
from support.kernel_fixtures import LOAD, environment
from support.raw_server import End, Play, RawServer, answer, failure, sse, text_events

SLOW = [step for event in text_events("word " * 100, size=20) for step in (event, 0.03)]


def call_events(name: str, given: dict[str, object], call: str = "toolu_1") -> list[bytes]:
    """An answer that calls a tool."""
    start, *_, stop, _delta, end = text_events("x")
    block = {"type": "tool_use", "id": call, "name": name, "input": {}}
    told = {"type": "input_json_delta", "partial_json": json.dumps(given)}
    reason = {"stop_reason": "tool_use", "stop_sequence": None}
    return [
        start,
        *sse(
            [
                {"type": "content_block_start", "index": 0, "content_block": block},
                {"type": "content_block_delta", "index": 0, "delta": told},
            ]
        ),
        stop,
        *sse([{"type": "message_delta", "delta": reason, "usage": {"output_tokens": 9}}]),
        end,
    ]


def by_prompt(plays: dict[str, Play]):
    """A server that answers by a word in the newest message."""

    def choose(request):
        last = json.dumps(request.json["messages"][-1])
        return next((play for word, play in plays.items() if word in last), answer("Fine."))

    return choose


def answered(cell):
    """The answer at the end of a cell's messages, when it is over."""
    for message in reversed(cell.messages):
        bundle = message.content.get("data", {})
        if ANSWER in bundle and bundle[ANSWER]["seconds"] and not bundle[ANSWER].get("live"):
            return bundle
    return None


# -- in the background --------------------------------------------------------------------------------------------------


def test_the_kernel_is_free_while_answers_stream_and_each_lands_in_its_cell(
    kernel: Kernel, server: RawServer
):
    server.plays = by_prompt({"slow": Play(SLOW), "side": answer("From the side.")})
    first = kernel.start("%%claude --background\nslow", cell_id="a")
    first.finish()
    second = kernel.start("%%claude --background -c side\nside", cell_id="b")
    second.finish()
    assert kernel.value("1 + 1") == 2
    done = second.wait_for(lambda _: answered(second))
    assert done["text/plain"] == "From the side."
    done = first.wait_for(lambda _: answered(first))
    assert done["text/plain"].startswith("word word") and done[ANSWER]["complete"]
    assert kernel.value("[[t.prompt for t in claude.chat(c).turns] for c in ('main', 'side')]") == [
        ["slow"],
        ["side"],
    ]


def test_background_answers_of_one_chat_keep_their_order(kernel: Kernel, server: RawServer):
    server.plays = by_prompt({"slow": Play(SLOW)})
    cells = [kernel.start(f"%%claude --background\n{p}", cell_id=p) for p in ("slow", "second")]
    for cell in cells:
        cell.finish()
    cells[1].wait_for(lambda _: answered(cells[1]))
    assert kernel.value("[t.prompt for t in claude.turns]") == ["slow", "second"]
    assert [m["role"] for m in server.requests[-1].json["messages"]] == ["user", "assistant", "user"]


def test_what_goes_wrong_in_the_background_stands_in_the_answer(kernel: Kernel, server: RawServer):
    server.reset(failure(401, "authentication_error", "no"))
    cell = kernel.start("%%claude --background\nWhy?", cell_id="a")
    assert cell.finish().ok
    told = cell.wait_for(lambda _: answered(cell))
    assert "%claude_key" in str(told[ANSWER]["blocks"]) and not told[ANSWER]["complete"]
    assert_next_works(kernel, server)


def test_the_kernels_end_ends_them_cleanly(fresh_kernel, server, tmp_path):
    server.reset(Play([*text_events("Half of it")[:-2], End.HANG]))
    kernel = fresh_kernel({"JPY_SESSION_NAME": "a.ipynb"})
    cell = kernel.start("%%claude --background\nWhy?", cell_id="a")
    cell.finish()
    kernel.wait_for(lambda: server.requests)
    cell.wait_for(lambda ms: any("Half of it" in str(m.content) for m in ms))
    kernel.client.shutdown()
    kernel.wait_for(lambda: not kernel.manager.is_alive(), timeout=60, message="the kernel does not end")
    (line,) = [
        ln for ln in (next((tmp_path / "data" / "journal").glob("*.jsonl"))).read_text().split("\n") if ln
    ]
    assert "Half of it" in line


# -- stops --------------------------------------------------------------------------------------------------------------


def interrupted(kernel: Kernel, cell, after: float = 0.5):
    time.sleep(after)
    kernel.interrupt()
    return cell.finish(timeout=30)


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_an_interrupt_ends_a_tool_that_never_returns(kernel: Kernel, server: RawServer, kind: str):
    wait = "time.sleep(60)" if kind == "def" else "await asyncio.sleep(60)"
    kernel.run(
        f'import time, asyncio\n{kind} forever() -> str:\n    """Wait."""\n    print("in it")\n    {wait}'
    )
    server.plays = [Play(call_events("forever", {})), answer("never")]
    cell = kernel.start("%%claude -t forever\nWait.", cell_id="a")
    cell.wait_for(lambda ms: any(m.type == "stream" and "in it" in m.content["text"] for m in ms))
    done = interrupted(kernel, cell)
    assert_one_clear_line(done, "resume")
    assert_next_works(kernel, server)
    sent = server.requests[-1].json["messages"]
    assert [m["role"] for m in sent] == ["user", "assistant", "user", "assistant", "user"]
    assert sent[2]["content"][0]["type"] == "tool_result"


def test_an_interrupt_ends_the_waiting_for_a_rate_limit(kernel: Kernel, server: RawServer):
    server.reset(failure(429, "rate_limit_error", "slow", retry_after="50"))
    cell = kernel.start("%%claude\nWhy?", cell_id="a")
    kernel.wait_for(lambda: server.requests)
    assert_one_clear_line(interrupted(kernel, cell), "Stopped")
    assert_next_works(kernel, server)


def test_an_interrupt_ends_several_awaited_answers(kernel: Kernel, server: RawServer):
    server.reset(Play([*text_events("Half")[:3], End.HANG]))
    code = "import asyncio\nawait asyncio.gather(*(claude.aask(f'q{i}') for i in range(3)))"
    cell = kernel.start(code, cell_id="a")
    kernel.wait_for(lambda: len(server.requests) == 3)
    done = interrupted(kernel, cell)
    assert not done.ok and "claude_jupyter" not in done.error, done.error
    assert_next_works(kernel, server)


@pytest.mark.parametrize(
    "loop",
    [
        "for text in claude.stream('Why?'):\n    print('in it')\n    while True: time.sleep(0.1)",
        "async for text in claude.astream('Why?'):\n    print('in it'); await napping()",
        "for text in claude.stream('Why?'):\n    print('in it'); raise ZeroDivisionError",
    ],
)
def test_a_loop_that_is_broken_off_ends_its_stream(kernel: Kernel, server: RawServer, loop: str):
    server.reset(Play([*text_events("Half of it")[:-3], End.HANG]))
    # A nap is short: ipykernel's interrupt wakes no loop that sleeps, and one that arrives just before `time.sleep` waits for its end.
    kernel.run("import time, asyncio\nasync def napping():\n    while True: await asyncio.sleep(0.1)")
    cell = kernel.start(loop, cell_id="a")
    cell.wait_for(lambda ms: any(m.type == "stream" and "in it" in m.content["text"] for m in ms))
    if "raise" not in loop:
        kernel.interrupt()
    assert not cell.finish(timeout=20).ok
    kernel.run("pass")
    kernel.wait_for(lambda: server.disconnects)
    kernel.wait_for(lambda: kernel.value("[t.answer.text for t in claude.turns]") == ["Half of it"])
    assert kernel.value("claude.last.complete") is False
    assert_next_works(kernel, server)


def test_a_stream_that_is_read_in_several_cells_is_left_alone(kernel: Kernel, server: RawServer):
    server.reset(Play(SLOW))
    assert kernel.run("stream = claude.stream('Why?')\nfirst = next(stream)", cell_id="a").ok
    assert not kernel.run("1 / 0", cell_id="b").ok
    assert kernel.run("rest = list(stream)", cell_id="c").ok
    assert kernel.value("stream.answer.complete") is True


# -- asking the user ----------------------------------------------------------------------------------------------------

CONFIRMED = '@claude.tool(confirm=True)\ndef delete(name: str) -> str:\n    """Delete."""\n    return f"deleted {name}"'


@pytest.mark.parametrize(
    ("said", "result"), [("y", "deleted x"), ("n", "did not allow"), (None, "Nobody could")]
)
def test_a_tool_that_asks_first(fresh_kernel, server, said, result):
    kernel = fresh_kernel()
    assert kernel.run(CONFIRMED).ok
    server.plays = [Play(call_events("delete", {"name": "x"})), answer("Done.")]
    how = {"cell_id": "a", "stdin": [said]} if said else {}
    done = ask(kernel, "Delete it.", **how)
    assert done.ok, done.error
    assert result in json.dumps(server.requests[-1].json["messages"][-1])
    assert bool(done.asked) is bool(said) and all("delete(name='x')" in q for q in done.asked)


@pytest.mark.parametrize(("said", "result"), [("y", "deleted x"), ("n", "did not allow")])
@pytest.mark.parametrize(
    "how", ["await claude.aask('Delete it.')", "async for _ in claude.astream('Delete it.'): pass"]
)
def test_an_awaited_answer_asks_in_its_cell(fresh_kernel, server, how, said, result):
    kernel = fresh_kernel()
    kernel.run(CONFIRMED)
    server.plays = [Play(call_events("delete", {"name": "x"})), answer("Done.")]
    done = kernel.run(how, cell_id="a", stdin=[said])
    assert done.ok, done.error
    assert len(done.asked) == 1 and "delete(name='x')" in done.asked[0]
    assert result in json.dumps(server.requests[-1].json["messages"][-1])


@pytest.mark.parametrize(("word", "result"), [("allow", "deleted x"), ("refuse", "did not allow")])
def test_a_background_answer_asks_in_its_cell_and_is_answered_from_any(fresh_kernel, server, word, result):
    kernel = fresh_kernel()
    kernel.run(CONFIRMED)
    server.plays = [Play(call_events("delete", {"name": "x"})), answer("Done.")]
    assert not kernel.run(f"claude.{word}()").ok  # nothing waits yet
    cell = kernel.start("%%claude --background\nDelete it.", cell_id="a", stdin=["not asked"])
    assert cell.finish().ok
    cell.wait_for(lambda ms: any("claude.allow()" in str(m.content) for m in ms if m.type == "stream"))
    assert kernel.run(f"claude.{word}()").ok
    kernel.wait_for(lambda: answered(cell))
    assert result in json.dumps(server.requests[-1].json["messages"][-1]) and not cell.asked


def test_a_background_answer_where_nobody_is_says_so(fresh_kernel, server):
    kernel = fresh_kernel()
    kernel.run(CONFIRMED)
    server.plays = [Play(call_events("delete", {"name": "x"})), answer("Done.")]
    cell = kernel.start("%%claude --background\nDelete it.")
    assert cell.finish().ok
    kernel.wait_for(lambda: kernel.value("bool(claude.turns)"))
    assert "without confirm=True" in kernel.value("claude.last.tools[0]['result']")


# -- cells --------------------------------------------------------------------------------------------------------------


def test_run_all_twice_gives_the_same_conversation(kernel: Kernel, server: RawServer):
    cells = [
        ("a", "%%claude\nfirst"),
        ("b", "for i in range(2):\n    claude.ask(f'loop {i}')"),
        ("c", "%claude last"),
    ]
    bodies = []
    for _ in range(2):
        server.requests.clear()
        for cell, code in cells:
            done = kernel.run(code, cell_id=cell)
            assert done.ok, done.error
        bodies.append([r.json["messages"] for r in server.requests])
        assert kernel.value("[t.prompt for t in claude.turns]") == ["first", "loop 0", "loop 1", "last"]
    assert bodies[0] == bodies[1]


def test_a_cell_that_runs_again_says_what_it_replaced(kernel: Kernel, server: RawServer):
    for _ in range(2):
        done = kernel.run("%%claude\nWhy?", cell_id="a")
    assert "replaces" in done.answer["text/markdown"]
    assert kernel.value("len(claude.turns)") == 1
    kernel.run("%%claude\nWhy?")
    kernel.run("%%claude\nWhy?")
    assert kernel.value("len(claude.turns)") == 3


def test_the_last_answer_is_underscore_and_is_shown_once(kernel: Kernel, server: RawServer):
    server.reset(answer("The answer."))
    done = kernel.run("claude.ask('Why?')", cell_id="a")
    assert len(done.answers) == 1 and len(done.outputs) == 1
    kernel.run("%%claude\nAnd?", cell_id="b")
    assert kernel.value("(type(_).__name__, _.text)") == ("Answer", "The answer.")
    done = kernel.run("claude.last", cell_id="c")
    assert done.answer["text/plain"] == "The answer."


@pytest.mark.parametrize(
    "asked", ["%claude why?", "%%claude\nWhy?", "%claude why?\n", "if True:\n    %claude why?"]
)
def test_a_magic_shows_its_answer_once_and_not_as_the_cells_value(
    kernel: Kernel, server: RawServer, asked: str
):
    server.reset(answer("Because."))
    done = kernel.run(asked)
    assert len(done.outputs) == 1, done.outputs
    assert not done.of("execute_result")
    assert kernel.run("_.text").bundles[0]["text/plain"] == "'Because.'"


def test_an_assigned_line_keeps_the_answer(kernel: Kernel, server: RawServer):
    server.reset(answer("Because."))
    done = kernel.run("kept = %claude why?\nprint(type(kept).__name__, kept.text, str(kept))")
    assert done.stdout == "Answer Because. Because.\n"
    assert len(done.answers) == 1


def test_several_awaited_answers_are_shown_in_one_cell(kernel: Kernel, server: RawServer):
    server.plays = by_prompt({"one": answer("1."), "two": Play(SLOW), "three": answer("3.")})
    code = "import asyncio\nfound = await asyncio.gather(*(claude.aask(p) for p in ('one', 'two', 'three')))"
    done = kernel.run(code, cell_id="a")
    assert done.ok, done.error
    assert sorted(a["text/plain"][:2] for a in done.answers) == ["1.", "3.", "wo"]
    assert kernel.value("[a.text[:4] for a in found]") == ["1.", "word", "3."]
    assert kernel.value("[t.prompt for t in claude.turns]") == ["one", "two", "three"]


def test_claude_chat_in_words(kernel: Kernel, server: RawServer, tmp_path):
    kernel.run("%%claude\nfirst", cell_id="a")
    kernel.run("%%claude\nsecond", cell_id="b")
    said: dict[str, str] = {}
    for line in ("", "fork 'my side'", "-c 'my side' undo 1", "hide 2", "hide 2", "undo", "undo", "new x", "nosuch", "new a/b", "undo 99",
                 "hide 7", f"save {tmp_path}/talk.json", f"export {tmp_path}/talk.md", f"load {tmp_path}/talk.json"):  # fmt: skip
        done = kernel.run(f"%claude_chat {line}", cell_id="c")
        if not done.ok:
            assert_one_clear_line(done)
        said[line] = said.get(line, "") + (done.stdout or done.error)
    assert "main: 2 turns" in said[""] and "hidden" in said["hide 2"]
    assert "did you mean" in said["nosuch"] or "see --help" in said["nosuch"]
    assert (
        "is not a chat name" in said["new a/b"]
        and "to undo" in said["undo 99"]
        and "no turn 7" in said["hide 7"]
    )
    assert "first" in (tmp_path / "talk.md").read_text()
    assert kernel.value("[t.prompt for t in claude.turns]") == ["first", "second"]
    shown = kernel.run("%claude_chat show", cell_id="d")
    assert "first" in str(shown.bundles) and "$" in str(shown.bundles)


# -- after a restart ----------------------------------------------------------------------------------------------------


def test_restore_brings_the_conversation_back_in_a_new_kernel(fresh_kernel, server, tmp_path):
    server.plays = [answer("First answer."), answer("Second answer."), answer("Third answer.")]
    env = {"JPY_SESSION_NAME": "work/a.ipynb"}
    kernel = fresh_kernel(env)
    cells = []
    for cell, prompt in (("aa", "one"), ("bb", "two")):
        done = ask(kernel, prompt, cell_id=cell)
        made = nbformat.v4.new_code_cell(f"%%claude\n{prompt}", id=cell)
        made.outputs = [nbformat.v4.new_output("display_data", o["data"]) for o in done.outputs]
        cells.append(made)
    kernel.start("import os; os.kill(os.getpid(), 9)")
    kernel.wait_for(lambda: not kernel.manager.is_alive())
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
    again = fresh_kernel(env)
    assert again.run("claude.restore();").ok
    assert again.value("[(t.prompt, t.answer.text, t.cell) for t in claude.turns]") == [
        ("one", "First answer.", "aa"),
        ("two", "Second answer.", "bb"),
    ]
    assert ask(again, "three", cell_id="cc").ok
    assert [m["role"] for m in server.requests[-1].json["messages"]] == ["user", "assistant"] * 2 + ["user"]


# -- a terminal ---------------------------------------------------------------------------------------------------------


def terminal(server: RawServer, tmp_path, lines: list[str]) -> subprocess.Popen[str]:
    env = {
        **os.environ,
        **environment(server.url),
        "TERM": "dumb",
        "CLAUDE_JUPYTER_DATA_DIR": str(tmp_path / "d"),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "IPython", "--simple-prompt", "--no-banner", "--colors=nocolor"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, cwd=tmp_path,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write("\n".join([*LOAD.splitlines(), *lines]) + "\n")
    process.stdin.flush()
    return process


def test_a_terminal_shows_text_as_it_streams_and_the_history_goes_on(server: RawServer, tmp_path):
    server.plays = [answer("Forty-two it is."), answer("Yes, really.")]
    process = terminal(
        server, tmp_path, ["%claude what is it?", "x = %claude really?", "len(claude.turns)", "x.text"]
    )
    said, _ = process.communicate(timeout=90)
    assert "Forty-two it is." in said and "Yes, really." in said and re.search(r"Out\[\d+\]: 2", said), said
    assert "Traceback" not in said
    assert said.count("Forty-two it is.") == 1
    assert len(re.findall(r"Out\[\d+\]", said)) == 2, (
        said
    )  # the two values asked for, no empty one for a question


def test_ctrl_c_in_a_terminal_stops_the_answer_in_one_line(server: RawServer, tmp_path):
    server.reset(Play([*text_events("Half of it")[:-2], End.HANG]))
    process = terminal(server, tmp_path, ["%claude what is it?"])
    assert process.stdin is not None and process.stdout is not None
    said = ""
    while not said.endswith("Half of it"):
        letter = process.stdout.read(1)
        assert letter, said
        said += letter
    process.send_signal(signal.SIGINT)
    process.stdin.write("claude.last.text\nlen(claude.turns)\n")
    said, _ = process.communicate(timeout=60)
    assert "StoppedError: Stopped" in said and "'Half of it'" in said, said
    assert "Traceback" not in said and re.search(r"Out\[\d+\]: 1", said), said
