"""Interrupt and Stop at every event of a stream, before it and while a busy service is waited for, in each way of asking."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import faults_tally as tally
from support.faults_checks import (
    assert_books_agree,
    assert_history_is_sound,
    assert_next_works,
    assert_one_clear_line,
    assert_resumes,
    nothing_left_behind,
    squeezed,
)
from support.faults_line import Response, Seen, Tamper, until
from support.faults_ways import NEXT, ROWS, TEXT, WAYS, Bench, Outcome, Way, bench
from support.raw_server import End, Play, failure

Act = Callable[[], None]
BACKGROUND = "background"


class Interrupts:
    """Ctrl-C as a terminal gives it to the main thread, but only while a question is asked: not in the middle of the test."""

    def __init__(self) -> None:
        self._asking = False
        self.given = 0

    def __call__(self, number: int, frame: Any) -> None:
        if self._asking:
            self.given += 1
            signal.default_int_handler(number, frame)

    def interrupt(self) -> None:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    @contextmanager
    def allowed(self) -> Iterator[None]:
        before = signal.signal(signal.SIGINT, self)
        self._asking = True
        try:
            yield
        finally:
            self._asking = False
            signal.signal(signal.SIGINT, before)


def at_event(count: int, act: Act, wait: Callable[[bytes], None], *, goes_on: bool) -> Tamper:
    """`act` after so many events, when `wait` has seen them arrive; then silence, or the rest."""

    def tamper(ask: Callable[[], Response]) -> Play:
        response = ask()
        events = response.events
        rest = events[count:] if goes_on or count == len(events) else (End.HANG,)
        return response.play((*events[:count], lambda: wait(b"".join(events[:count])), act, *rest))

    return tamper


def moments(events: int) -> Iterator[str]:
    """The names of all moments of a response of so many events."""
    yield from ("while a rate limit is waited out", "before the headers")
    yield from (f"after {n} events" for n in range(events + 1))


def spoiled(moment: str, act: Act, wait: Callable[[bytes], None], *, goes_on: bool) -> Tamper:
    """What happens at a moment."""
    if moment.startswith("while"):
        busy = failure(429, "rate_limit_error", "Too many requests", retry_after="0.2" if goes_on else "50")
        return lambda _ask: Play((*busy.steps, act), busy.status, busy.type, busy.headers)
    if moment.startswith("before"):
        if not goes_on:
            return lambda _ask: Play(before_headers=(act, End.HANG))  # type: ignore[arg-type]
        return at_event(0, act, wait, goes_on=True)
    return at_event(int(moment.split()[1]), act, wait, goes_on=goes_on)


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("how", ["interrupt", "Stop"])
def test_stopped_at_any_event(how: str, way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "Stop" and way.name == "map":
        return  # a map is no answer with a button: it is interrupted
    spares = how == "interrupt" and way.name == BACKGROUND
    interrupts = Interrupts()
    with nothing_left_behind(tmp_path, monkeypatch), bench(way, tmp_path / "data", retries=2) as b:
        act = interrupts.interrupt if how == "interrupt" else lambda: b.stops[-1].request()
        events = events_of(b, way)
        for turn, moment in enumerate(moments(events)):
            with tally.cell(f"{how} at an event", way.name):
                b.claude.clear()
                b.claude.ask(NEXT)
                since, told, left = len(b.line.passed), len(b.view.parts), len(b.line.disconnects)

                def arrived(data: bytes, n: int = since, t: int = told, exact: bool = turn % 2 == 0) -> None:
                    # At every other moment all has arrived that was sent, at the others it happens at once.
                    before = "".join(Seen.of(p.read).text for p in b.line.passed[n:-1])
                    seen = Seen.of(data)
                    wanted = squeezed(before + seen.thinking + seen.text)
                    if exact and way.name != "map":
                        until(lambda: b.seen(t) == wanted, f"{wanted!r} to be shown, not {b.seen(t)!r}")

                b.line.spoil(spoiled(moment, act, arrived, goes_on=spares), skip=way.skip)
                with interrupts.allowed():
                    outcome = way.ask(b)
                b.line.mend()
                if spares:
                    assert outcome.complete, (moment, outcome)
                elif way.name == "map":
                    assert_map(b, outcome, moment)
                else:
                    assert_stopped(b, outcome, moment, since, exact=turn % 2 == 0)
                if not outcome.complete and not moment.startswith(("while", f"after {events} ")):
                    until(
                        lambda n=left: len(b.line.disconnects) > n, f"the connection to be closed ({moment})"
                    )
                assert_history_is_sound(b)
                assert_next_works(b)
        assert_books_agree(b)
        assert not b.warned
        assert how == "Stop" or interrupts.given


def events_of(b: Bench, way: Way) -> int:
    """Of how many events the response is that is stopped."""
    since = len(b.line.passed)
    assert way.ask(b).complete
    return len(b.line.passed[since + way.skip].sent)


def assert_stopped(b: Bench, outcome: Outcome, moment: str, since: int, *, exact: bool) -> None:
    seen = [Seen.of(p.read) for p in b.line.passed[since:]]
    text, thinking = (squeezed("".join(s)) for s in zip(*[(s.text, s.thinking) for s in seen], strict=True))
    assert text.startswith(squeezed(outcome.text)) and thinking.startswith(squeezed(outcome.thinking)), moment
    assert not exact or (squeezed(outcome.text), squeezed(outcome.thinking)) == (text, thinking), moment
    if outcome.line:
        assert outcome.line.startswith("Stopped") and "\n" not in outcome.line, (moment, outcome)
        assert outcome.error is None or type(outcome.error).__name__ == "StoppedError"
    else:
        assert seen[-1].stop_known and outcome.complete, (moment, outcome)
    if outcome.line and outcome.text and not b.view.ended[-1].complete:
        assert_resumes(b, outcome.text)


def assert_map(b: Bench, outcome: Outcome, moment: str) -> None:
    """What was answered before the interrupt is not asked again."""
    if outcome.complete:
        return
    assert_one_clear_line(outcome.line)
    assert type(outcome.error).__name__ == "StoppedError", (moment, outcome)
    before = len(b.demo.requests)
    assert b.claude.map(ROWS, "{value}?", limit=1) == [TEXT] * len(ROWS)
    assert len(b.demo.requests) - before <= len(ROWS) - 1, moment
