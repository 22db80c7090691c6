"""Every outer form of an answer is read back as it was, old files and files that somebody edited among them."""

from __future__ import annotations

import json
import os
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.cases import cases
from support.world import stage

from claude_jupyter.answer.codec import (
    BLOCKS,
    LEVELS,
    MIME,
    VERSION,
    answer_from_json,
    answer_to_json,
    output_json,
    read_output,
    turn_from_json,
    turn_to_json,
)
from claude_jupyter.answer.model import Add, Answer, Attachment, AttachmentKind, Turn
from claude_jupyter.conversation.history import with_digests
from claude_jupyter.conversation.store.journal import Journal
from claude_jupyter.conversation.store.restore import restored
from claude_jupyter.conversation.store.storage import load
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.demo.script import Script, Wait
from claude_jupyter.display.bundle import bundle
from claude_jupyter.errors import StoppedError

FIXTURES = Path(__file__).parents[1] / "fixtures"
THUMBNAIL = "data:image/png;base64,iVBORw0KGgo="

# -- any answer ---------------------------------------------------------------------------------------------------------

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SECONDS = st.none() | st.floats(0, 1e6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | WORDS,
    lambda child: st.lists(child, max_size=3) | st.dictionaries(WORDS, child, max_size=3),
    max_leaves=4,
)
FIELDS = {
    "text": WORDS, "seconds": SECONDS, "name": WORDS, "id": st.none() | WORDS, "kind": st.sampled_from(["python", "server"]),
    "input": VALUES, "result": VALUES, "error": st.booleans(), "title": WORDS, "n": st.integers(0, 99), "at": st.integers(0, 9999),
    "url": WORDS, "cited": WORDS, "level": st.sampled_from(LEVELS),
    "pages": st.none() | st.just([3, 4]), "characters": st.none() | st.just([0, 120]),
    "tokens": st.integers(0, 9999), "price": WORDS,
}  # fmt: skip
STEP = {
    "code": WORDS, "cell": st.none() | WORDS, "effects": VALUES, "approval": WORDS, "changed": VALUES, "number": st.integers(0, 99),
    "error": WORDS,
}  # fmt: skip
KINDS = [
    st.fixed_dictionaries(
        {
            "type": st.just(kind),
            **{name: (STEP if kind == "step" and name in STEP else FIELDS)[name] for name in row},
        }
    )
    for kind, row in BLOCKS.items()
]
AMOUNTS = st.decimals(0, 999, places=6).map(Decimal)
COSTS = st.builds(
    Cost,
    st.dictionaries(
        st.sampled_from(["input", "output", "cache_read", "cache_write", "web_searches"]), AMOUNTS
    ),
    estimated=st.booleans(),
    unknown=st.integers(0, 9),
    saved=st.decimals(-9, 9, places=6).map(Decimal),
    thinking=AMOUNTS,
)
COUNTS = st.integers(0, 10**9)
SENT = st.builds(
    Attachment,
    label=WORDS,
    kind=st.sampled_from(get_args(AttachmentKind)),
    blocks=st.just(()),
    sent=WORDS,
    tokens=COUNTS,
    size=st.none() | st.tuples(st.integers(1, 9999), st.integers(1, 9999)),
    thumbnail=st.none() | st.just(THUMBNAIL),
    notes=st.lists(WORDS, max_size=2).map(tuple),
    rows=st.booleans(),
)
ZONES = st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours)))
SAVED = {
    "id": WORDS.filter(bool), "chat": WORDS.filter(bool), "turn": COUNTS, "model": WORDS, "provider": WORDS.filter(bool),
    "blocks": st.lists(st.one_of(KINDS), max_size=6).map(tuple), "attachments": st.lists(SENT, max_size=3).map(tuple),
    "usage": st.builds(Usage, *[COUNTS] * 7), "cost": st.none() | COSTS, "estimated": st.booleans(), "complete": st.booleans(),
    "stop_reason": st.none() | WORDS,
    "started": st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=ZONES),
    "seconds": st.floats(0, 1e6), "replayed": st.booleans(), "billed": st.booleans(), "once": st.booleans(), "starts": st.booleans(),
    "rewritten": COUNTS,
}  # fmt: skip
ANSWERS = st.builds(Answer, **SAVED)


def exact(cost: Cost | None) -> Any:
    """A cost is a number: equal ones can differ in what they are made of."""
    parts = cost and {name: usd for name, usd in cost.parts.items() if usd}
    return cost and (cost, parts, cost.estimated, cost.unknown, cost.saved, cost.thinking)


def test_every_field_of_an_answer_is_saved_but_those_that_its_turn_holds():
    assert {f.name for f in fields(Answer)} - set(SAVED) == {"message", "value", "sent"}


@cases(100)
@given(ANSWERS)
def test_a_saved_answer_comes_back_with_every_field(answer: Answer):
    again = answer_from_json(json.loads(json.dumps(answer_to_json(answer))))
    assert again == answer and exact(again.cost) == exact(answer.cost)


@cases(100)
@given(ANSWERS)
def test_a_notebooks_answer_comes_back_with_every_field_that_a_notebook_may_hold(answer: Answer):
    data = json.loads(json.dumps(bundle(answer)[0]))
    again = read_output(data)
    assert again is not None and again.text == answer.text and exact(again.cost) == exact(answer.cost)
    bare = tuple(replace(a, notes=(), rows=False) for a in answer.attachments)
    _, *rest = [n for n, b in enumerate(answer.blocks) if b["type"] == "text"] or [None]
    blocks = [{**b, "text": b["text"].strip("\n")} if n in rest else b for n, b in enumerate(answer.blocks)]
    assert again == replace(answer, blocks=tuple(blocks), attachments=bare)
    assert json.loads(json.dumps(bundle(again)[0])) == data


@cases(40)
@given(ANSWERS)
def test_a_page_is_sent_every_field_with_the_texts_in_their_blocks(answer: Answer):
    again = answer_from_json(json.loads(json.dumps(output_json(answer))))
    assert again.blocks == answer.blocks and replace(again, attachments=()) == replace(answer, attachments=())


@cases(30)
@given(ANSWERS, st.builds(dict, cell=st.none() | WORDS, execution=st.none() | WORDS, since=COUNTS, prompt=WORDS,
    starts=st.booleans(), hidden=st.booleans(), unseen=st.booleans(), system=st.none() | WORDS, prefix=WORDS))  # fmt: skip
def test_a_turn_comes_back_with_every_field(answer: Answer, more: dict[str, Any]):
    messages = tuple(
        {"role": role, "content": [{"type": "text", "text": "a"}]} for role in ("user", "assistant") * 2
    )
    turn = with_digests(Turn(messages, answer, **more))
    assert with_digests(turn_from_json(json.loads(json.dumps(turn_to_json(turn))))) == turn


# -- what the page's tests read -------------------------------------------------------------------------------------------

EVERY_FIELD = Answer(
    id="9b1c", chat="side", turn=3, model="claude-sonnet-5-5", provider="demo",
    blocks=(
        {"type": "thinking", "text": "Let me look.\nTwo steps.", "seconds": 3.5},
        {"type": "text", "text": "I will look 🔍 at it."},
        {"type": "tool", "id": "t1", "name": "lookup", "kind": "python", "input": {"city": "Zürich"},
         "result": "12 °C <b>mild</b>", "error": True, "seconds": 0.2, "tokens": 87, "price": "$0.0003"},
        {"type": "text", "text": "It is mild: <img src=x onerror=alert(1)>"},
        {"type": "citation", "n": 1, "at": 5, "title": "Weather", "url": "https://weather.example/z?a=1", "cited": "mild"},
        {"type": "citation", "n": 2, "at": 5, "title": "report.pdf", "url": "", "cited": "It was <b>mild</b>.", "pages": [3, 4]},
        {"type": "citation", "n": 3, "at": 5, "title": "log.txt", "url": "", "cited": "mild", "characters": [120, 124]},
        {"type": "step", "title": "rain by year", "code": "by_year = rain.sum()", "cell": "c1", "effects": {"adds": ["by_year"]},
         "approval": "edited", "changed": {"added": {"by_year": "Series 4"}, "changed": {}, "removed": []}, "seconds": 0.4,
         "number": 2, "error": "KeyError"},
        *({"type": "notice", "level": level, "text": f"A notice: {level}."} for level in LEVELS),
    ),
    attachments=(
        Attachment("sales", "frame", (), "schema + 10 of 48,210 rows", 812),
        Attachment("fig", "image", (), "1,600 × 1,000", 1568, size=(1600, 1000), thumbnail=THUMBNAIL),
    ),
    usage=Usage(120, 340, 4000, 50, 60, thinking=20, web_searches=1),
    cost=Cost({"input": Decimal("0.0100"), "output": Decimal("0.0034")}, estimated=True, saved=Decimal("0.0076")),
    estimated=True, complete=True, stop_reason="max_tokens", started=datetime(2026, 11, 22, 9, 30, tzinfo=UTC), seconds=4.25,
    replayed=True, billed=False, once=True, starts=True, rewritten=50,
)  # fmt: skip
UNKNOWN = {"type": "hologram", "shape": "cube"}


def fixture() -> dict[str, Any]:
    newer = bundle(replace(EVERY_FIELD, id="newer"))[0]
    newer[MIME] = {**newer[MIME], "blocks": [UNKNOWN, *newer[MIME]["blocks"], UNKNOWN]}
    return {
        "mime": MIME,
        "version": VERSION,
        "levels": list(LEVELS),
        "kinds": {kind: list(row) for kind, row in BLOCKS.items()},
        "outputs": {
            "every field": bundle(EVERY_FIELD)[0],
            "defaults": bundle(Answer(id="e0", model="claude-sonnet-5-5"))[0],
            "blocks of a newer version": newer,
        },
        "live": output_json(replace(EVERY_FIELD, complete=False, cost=None)),
    }


def test_the_pages_tests_read_what_is_written_here():
    path = FIXTURES / "answers.json"
    if os.environ.get("FIXTURES") == "write":
        path.write_text(json.dumps(fixture(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8")) == json.loads(json.dumps(fixture()))


def test_the_fixture_has_every_kind_of_block_every_level_and_every_field():
    assert {b["type"] for b in EVERY_FIELD.blocks} == set(BLOCKS)
    assert {b["level"] for b in EVERY_FIELD.blocks if b["type"] == "notice"} == set(LEVELS)
    for kind, row in BLOCKS.items():
        assert {name for b in EVERY_FIELD.blocks if b["type"] == kind for name in b} == {"type", *row}
    empty = Answer(id="")
    assert all(getattr(EVERY_FIELD, name) != getattr(empty, name) for name in SAVED)


# -- what real answers say ----------------------------------------------------------------------------------------------


def levels(answer: Answer) -> list[str]:
    return [b["level"] for b in answer.blocks if b["type"] == "notice"]


def test_a_stopped_answer_says_so_at_its_own_level():
    with stage([Script(text=["A long answer. ", Wait(30), "Its end."])]) as s:
        s.view.at_part = lambda part: s.stops[-1].request() if isinstance(part, Add) else None
        with pytest.raises(StoppedError):
            s.claude.ask("Tell me all.")
        assert levels(s.claude.last) == ["stopped"]


def test_an_answer_cut_at_max_tokens_and_one_that_nears_a_budget_warn():
    with stage([Script(text="Half", stop_reason="max_tokens"), "One.", "Two."]) as s:
        assert levels(s.claude.ask("a")) == ["warning"]
        s.settings.budget = float(s.claude.cost * Decimal("2.3"))
        answer = s.claude.ask("b", max_tokens=1)
        assert set(levels(answer)) == {"warning"} and "budget" in str(answer.blocks)


# -- older, newer and edited files ------------------------------------------------------------------------------------------


def test_a_conversation_a_journal_and_a_notebook_of_the_first_version_are_read():
    old = FIXTURES / "version-1"
    (turn,), name, model, system = load(old / "conversation.json")
    assert (name, model, system and system.text) == ("main", "opus", "Be brief.")
    journal = Journal(old, "other", "a.ipynb", lambda: "on", pytest.fail)
    (journalled,) = restored(None, "main", journal.turns("main"))
    assert journalled == turn and turn.starts and turn.prompt == "How is the weather?"
    answer = turn.answer
    assert answer.cost == Decimal("0.0134") and answer.cost.parts["input"] == Decimal("0.01")
    assert (answer.usage.thinking, answer.usage.web_searches, answer.billed) == (20, 1, False)
    assert [a.rows for a in answer.attachments] == [True, False]
    assert answer.blocks[-1]["level"] == "warning"
    (shown,) = restored(old / "notebook.ipynb", "main", ())
    assert shown.answer.text == answer.text and shown.starts and not shown.answer.billed
    assert shown.answer.cost == answer.cost and shown.answer.tools and shown.answer.citations


@pytest.mark.parametrize(("more", "billed"), [({}, True), ({"provider": "demo"}, False), ({"replayed": True}, False)])  # fmt: skip
def test_a_notebook_that_does_not_say_so_was_billed_unless_demo_or_replay(more: dict[str, Any], billed: bool):
    answer = answer_from_json({"id": "a", **more})
    assert answer.billed is billed


def test_kinds_of_blocks_of_a_newer_version_are_passed_over():
    data = bundle(EVERY_FIELD)[0]
    data[MIME]["blocks"] = [UNKNOWN, *data[MIME]["blocks"], UNKNOWN]
    again = read_output(data)
    assert again is not None and again.blocks == EVERY_FIELD.blocks


@pytest.mark.parametrize("data", [{}, {MIME: None}, {MIME: []}, {MIME: {"version": 1}}, {MIME: {"version": 1, "id": 7}},
    {MIME: {"version": 2, "id": "a", "blocks": []}}])  # fmt: skip
def test_what_is_no_answer_of_this_version_is_none(data: dict[str, Any]):
    assert read_output(data) is None


@pytest.mark.parametrize(
    "blocks",
    [[], None, "x", [{"type": "text", "start": 0, "end": 2}] * 2, [{"type": "text", "length": -1}] * 2, [7]],
)
def test_where_blocks_were_edited_the_whole_text_is_there_once(blocks: Any):
    data = bundle(EVERY_FIELD)[0]
    data[MIME]["blocks"] = blocks
    again = read_output(data)
    assert again is not None and again.text == EVERY_FIELD.text


def test_a_file_that_keeps_text_in_lines_reads_the_same():
    data = bundle(EVERY_FIELD)[0]
    lined = {**data, "text/plain": data["text/plain"].splitlines(keepends=True)}
    assert read_output(lined) == read_output(data)


def test_a_thumbnail_from_elsewhere_is_not_taken():
    data = bundle(EVERY_FIELD)[0]
    data[MIME]["attachments"][1]["thumbnail"] = "https://evil.example/x.png"
    again = read_output(data)
    assert again is not None and [a.thumbnail for a in again.attachments] == [None, None]
