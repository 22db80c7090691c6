"""Each fault of the line in each way of asking: an answer or one clear line, what came kept, the books right, and on it goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import faults_tally as tally
from support.faults import FAULTS, Fault
from support.faults_checks import (
    assert_books_agree,
    assert_history_is_sound,
    assert_kept,
    assert_next_works,
    assert_one_clear_line,
    assert_resumes,
    expected_text,
    nothing_left_behind,
    squeezed,
)
from support.faults_ways import NEXT, ROWS, TEXT, WAYS, Bench, Outcome, Way, bench

from claude_jupyter.client import service
from claude_jupyter.conversation.map.concurrency import Throttle

PASSING = (
    "RateLimitError",
    "InternalServerError",
    "OverloadedError",
    "APIConnectionError",
    "APITimeoutError",
    "RequestTimeoutError",
    "ServiceUnavailableError",
)
FATAL = ("AuthenticationError", "PermissionDeniedError", "NotFoundError", "PaymentRequiredError")
AT_ONCE = ("429, spend limit", "429, retry-after 3600")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A map's rests are a hundred times shorter, and the last word is not waited for so long."""
    monkeypatch.setattr(service, "_LAST_WORD", 0.3)
    refused = Throttle.refused
    monkeypatch.setattr(Throttle, "refused", lambda self, seconds: refused(self, seconds / 100))


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.usefixtures("quick")
def test_a_fault_of_the_line(fault: Fault, way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        tally.cell(fault.name, way.name),
        nothing_left_behind(tmp_path, monkeypatch),
        bench(way, tmp_path / "data", retries=fault.retries, timeout=fault.timeout) as b,
    ):
        b.claude.ask(NEXT)
        since = len(b.line.passed)
        outcome = asked(b, way, fault)
        (assert_map if way.name == "map" else assert_question)(fault, b, outcome, since)
        assert_history_is_sound(b)
        if way.name != "map" and not outcome.complete and outcome.text:
            assert_resumes(b, outcome.text)
        assert_next_works(b)
        assert_books_agree(b)
        assert not b.warned


def asked(b: Bench, way: Way, fault: Fault) -> Outcome:
    """Ask while the line is spoiled."""
    b.line.spoil(fault.tamper, skip=way.skip, times=fault.times)
    if fault.down:
        b.line.hang_up()
    try:
        return way.ask(b)
    finally:
        if fault.down:
            b.line.pick_up()
        b.line.mend()


def assert_question(fault: Fault, b: Bench, outcome: Outcome, since: int) -> None:
    text, thinking = expected_text(b, since)
    assert outcome.complete == (fault.error is None), outcome
    assert_kept(outcome, text, thinking)
    if outcome.complete:
        return
    assert_one_clear_line(outcome.line)
    assert fault.words in outcome.line
    assert outcome.error is None or type(outcome.error).__name__ in str(fault.error).split("|"), outcome.line
    assert bool(text or thinking) >= fault.partial


def assert_map(fault: Fault, b: Bench, outcome: Outcome, since: int) -> None:
    """What passes is asked again, what would go wrong for every row ends the map, the rest is an error of that row."""
    raised = fault.error in FATAL or fault.name in AT_ONCE
    assert outcome.complete == (
        fault.error is None or (fault.error in PASSING and not raised and not fault.down)
    ), outcome
    assert (outcome.error is not None) == raised, outcome
    if outcome.complete:
        assert fault.name == "very much text" or outcome.text == "\n".join([TEXT] * len(ROWS))
        return
    assert_one_clear_line(outcome.line)
    assert fault.words in outcome.line
    if not raised:
        assert squeezed(outcome.text) == squeezed(TEXT) * (len(ROWS) - (3 if fault.down else 1))
