"""A stream that is cut after each of its bytes, in each way of asking: what arrived is kept to the last event, and on it goes.

By default at the ends of events and here and there between, with `FAULTS=full` after every byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import pytest
from support import faults_tally as tally
from support.faults import FULL
from support.faults_checks import (
    assert_books_agree,
    assert_next_works,
    assert_one_clear_line,
    assert_resumes,
    nothing_left_behind,
    possible_texts,
    squeezed,
)
from support.faults_line import Response, Tamper
from support.faults_ways import NEXT, WAYS, Bench, Outcome, Way, bench
from support.raw_server import End, Play

from claude_jupyter.conversation.map.concurrency import Throttle

ENDS = {"cut": (End.CUT,), "reset": (End.RESET,), "ended": ()}
BETWEEN = 1 if FULL else 101


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A map rests hardly at all."""
    refused = Throttle.refused
    monkeypatch.setattr(Throttle, "refused", lambda self, seconds: refused(self, seconds / 500))


def cut_after(count: int, *end: End) -> Tamper:
    """So many bytes of the body."""

    def tamper(ask: Callable[[], Response]) -> Play:
        response = ask()
        return response.play([response.bytes[:count], *end] if count else end)

    return tamper


def places(b: Bench, way: Way) -> Iterator[int]:
    """After how many bytes of the response that is cut."""
    b.line.mend()
    assert way.ask(b).complete
    body = b.line.passed[-3 if way.name == "map" else -1 if way.name != "tools" else -2]
    ends = [0]
    for event in body.sent:
        ends.append(ends[-1] + len(event))
    near = {end + k for end in ends for k in (-2, -1, 0)} if not FULL else set()
    yield from sorted(n for n in near | set(range(0, ends[-1], BETWEEN)) if 0 <= n < ends[-1])


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.usefixtures("quick")
def test_a_stream_cut_at_any_byte(way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with nothing_left_behind(tmp_path, monkeypatch), bench(way, tmp_path / "data") as b:
        for count, (name, end) in zip([*places(b, way)], cycle(ENDS.items()), strict=False):
            with tally.cell(f"{name} after a byte", way.name):
                b.claude.clear()
                b.claude.ask(NEXT)
                since = len(b.line.passed)
                b.line.spoil(cut_after(count, *end), skip=way.skip)
                outcome = way.ask(b)
                b.line.mend()
                if way.name == "map":
                    assert outcome.complete or name == "ended", (count, outcome)
                else:
                    assert_question(b, outcome, since, count)
                assert_next_works(b)
        assert_books_agree(b)
        assert not b.warned


def assert_question(b: Bench, outcome: Outcome, since: int, count: int) -> None:
    kept = (squeezed(outcome.text), squeezed(outcome.thinking), outcome.complete)
    assert kept in possible_texts(b, since), count
    if outcome.complete:
        return
    assert_one_clear_line(outcome.line)
    if outcome.text and count % 3 == 0:
        assert_resumes(b, outcome.text)
