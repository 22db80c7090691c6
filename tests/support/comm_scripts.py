"""Answers that the comm fixtures hold, played in a real kernel through the real widget view. Imported there, and by the test beside it.

Each is what `conversation/` would do with a view: a beginning, batches of parts as they arrive, an end. No clock decides what is sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from claude_jupyter.answer.model import Add, Answer, Attachment, Block, Meter, Part, Put, Status
from claude_jupyter.costs.usage import Cost, Usage

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
STARTED = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
USAGE = Usage(input=120, output=40, cache_read=4000)
BEGUN = Answer(
    "answer-1",
    turn=3,
    model="claude-sonnet-5-5",
    started=STARTED,
    attachments=(
        Attachment("fig", "image", (), "1,600 × 1,000", 2088, (1600, 1000), PIXEL),
        Attachment("sales", "frame", (), "schema + 10 of 48,210 rows", 1480),
    ),
)
NOTICE: Block = {"type": "notice", "level": "stopped", "text": "Stopped. What arrived is kept."}
FAILED: Block = {
    "type": "notice",
    "level": "error",
    "text": "Not sent: over budget.\nRaise it with `%config`.",
}
THOUGHT: Block = {"type": "thinking", "text": "Let me see.", "seconds": 4.0}
TOOL: Block = {
    "type": "tool",
    "id": "t",
    "name": "store_calendar",
    "kind": "python",
    "input": {"store": 4},
    "result": "closed <b>on</b> Monday",
    "error": None,
    "seconds": 0.2,
}
SOURCE: Block = {
    "type": "citation",
    "n": 1,
    "title": "Calendar",
    "url": "https://example.org/c",
    "cited": "closed",
}


@dataclass(frozen=True, slots=True)
class Played:
    """One answer: how it begins, what arrives, how it ends."""

    begun: Answer
    batches: Sequence[Sequence[Part]]
    ended: Answer


def _cost(usd: str) -> Cost:
    return Cost({"output": Decimal(usd)})


def _ended(*blocks: Block, **more: Any) -> Answer:
    fields: dict[str, Any] = {
        "complete": True,
        "stop_reason": "end_turn",
        "usage": USAGE,
        "cost": _cost("0.0134"),
    }
    return replace(BEGUN, blocks=blocks, seconds=9.1, **{**fields, **more})


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


PLAYS = {
    "text": Played(
        BEGUN,
        [
            [Status("Thinking")],
            [Put(0, _text("")), Add(0, "# Märch 📉\n\nIt *falls")],
            [
                Add(0, "* by 3 %, "),
                Add(0, "as `x < y` says.\n\n"),
                Meter(Usage(input=4120, output=12), _cost("0.0011")),
            ],
            [Add(0, "```python\nprint(1 < 2)\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")],
        ],
        _ended(
            _text(
                "# Märch 📉\n\nIt *falls* by 3 %, as `x < y` says.\n\n```python\nprint(1 < 2)\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
            )
        ),
    ),
    "parts": Played(
        BEGUN,
        [
            [Put(0, {"type": "thinking", "text": "", "seconds": None}), Add(0, "Let me "), Add(0, "see.")],
            [Put(0, THOUGHT), Put(1, _text("")), Add(1, "I look.")],
            [Put(2, {**TOOL, "result": None, "seconds": None})],
            [Put(2, TOOL), Status("Waiting", 3.0)],
            [Put(3, _text("")), Add(3, "It was closed."), Put(4, SOURCE)],
        ],
        _ended(THOUGHT, _text("I look."), TOOL, _text("It was closed."), SOURCE),
    ),
    "stopped": Played(
        BEGUN,
        [[Put(0, _text("")), Add(0, "Some words and <b>")]],
        _ended(
            _text("Some words and <b>"),
            NOTICE,
            complete=False,
            estimated=True,
            stop_reason="stopped",
            cost=_cost("0.0051"),
        ),
    ),
    "failed": Played(BEGUN, [], _ended(FAILED, complete=False, stop_reason=None, usage=Usage(), cost=None)),
}


def play(name: str) -> None:
    """Show it in the cell that runs."""
    from IPython.core.getipython import get_ipython

    from claude_jupyter.display import widget

    widget._METER_EVERY = 0  # pyright: ignore[reportPrivateUsage]
    played, shell = PLAYS[name], get_ipython()
    assert shell is not None
    view = widget.WidgetView(display_id=played.begun.id, publisher=shell.display_pub)
    view.begin(played.begun)
    for batch in played.batches:
        view.show(batch)
    view.end(played.ended)
