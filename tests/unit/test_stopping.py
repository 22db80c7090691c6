"""Interrupts held back for a moment, and answers in the background: nothing is torn, nothing hangs, nothing is left over."""

from __future__ import annotations

import io
import signal
import threading
import time

import pytest
from support.world import stage

from claude_jupyter.answer.model import Answer, Put
from claude_jupyter.client.transport import Stop
from claude_jupyter.conversation.drivers.background import Background
from claude_jupyter.costs.ledger.calls import Where
from claude_jupyter.demo.script import Script, Wait
from claude_jupyter.display.live import TerminalView
from claude_jupyter.errors import StoppedError, UsageError
from claude_jupyter.interrupts import uninterrupted


def test_an_interrupt_waits_for_the_end_of_the_block():
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        signal.raise_signal(signal.SIGINT)
        done.append(1)
    assert done and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_of_blocks_in_each_other_it_waits_for_the_outermost():
    done = []
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
        done.append(1)
    assert done


def test_a_process_that_ignores_it_goes_on_doing_so():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with uninterrupted():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_and_other_errors_pass():
    with pytest.raises(ValueError, match="mine"), uninterrupted():
        raise ValueError("mine")
    errors = []

    def work():
        try:
            with uninterrupted():
                pass
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert not errors


def test_an_interrupt_while_the_answer_is_kept_keeps_it_and_ends_the_cell_in_one_line():
    with stage(["One.", "Two."]) as s:
        s.env.frontend.remember = lambda _answer: signal.raise_signal(signal.SIGINT)
        with pytest.raises(StoppedError, match="kept"):
            s.claude.ask("q")
        s.env.frontend.remember = lambda _answer: None
        assert [t.answer.text for t in s.claude.turns] == ["One."] and s.claude.last.complete


def test_an_interrupt_while_the_question_is_prepared_sends_nothing():
    with stage() as s:

        def interrupted(_text):
            raise KeyboardInterrupt

        s.env.redact = interrupted
        with pytest.raises(StoppedError, match="nothing was sent"):
            s.claude.ask("q")
        assert not s.bodies


@pytest.mark.parametrize("where", ["show", "end"])
def test_what_cannot_be_shown_is_kept_all_the_same(monkeypatch, where):
    with stage([Script(text=["One ", Wait(0 if where == "end" else 60), "two."]), "Next."]) as s:

        def broken(*_):
            raise BrokenPipeError(32, "Broken pipe")

        if where == "show":
            s.view.at_part = lambda part: broken() if "One" in str(part) else None
        else:
            monkeypatch.setattr(s.view, where, broken)
        with pytest.raises(BrokenPipeError):
            s.claude.ask("q")
        monkeypatch.undo()
        s.view.at_part = lambda _part: None
        assert [t.answer.text for t in s.claude.turns] == ["One " if where == "show" else "One two."]
        assert all(r["stop_reason"] for r in s.ledger.rows(Where())), "a request is still under way"
        assert s.claude.ask("next").text == "Next."


def test_a_fault_of_ours_in_mid_answer_keeps_what_came(monkeypatch):
    from claude_jupyter.conversation.ask.run import Exchange

    def fault(*_):
        raise RuntimeError("a bug")

    monkeypatch.setattr(Exchange, "_goes_on", fault)
    with stage("The answer.") as s:
        with pytest.raises(RuntimeError, match="a bug"):
            s.claude.ask("q")
        assert s.claude.last.text == s.view.ended[0].text == "The answer."


def test_a_terminal_shows_what_it_has_no_letters_for():
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    view = TerminalView(out)
    view.begin(Answer(id="a"))
    view.show([Put(0, {"type": "text", "text": "a café \u2192"})])
    assert raw.getvalue().decode() == "a caf\\xe9 \\u2192"


def until(found):
    deadline = time.monotonic() + 60
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def idle(background):
    until(lambda: background.is_idle)


def test_background_answers_of_one_chat_follow_each_other_and_chats_do_not_wait():
    side = threading.Event()

    def reply(body):
        if "slow" in str(body["messages"][-1]):
            side.wait(60)
        return "a"

    with stage(reply) as s:
        s.claude.ask("slow", background=True)
        s.claude.ask("then", background=True)
        s.claude.ask("meanwhile", background=True, chat="side")
        until(lambda: s.view.ended)
        side.set()
        idle(s.env.background)
        assert [t.prompt for t in s.claude.turns] == ["slow", "then"]
        assert [t.prompt for t in s.claude.chat("side").turns] == ["meanwhile"]
        assert s.view.ended[0].chat == "side"
        last = next(b for b in s.bodies if "then" in str(b["messages"][-1]))
        assert len(last["messages"]) == 3


def test_what_goes_wrong_in_the_background_is_said_in_the_answer():
    with stage([Script(status=401), "Fine."]) as s:
        s.claude.ask("one", background=True)
        s.claude.ask("two", background=True)
        idle(s.env.background)
        assert "%claude_key" in s.view.ended[0].blocks[-1]["text"]
        assert [t.answer.text for t in s.claude.turns] == ["Fine."]


def test_a_system_prompt_holds_for_those_that_wait_behind_it():
    with stage(["One.", "Two."]) as s:
        s.claude.ask("one", background=True, system="Be kind.")
        s.claude.ask("two", background=True)
        idle(s.env.background)
        assert [b["system"][0]["text"] for b in s.bodies] == ["Be kind.", "Be kind."]


def test_a_fault_of_one_answer_does_not_stop_those_behind_it(monkeypatch):
    told = []
    monkeypatch.setattr(threading, "excepthook", told.append)
    done = threading.Event()

    def fails():
        raise RuntimeError("a bug")

    background = Background()
    background.start("main", fails, Stop())
    background.start("main", done.set, Stop())
    assert done.wait(60) and "a bug" in str(told[0].exc_value)
    idle(background)


def test_the_end_of_the_kernel_stops_them_and_what_waits_is_not_sent():
    with stage([Script(text=["Half ", Wait(60), "never"])]) as s:
        s.claude.ask("one", background=True)
        s.claude.ask("two", background=True)
        until(lambda: any("Half" in str(p) for p in s.view.parts))
        s.env.background.stop_all()
        idle(s.env.background)
        assert [a.text for a in s.view.ended] == ["Half ", ""] and len(s.bodies) == 1
        assert [t.prompt for t in s.claude.turns] == ["one"]


def test_options_that_would_have_no_effect_are_refused():
    with stage() as s:
        for name in ("dry_run", "background", "out", "code"):
            with pytest.raises(UsageError, match=name):
                s.claude.stream("q", **{name: "x" if name == "out" else True})
        assert not s.bodies


async def test_aask_refuses_them_too():
    with stage() as s:
        for name in ("dry_run", "background"):
            with pytest.raises(UsageError, match=name):
                await s.claude.aask("q", **{name: True})


def test_code_in_the_background_is_refused():
    # A cell can be put below only while its own runs; later it would land below whatever runs then.
    with stage() as s, pytest.raises(UsageError, match="cannot be used together"):
        s.claude.ask("q", code=True, background=True)


def test_out_and_code_work_from_python_too():
    with stage(["```python\nx = 1\n```"]) as s:
        space, put = {}, []
        s.env.namespace = lambda: space
        s.env.frontend.insert = lambda code, _answer: put.append(code)
        answer = s.claude.ask("q", out="result", code=True)
        assert space["result"] is answer and put == ["x = 1"]


async def test_a_timeout_of_asyncio_is_one():
    import asyncio

    with stage(Script(text=["Half ", Wait(60), "never"])) as s:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await s.claude.aask("q")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                async for _ in s.claude.astream("q"):
                    pass
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(s.claude.aask("q"), 0.5)
        idle_streams()


def idle_streams():
    deadline = time.monotonic() + 20
    while any(t.name == "claude-ask" for t in threading.enumerate()):
        assert time.monotonic() < deadline, "the answer does not end"
        time.sleep(0.01)


def test_a_loop_that_ended_before_the_answer_did_is_no_noise():
    import asyncio

    async def first(s):
        async for text in s.claude.astream("q"):
            return text

    with stage([Script(text=["Half ", Wait(60), "more"])]) as s:
        assert asyncio.run(first(s)) == "Half "
        until(lambda: not any(t.name == "claude-ask" for t in threading.enumerate()))
        assert s.claude.last.text == "Half "


def test_resume_goes_on_from_the_answer_that_stopped_not_from_the_last_one():
    replies = ["A1", "B1", Script(text=["A2 begins ", Wait(60), "never"]), "and ends."]
    with stage(replies) as s:
        s.run("A", "1")
        s.claude.ask("a")
        s.run("B", "2")
        s.claude.ask("b")
        s.run("A", "3")
        s.view.at_part = lambda part: s.stops[-1].request() if "A2" in str(part) else None
        with pytest.raises(StoppedError):
            s.claude.ask("a again")
        assert [t.answer.text for t in s.claude.turns] == ["A1", "B1"]
        s.view.at_part = lambda _part: None
        s.run("C", "4")
        s.claude.resume()
        sent = [b["text"] for m in s.bodies[-1]["messages"] for b in m["content"]]
        assert sent[:2] == ["a again", "A2 begins "] and "b" not in sent
        assert [t.answer.text for t in s.claude.turns] == ["A2 begins ", "B1", "and ends."]
        s.claude.undo(2)
        assert [t.answer.text for t in s.claude.turns] == ["A1", "B1"]


def test_a_stop_says_what_there_is_to_go_on_from():
    with stage([Script(text=["Half ", Wait(60), "never"]), Script(thinking="Hm.", text=["", Wait(60)])]) as s:
        s.view.at_part = lambda part: s.stops[-1].request() if "Half" in str(part) else None
        with pytest.raises(StoppedError, match=r"kept; claude\.resume"):
            s.claude.ask("q")
        s.view.at_part = lambda _part: s.stops[-1].request()
        with pytest.raises(StoppedError, match="before any of the answer arrived"):
            s.claude.ask("q2")
        with pytest.raises(UsageError, match="nothing of the last answer arrived"):
            s.claude.resume()
    with stage(Script(text=["Half ", Wait(60), "never"])) as s:
        s.view.at_part = lambda part: s.stops[-1].request() if "Half" in str(part) else None
        with pytest.raises(StoppedError, match=r"in claude\.last"):
            s.claude.ask("q", once=True)
        assert s.claude.last.text == "Half "


def test_resume_in_the_cell_that_was_cut_goes_on_from_it_and_both_are_kept():
    with stage(["One.", "a long text " * 9, " goes on", " and more", "Fine.", "Afresh."]) as s:
        s.run("before", "0")
        s.claude.ask("first")
        s.run("a", "1")
        s.claude.ask("long", max_tokens=10)
        s.run("a", "2")
        s.claude.resume()
        last = [m["content"][0]["text"] for m in s.bodies[-1]["messages"]]
        assert last[:1] == ["first"] and last[2] == "long" and last[3].startswith("a long")
        assert last[4].startswith("Continue exactly")
        s.claude.ask("more")
        assert len(s.bodies[-1]["messages"]) == 7
        assert [t.prompt.split()[0] for t in s.claude.turns] == ["first", "long", "Continue", "more"]
        s.run("a", "3")
        s.claude.ask("again")
        assert [t.prompt for t in s.claude.turns] == ["first", "again"]
        assert len(s.bodies[-1]["messages"]) == 3


def test_a_late_answer_does_not_replace_that_of_a_later_execution_of_its_cell():
    def reply(body):
        return Script(text=["a", Wait(0.5 if "slow" in str(body["messages"][-1]) else 0), "b"])

    with stage(reply) as s:
        s.run("a", "1")
        s.claude.ask("slow", background=True)
        s.run("a", "2")
        s.claude.ask("quick")
        assert [t.prompt for t in s.claude.turns] == ["quick"]
        idle(s.env.background)
        assert s.view.ended[-1].text == "ab" and len(s.view.ended) == 2
        assert [t.prompt for t in s.claude.turns] == ["quick"]
