"""A full disk, a home that cannot be written, a clock that jumps, in each way of asking: the answer comes, and at most a warning."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Self

import pytest
from support import faults_tally as tally
from support.faults_checks import assert_books_agree, assert_next_works
from support.faults_disk import locked_disk, small_disk
from support.faults_line import Response, Tamper
from support.faults_ways import NEXT, WAYS, Bench, Way, another, bench
from support.raw_server import Play

from claude_jupyter.costs.ledger.calls import Where

DISKS = {"disk full": small_disk, "disk read-only": locked_disk}
WHENS = {
    "disk full": ("from the first", "later", "in mid-answer"),
    # A disk on which files are open for writing lets itself not be made read-only.
    "disk read-only": ("from the first", "after an earlier kernel"),
}


def in_the_middle(act: Callable[[], None]) -> Tamper:
    """Something happens when half of the response has been sent."""

    def tamper(ask: Callable[[], Response]) -> Play:
        response = ask()
        at = len(response.events) // 2
        return response.play((*response.events[:at], 0.02, act, *response.events[at:]))

    return tamper


def assert_one_warning_each(b: Bench) -> None:
    """Costs, the journal and a map's results may each say once, in a line, that they cannot be written."""
    assert b.warned
    kinds = ["Costs are not being saved", "The journal cannot be written", "Results cannot be kept"]
    for line in b.warned:
        assert len(line.splitlines()) == 1 and "/" not in line and "Traceback" not in line, line
        (kind,) = [k for k in kinds if line.startswith(k)]
        kinds.remove(kind)


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("disk", DISKS)
def test_a_disk_that_takes_nothing(
    disk: str, way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for when in WHENS[disk]:
        name = f"{disk} {when}"
        place = tmp_path / name.replace(" ", "-")
        with (
            tally.cell(name, way.name),
            DISKS[disk](place, monkeypatch) as small,
            bench(way, small.folder / "data") as b,
        ):
            if when.startswith("after"):
                with another(b, "earlier", small.folder / "data") as earlier:
                    earlier.claude.ask(NEXT)
            if when in ("from the first", "after an earlier kernel"):
                small.fill()
            b.claude.ask(NEXT)
            if when == "later":
                small.fill()
            elif when == "in mid-answer":
                b.line.spoil(in_the_middle(small.fill), skip=way.skip)
            outcome = way.ask(b)
            b.line.mend()
            assert outcome.complete, outcome
            assert_next_works(b)
            assert_one_warning_each(b)
            assert_books_agree(b)
            small.free()
            assert_next_works(b)
            assert_books_agree(b)
            b.ledger.close()
            with another(b, "after", small.folder / "data") as fresh:
                served = {r.request_id for r in b.demo.requests if r.path.startswith("/v1/messages")}
                assert {row["request_id"] for row in fresh.ledger.rows(Where())} == served
                assert not fresh.warned


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_home_in_which_nothing_can_be_made(way: Way, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with tally.cell("home that cannot be", way.name), bench(way, tmp_path / "file" / "data") as b:
        assert way.ask(b).complete
        assert way.ask(b).complete
        assert_next_works(b)
        assert_books_agree(b)
        assert_one_warning_each(b)


# -- the clock ----------------------------------------------------------------------------------------------------------


class Clock:
    """The machine's clock, as the package sees it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shift = timedelta()
        clock, now = self, time.time

        class Shifted(datetime):
            """`datetime`, with a clock that can be set."""

            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Self:
                moment = datetime.now(tz) + clock.shift
                return cls.combine(moment.date(), moment.timetz())

        monkeypatch.setattr(time, "time", lambda: now() + clock.shift.total_seconds())
        for name, module in list(sys.modules.items()):
            if name.startswith("claude_jupyter.") and getattr(module, "datetime", None) is datetime:
                monkeypatch.setattr(module, "datetime", Shifted)

    def jump(self, by: timedelta) -> None:
        """Set it forward, or back."""
        self.shift += by


JUMPS = {
    "clock back a day": timedelta(days=-1),
    "clock forward a day": timedelta(days=1),
    "clock at 1970": datetime(1970, 1, 2, tzinfo=UTC) - datetime.now(UTC),
}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    yield Clock(monkeypatch)


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("jump", JUMPS)
def test_a_clock_that_jumps_in_mid_answer(jump: str, way: Way, clock: Clock, tmp_path: Path) -> None:
    with tally.cell(jump, way.name), bench(way, tmp_path / "data") as b:
        b.claude.ask(NEXT)
        b.line.spoil(in_the_middle(lambda: clock.jump(JUMPS[jump])), skip=way.skip)
        outcome = way.ask(b)
        b.line.mend()
        assert outcome.complete, outcome
        assert_next_works(b)
        assert_books_agree(b)
        assert not b.warned
        rows: list[Any] = list(b.ledger.rows(Where()))
        assert all(0 <= row["seconds"] < 60 for row in rows)
        assert all(answer.seconds >= 0 for answer in b.view.ended)
        days = {datetime.fromisoformat(row["at"]).year for row in rows}
        assert len(days) == (2 if jump.endswith("1970") else len(days))
        assert sum(s.calls for s in b.ledger.sums(("day",))) == len(rows)
        turns = [t.answer.text for t in b.claude.turns]
        with another(b, "after", tmp_path / "data") as fresh:
            assert [t.answer.text for t in fresh.claude.restore().turns] == turns
