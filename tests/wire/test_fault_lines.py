"""An interrupt at the lines of our own code: the cell ends in one line or with its answer, and nothing is left half done.

By default at some thirty lines spread over all that run for one question, with `FAULTS=full` at every third.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from support import faults_tally as tally
from support.faults import FULL
from support.faults_checks import assert_history_is_sound
from support.faults_line import until
from support.faults_ways import FINE, NEXT, WAYS, Way, bench, ours

from claude_jupyter.costs.calls import Where

OURS = ("/claude_jupyter/client/", "/claude_jupyter/conversation/")
LINES = 1000 if FULL else 32


class Tracer:
    """Counts the lines of ours that run, and interrupts at one of them."""

    def __init__(self, at: int) -> None:
        self.lines = 0
        self.where = ""
        self._at = at

    def __call__(self, frame: FrameType, _event: str, _arg: Any) -> Any:
        return self._line if any(part in frame.f_code.co_filename for part in OURS) else None

    def _line(self, frame: FrameType, event: str, _arg: Any) -> Any:
        self.lines += event == "line"
        if self.lines == self._at and not self.where:
            self.where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
            signal.raise_signal(signal.SIGINT)
        return self._line


@pytest.mark.parametrize("way", [way for way in WAYS if way.name not in ("background", "map")], ids=str)
def test_an_interrupt_at_any_line_of_ours(way: Way, tmp_path: Path) -> None:
    with bench(way, tmp_path / "data") as b:
        assert way.ask(b).complete
        before = sys.gettrace()
        count = Tracer(-1)
        sys.settrace(count)
        assert way.ask(b).complete
        sys.settrace(before)
        step = max(3, count.lines // LINES)
        for at in range(1 + len(way.name) % step, count.lines, step):
            with tally.cell("interrupt at a line of ours", way.name):
                b.claude.clear()
                tracer = Tracer(at)
                sys.settrace(tracer)
                try:
                    outcome = way.ask(b)
                finally:
                    sys.settrace(before)
                if not outcome.complete:
                    assert type(outcome.error).__name__ == "StoppedError", (tracer.where, outcome)
                    assert outcome.line.startswith("Stopped") and "\n" not in outcome.line
                until(lambda: not ours(), f"threads to end after an interrupt at {tracer.where}")
                assert b.claude.ask(NEXT).text == FINE, tracer.where
                assert_history_is_sound(b)
        # One line is left at which it costs a row its end; the row says so.
        begun = [row for row in b.ledger.rows(Where()) if not row["stop_reason"]]
        assert len(begun) <= 2 and not any(row["complete"] or row["cost_usd"] for row in begun)
        assert not b.warned
