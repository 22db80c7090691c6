"""Text is sent whole: only the model's context, or the setting `text_tokens`, shortens it, and says how to send all."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.world import stage

from claude_jupyter.answer.model import Answer, Attachment
from claude_jupyter.content import attach, file
from claude_jupyter.content.cells import every
from claude_jupyter.content.cells.cell_records import Cell, CellOutput
from claude_jupyter.content.rules import Rules
from claude_jupyter.errors import ClaudeError
from claude_jupyter.models import facts

LONG = "".join(f"line {n} of a long text\n" for n in range(12_000))
RULES = Rules()


def one(value: Any, rules: Rules = RULES) -> Attachment:
    (attachment,) = attach(value, "v", rules)
    return attachment


def said(attachment: Attachment) -> str:
    return "\n".join(attachment.texts)


class Marked:
    def _repr_markdown_(self) -> str:
        return LONG


class Own:
    def _ai_repr_(self, **_kwargs: Any) -> str:
        return LONG


def saved(name: str, data: str) -> Callable[[Path], Any]:
    def save(folder: Path) -> Any:
        (folder / name).write_text(data)
        return folder / name

    return save


NOTEBOOK = json.dumps({"cells": [{"cell_type": "markdown", "source": LONG}], "nbformat": 4})

LONG_TEXTS: dict[str, Callable[[Path], Any]] = {
    "str": lambda _: LONG,
    "subclass of str": lambda _: type("Text", (str,), {})(LONG),
    "StringIO": lambda _: io.StringIO(LONG),
    "BytesIO": lambda _: io.BytesIO(LONG.encode()),
    "bytes": lambda _: LONG.encode(),
    "utf-16 bytes": lambda _: LONG.encode("utf-16"),
    "answer": lambda _: Answer("a", blocks=({"type": "text", "text": LONG},)),
    "markdown of an object": lambda _: Marked(),
    "_ai_repr_": lambda _: Own(),
    "text file": saved("a.txt", LONG),
    "source file": saved("a.py", LONG),
    "log": saved("a.log", LONG),
    "file without suffix": saved("README", LONG),
    "notebook": saved("a.ipynb", NOTEBOOK),
    "named file": lambda folder: file(saved("b.md", LONG)(folder)),
}


@pytest.mark.parametrize("kind", LONG_TEXTS)
def test_a_text_far_above_twenty_thousand_tokens_is_sent_whole(kind: str, tmp_path: Path) -> None:
    shown = one(LONG_TEXTS[kind](tmp_path))
    assert LONG.strip() in said(shown) and shown.tokens > 70_000
    assert "shortened" not in shown.sent and set(shown.notes) <= {"read as utf-16"}


@pytest.mark.parametrize("kind", LONG_TEXTS)
def test_text_tokens_shortens_it_and_chip_note_and_block_say_how_to_send_all(
    kind: str, tmp_path: Path
) -> None:
    shown = one(LONG_TEXTS[kind](tmp_path), replace(RULES, text_tokens=5000))
    assert 4000 < shown.tokens < 5200
    assert "shortened to 1" in shown.sent or "shortened to 2" in shown.sent
    for words in (said(shown), shown.notes[0]):
        assert "%config ClaudeMagics.text_tokens = None" in words
    assert "characters left out: text_tokens is 5,000" in said(shown)
    assert said(shown).removesuffix("\n</attachment>").rstrip().endswith("line 11999 of a long text")


def test_beyond_the_context_of_the_model_it_is_shortened_to_what_fits() -> None:
    shown = one("word " * 400_000, replace(RULES, model=facts("claude-haiku-4-5")))
    assert 120_000 < shown.tokens <= 161_000
    (note,) = shown.notes
    assert "claude-haiku-4-5 has room for about 160,000 tokens" in note and "-m" in note
    assert "2,000,000 characters, shortened to" in shown.sent


def test_wide_characters_count_for_what_they_are() -> None:
    shown = one("漢字" * 20_000, replace(RULES, text_tokens=10_000))
    assert 9_000 < shown.tokens < 10_300


def test_a_text_as_long_as_allowed_is_whole() -> None:
    text = "x" * 3500
    assert one(text, replace(RULES, text_tokens=1000)).notes == ()
    assert one(text + "x" * 8, replace(RULES, text_tokens=1000)).notes


def test_no_half_of_a_secret_stays_at_the_cut() -> None:
    key = "sk-ant-api03-" + "aB3dE6gH9" * 9
    text = "a" * 1200 + key + "b" * 5000
    rules = replace(RULES, text_tokens=1000, redact=lambda t: (t.replace(key, "[redacted]"), ("K",)))
    assert "sk-ant" not in said(one(text, rules)) and "aB3dE6" not in said(one(text, rules))


def test_the_source_of_a_users_function_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "".join(f"    x = {n}\n" for n in range(8000))
    (tmp_path / "long_module.py").write_text(f"def long():\n{body}    return x\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    from long_module import long  # pyright: ignore

    assert "x = 4000\n" in said(one(long))


def test_two_texts_share_the_context_and_a_short_one_stays_whole() -> None:
    with stage("Yes.") as s:
        s.settings.confirm_above = 1000.0
        long, short = "word " * 300_000, "short " * 10
        answer = s.claude.ask("?", long, long + "x", short, model="claude-haiku-4-5")
        first, second, third = answer.attachments
        assert 100_000 < first.tokens + second.tokens + third.tokens < 200_000 - 16_000
        assert first.notes and second.notes and not third.notes


def test_the_setting_reaches_the_request_and_tool_results_stay_bounded() -> None:
    with stage("Yes.") as s:
        s.settings.text_tokens = 1000
        assert s.claude.ask("?", LONG).attachments[0].tokens < 1200
        s.settings.text_tokens = None
        assert s.claude.ask("?", LONG, once=True).attachments[0].tokens > 70_000


def test_the_price_of_a_long_text_is_asked_first() -> None:
    with stage("Yes.") as s:
        s.settings.confirm_above = 0.1
        s.env.frontend.confirm = lambda question: asked.append(question) or False
        asked: list[str] = []
        with pytest.raises(ClaudeError):
            s.claude.ask("?", LONG * 5)
        assert asked and not s.bodies


# --- every cell


def cells(count: int, lines: int = 30, output: str = "") -> list[Cell]:
    source = "\n".join(f"value_{line} = compute({line})" for line in range(lines))
    return [Cell(f"# cell number {n}\n{source}", count=n, text=output) for n in range(1, count + 1)]


def tokens(shown: tuple[Attachment, ...]) -> int:
    return sum(a.tokens for a in shown)


def test_all_cells_that_fit_are_whole() -> None:
    shown = every.every_cell(cells(5), RULES, 15_000)
    assert [a.label for a in shown] == [f"In[{n}]" for n in range(1, 6)]
    assert all("value_29" in said(a) for a in shown)


@pytest.mark.parametrize("count", [20, 60, 200])
@pytest.mark.parametrize("limit", [1000, 5000, 15_000])
@pytest.mark.parametrize("output", ["", "printed " * 400, "漢字" * 300])
def test_many_cells_are_shortened_within_the_limit_and_the_newest_least(
    count: int, limit: int, output: str
) -> None:
    shown = every.every_cell(cells(count, output=output), RULES, limit)
    assert tokens(shown) <= limit + 150
    whole = [a for a in shown if not a.notes]
    assert [a.label for a in whole] == [f"In[{n}]" for n in range(count - len(whole) + 1, count + 1)]
    if len(whole) < count:
        (note,) = shown[0].notes
        assert "context_tokens" in note and "shortened" in shown[0].sent
        assert f"In[{count - len(whole)}]" in said(shown[0]) or whole == []


def test_every_cell_is_named_while_a_line_for_each_fits() -> None:
    text = said(every.every_cell(cells(100), RULES, 15_000)[0])
    assert all(f"In[{n}]: # cell number {n}" in text for n in range(1, 20))


def test_rows_none_withholds_what_the_cells_printed_and_an_error_says_its_name() -> None:
    found = cells(40, output="CANARY7351 " * 50)
    found[3] = replace(found[3], error="Traceback\nKeyError: CANARY7351", error_name="KeyError")
    shown = every.every_cell(found, replace(RULES, rows="none"), 6000)
    assert "CANARY7351" not in str(shown) and not any(a.rows for a in shown)
    assert "KeyError" in said(shown[0])


def test_pictures_of_the_newest_cells_go_along() -> None:
    import base64

    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (400, 300), "red").save(stream, "PNG")
    picture = CellOutput("image/png", base64.b64encode(stream.getvalue()).decode())
    found = [replace(cell, displayed=(picture,)) for cell in cells(60)]
    shown = every.every_cell(found, RULES, 10_000)
    assert shown[-1].kind == "image" and tokens(shown) <= 10_150
    assert "1 picture, not sent" in said(shown[0]) or "In[1]: " in said(shown[0])


def test_secrets_are_redacted_before_they_are_cut() -> None:
    key = "sk-ant-api03-" + "aB3dE6gH9" * 9
    redact = lambda text: (text.replace(key, "[redacted K]"), ("K",) if key in text else ())  # noqa: E731
    found = [Cell(f"{'x' * 70} {key}\n" * 20, count=n) for n in range(1, 60)]
    assert "aB3dE6" not in str(every.every_cell(found, replace(RULES, redact=redact), 4000))
