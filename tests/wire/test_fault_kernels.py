"""Faults in a real ipykernel: interrupted and killed at events, in a home where nothing can be made, drowned in text.

By default at a few events, with `FAULTS=full` at every one; what needs no kernel is tried far more often in the other files.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support import faults_tally as tally
from support.asking import assert_one_clear_line
from support.faults import FULL, HUGE, flood, steps
from support.faults_checks import squeezed
from support.faults_line import Line, Response, Seen, Tamper, line_to, until
from support.faults_ways import FINE, NEXT, ROWS, TEXT, WAYS, Way, prompt_in
from support.kernel import ANSWER, Execution, Kernel, running_kernel
from support.kernel_fixtures import LOAD, environment
from support.raw_server import End, Play

from claude_jupyter.demo.script import Script
from claude_jupyter.demo.server import DemoServer, start

STEP = 1 if FULL else 4
READY = f"""{LOAD}
from typing import TypedDict
class Reply(TypedDict):
    name: str
    score: int
    note: str
def weather(city: str) -> str:
    '''The weather in a city.'''
    return f"snow in {{city}}"
def left_over():
    import os, threading
    from comm import get_comm_manager
    threads = [t.name for t in threading.enumerate() if t.name.startswith("claude-")]
    held = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    return {{"comms": len(get_comm_manager().comms), "threads": threads, "held": held}}
"""
CELLS = {
    "plain": "%%claude\nWhat is it?",
    "thinking": "%%claude --thinking show\nWhat is it?",
    "tools": "%%claude -t weather\nWhat is it?",
    "tools, after": "%%claude -t weather\nWhat is it?",
    "structured": "%%claude -r Reply\nWhat is it?",
    "background": "%%claude --background\nWhat is it?",
    "map": f"mapped = claude.map({ROWS!r}, '{{value}}?', limit=1, no_replay=True)",
}
STOPPABLE = [way for way in WAYS if way.name not in ("background", "map")]


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoServer]:
    with start() as server:
        yield server


@pytest.fixture(scope="module")
def line(demo: DemoServer) -> Iterator[Line]:
    with line_to(demo) as line:
        yield line


@pytest.fixture(scope="module")
def talk(line: Line, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel that asks over the line."""
    folder = tmp_path_factory.mktemp("notebook")
    with running_kernel(folder, surroundings(line, folder / "data"), READY) as kernel:
        assert kernel.run("%claude Warm up.", cell_id="w").ok
        yield kernel


def surroundings(line: Line, data: Path, **more: str) -> dict[str, str]:
    told = {
        "CLAUDE_JUPYTER_DATA_DIR": str(data),
        "CLAUDE_JUPYTER_MAX_RETRIES": "0",
        "JPY_SESSION_NAME": "a.ipynb",
    }
    return {**environment(line.url), **told, **more}


def answers(demo: DemoServer, way: Way) -> None:
    """From now on the model says what belongs to this way."""

    def reply(body: Mapping[str, Any]) -> Script:
        return Script(text=FINE) if NEXT in prompt_in(body) else way.reply(body)

    demo.script = reply


def at_event(count: int, act: Callable[[], None], *, wait: float = 0.15) -> Tamper:
    """`act` a moment after so many events, then silence."""

    def tamper(ask: Callable[[], Response]) -> Play:
        response = ask()
        return response.play((*response.events[:count], wait, act, End.HANG))

    return tamper


def ask_next(kernel: Kernel) -> Execution:
    done = kernel.run(f"%%claude\n{NEXT}", cell_id="next")
    assert done.ok, done.error
    assert done.answer["text/plain"] == FINE
    return done


@pytest.mark.parametrize("way", STOPPABLE, ids=str)
def test_an_interrupt_at_an_event_ends_the_cell_and_leaves_nothing(
    way: Way, talk: Kernel, line: Line, demo: DemoServer
) -> None:
    answers(demo, way)
    line.mend()
    process = talk.value("__import__('os').getpid()")
    begin = len(line.passed)
    done = talk.run(CELLS[way.name], cell_id="a")
    assert done.ok, done.error
    events = len(line.passed[begin + way.skip].sent)
    ask_next(talk)
    before = talk.value("left_over()")
    for count in range(0, events, STEP):
        with tally.cell("kernel interrupted at an event", way.name):
            assert talk.run("claude.clear()").ok
            since, left = len(line.passed), len(line.disconnects)
            line.spoil(at_event(count, lambda: os.kill(process, signal.SIGINT)), skip=way.skip)
            done = talk.run(CELLS[way.name], cell_id="a")
            line.mend()
            assert_one_clear_line(done, "StoppedError")
            until(lambda n=left: len(line.disconnects) > n, "the connection to be closed")
            text = squeezed("".join(Seen.of(p.read).text for p in line.passed[since:]))
            kept = squeezed("".join(str(bundle["text/plain"]) for bundle in done.answers))
            assert text.startswith(kept)
            assert all(bundle[ANSWER]["complete"] is False for bundle in done.answers)
            assert bool(kept) == bool(text)
            ask_next(talk)
    after = talk.value("left_over()")
    assert (after["comms"], after["threads"]) == (before["comms"], [])
    assert after["held"] <= before["held"] + 2


@pytest.mark.parametrize("way", [*WAYS] if FULL else [WAYS[2]], ids=str)
def test_a_killed_kernel_is_restored_by_the_next(
    way: Way, line: Line, demo: DemoServer, tmp_path: Path
) -> None:
    answers(demo, way)
    for count in (2, 7) if FULL else (5,):
        with tally.cell("real kernel killed at an event", way.name):
            env = surroundings(line, tmp_path / str(count))
            with running_kernel(tmp_path, env, READY) as kernel:
                ask_next(kernel)
                process = kernel.value("__import__('os').getpid()")
                line.spoil(
                    at_event(count, lambda p=process: os.kill(p, signal.SIGKILL), wait=0.05), skip=way.skip
                )
                cell = kernel.start(CELLS[way.name], cell_id="a")
                until(lambda k=kernel: not k.manager.is_alive(), "the kernel to be gone", 30)
                line.mend()
                assert cell.messages
            with running_kernel(tmp_path, env, READY) as kernel:
                assert kernel.value("[t.answer.text for t in claude.restore().turns]")[:1] == [FINE]
                ask_next(kernel)
                if way.name == "map":
                    done = kernel.run(f"claude.map({ROWS!r}, '{{value}}?', limit=1) == {[TEXT] * 3!r}")
                    assert done.ok, done.error
                told = kernel.run("%claude_cost --by chat")
                assert told.ok, told.error


def test_a_home_where_nothing_can_be_made(line: Line, demo: DemoServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    home = str(tmp_path / "file" / "home")
    names = (
        "HOME",
        "IPYTHONDIR",
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_DATA_DIR",
        "XDG_CONFIG_HOME",
        "XDG_CACHE_HOME",
    )
    env = surroundings(line, Path(home) / "data", **dict.fromkeys(names, home))
    line.mend()
    with running_kernel(tmp_path, env, forked=False) as kernel:
        loaded = kernel.run(READY, timeout=120)
        assert loaded.ok, loaded.error
        warned = [loaded.stderr]
        for way in WAYS:
            with tally.cell("kernel in a home that cannot be", way.name):
                answers(demo, way)
                done = kernel.run(CELLS[way.name], cell_id="a")
                assert done.ok, done.error
                warned.append(done.stderr.partition("row/s")[0] if way.name == "map" else done.stderr)
                if way.name == "background":
                    kernel.wait_for(lambda k=kernel: k.value("claude.last.complete"))
                ask_next(kernel)
        ours = [text for text in "".join(warned).splitlines() if "written" in text or "kept" in text]
        assert len(ours) <= 3, ours


def test_very_much_text_in_a_kernel(talk: Kernel, line: Line, demo: DemoServer) -> None:
    way = WAYS[0]
    with tally.cell(f"{HUGE // 1_000_000} MB of text in a kernel", way.name):
        answers(demo, way)
        line.spoil(steps(flood))
        done = talk.run(f"{CELLS['plain']}", cell_id="much", timeout=400)
        line.mend()
        assert done.ok, done.error
        assert len(done.answer["text/plain"]) > HUGE
        assert talk.run("claude.undo()").ok
        ask_next(talk)
