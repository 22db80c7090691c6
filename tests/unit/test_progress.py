"""How far a map is, and structured answers while they arrive, as a notebook shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from claude_jupyter.answer.model import Add, Answer, Part, Put, Status
from claude_jupyter.display import progress
from claude_jupyter.display.progress import ProgressLine
from claude_jupyter.display.structured import arriving
from claude_jupyter.display.structured.arriving import TypedView, so_far


def test_a_line_grows_in_one_output_and_leaves_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(progress, "_EVERY", 0.0)
    shown: list[tuple[dict[str, Any], bool]] = []
    line = ProgressLine(lambda data, again: shown.append((data, again)), 200, 0)
    line.set(1, "$0.0001")
    line.set(120, "$0.0120, 2 failed <b>")
    line.close()
    assert [again for _, again in shown] == [False, True, True]
    assert '<progress value="120" max="200"' in shown[1][0]["text/html"]
    assert shown[1][0]["text/plain"].startswith("120 of 200 rows")
    assert "&lt;b&gt;" in shown[1][0]["text/html"]
    last = shown[2][0]
    assert "<progress" not in last["text/html"]
    assert last["text/plain"].startswith("120 of 200 rows in 0 s · $0.0120, 2 failed")


def test_a_line_is_not_drawn_for_each_row():
    shown: list[dict[str, Any]] = []
    line = ProgressLine(lambda data, _: shown.append(data), 1000, 0)
    for done in range(1, 1001):
        line.set(done, "$0.01")
    line.close()
    assert len(shown) < 10
    assert shown[-1]["text/plain"].startswith("1,000 rows in ")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ('{"val', ""),
        ('{"value": "ye', "ye"),
        ('{"value": [{"na', ""),
        ('{"value": [{"name": "Ann", "score": 4}, {', "| name | score |\n| --- | --- |\n| Ann | 4 |"),
        ('{"columns": ["a", "b"], "ro', ""),
        ('{"columns": ["a", "b"], "rows": [[1, 2], [3', "| a | b |\n| --- | --- |\n| 1 | 2 |"),
        ('{"name": "Ann", "sc', "| field | value |\n| --- | --- |\n| name | Ann |"),
        ("No JSON", ""),
    ],
)
def test_what_there_is_of_a_value(text: str, shown: str):
    assert so_far(text) == shown


class Seen:
    def __init__(self) -> None:
        self.parts: list[Part] = []

    def begin(self, answer: Answer) -> None: ...

    def show(self, parts: Sequence[Part]) -> None:
        self.parts += parts

    def end(self, answer: Answer) -> None: ...


def test_the_json_itself_is_never_shown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(arriving, "_EVERY", 0.0)
    seen = Seen()
    view = TypedView(seen)
    view.show(
        [
            Status("Thinking"),
            Put(0, {"type": "thinking", "text": ""}),
            Add(0, "hm"),
            Put(1, {"type": "text", "text": ""}),
        ]
    )
    for piece in ('{"value": [{"name": ', '"Ann"}, {"na', 'me": "Bo"}]}'):
        view.show([Add(1, piece)])
    assert Add(0, "hm") in seen.parts
    texts = [part.data["text"] for part in seen.parts if isinstance(part, Put) and part.block == 1]
    assert texts == ["", "| name |\n| --- |\n| Ann |", "| name |\n| --- |\n| Ann |\n| Bo |"]
