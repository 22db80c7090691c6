"""Whatever somebody did to a saved conversation, a journal, a notebook or an answer's data: it is read, or refused in a line."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.cases import JSON, cases, changed

from claude_jupyter.answer.codec import MIME, output_json, read_output
from claude_jupyter.answer.model import Answer, Attachment, Turn
from claude_jupyter.conversation.history import System, Turns, live, sent, with_digests
from claude_jupyter.conversation.store.journal import Journal
from claude_jupyter.conversation.store.restore import restored
from claude_jupyter.conversation.store.storage import load, save
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.display.bundle import bundle
from claude_jupyter.errors import StorageError

TEXT = st.text(min_size=1, max_size=12).filter(str.strip)
NAMES = st.text(alphabet="abcé 1_", min_size=1, max_size=6)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder of one case: a fixture's would be shared by all."""
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


@st.composite
def turns(draw: st.DrawFn) -> Turn:
    """A turn as it could have come about: plain, with thinking, with a tool round, cut, hidden, a fresh start."""
    user: list[dict[str, Any]] = [{"type": "text", "text": draw(TEXT)}]
    if draw(st.booleans()):
        image = {"type": "base64", "media_type": "image/png", "data": draw(st.sampled_from(["iVBO", "AAAA"]))}
        user.insert(0, {"type": "image", "source": image})
    said: list[dict[str, Any]] = [{"type": "text", "text": draw(TEXT)}]
    if draw(st.booleans()):
        said.insert(0, {"type": "thinking", "thinking": draw(st.text(max_size=6)), "signature": "s"})
    messages: list[dict[str, Any]] = [{"role": "user", "content": user}]
    if draw(st.booleans()):
        call = {
            "type": "tool_use",
            "id": "toolu_1",
            "name": "look",
            "input": draw(st.dictionaries(NAMES, st.integers(), max_size=2)),
        }
        result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": draw(TEXT)}
        messages += [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    messages.append({"role": "assistant", "content": said})
    money = st.decimals(0, 99, places=6)
    answer = Answer(
        id=draw(NAMES), chat="main", turn=draw(st.integers(0, 99)), model="claude-sonnet-5-5",
        blocks=tuple({"type": b["type"], "text": b.get("text", "")} for b in said),
        attachments=(Attachment(draw(NAMES), "table", (), "schema", draw(st.integers(0, 999)), notes=("n",), rows=draw(st.booleans())),),
        usage=Usage(*draw(st.tuples(*[st.integers(0, 10**9)] * 4))),
        cost=draw(st.none() | money.map(lambda usd: Cost({"output": Decimal(usd)}))),
        complete=draw(st.booleans()), stop_reason=draw(st.sampled_from([None, "end_turn", "max_tokens"])),
        started=draw(st.none() | st.just(datetime(2026, 11, 22, 9, 30, tzinfo=UTC))), seconds=draw(st.floats(0, 100)),
    )  # fmt: skip
    return with_digests(
        Turn(
            tuple(messages), answer, cell=draw(st.none() | NAMES), execution=draw(st.none() | NAMES), prompt=draw(st.text(max_size=9)),
            starts=draw(st.booleans()), hidden=draw(st.booleans()), system=draw(st.none() | NAMES), prefix=draw(st.sampled_from(["", "p"])),
        )
    )  # fmt: skip


def assert_sendable(found: Turns) -> None:
    """What the service asks of messages, whatever the turns were made from."""
    messages = sent(live(found), "", []).messages
    assert [m["role"] for m in messages] == ["user", "assistant"] * (len(messages) // 2)
    for message in messages:
        assert message["content"] and all(
            isinstance(block, dict) and "type" in block for block in message["content"]
        )
    for turn in found:
        json.dumps([dict(m) for m in turn.messages])
        assert isinstance(turn.answer.text, str) and repr(turn.answer.cost) and turn.answer.usage.total >= 0


@cases(100)
@given(st.lists(turns(), max_size=4), st.none() | NAMES, st.none() | st.text(max_size=9))
def test_what_was_saved_comes_back_as_it_was(kept: list[Turn], model: str | None, text: str | None) -> None:
    system = None if text is None else System(text, 3)
    with folder() as here:
        save(here / "c.json", tuple(kept), name="main", model=model, system=system)
        back, name, *rest = load(here / "c.json")
    assert (name, *rest) == ("main", model, system)
    bare = tuple(replace(t, answer=replace(t.answer, attachments=())) for t in kept)
    assert tuple(replace(t, answer=replace(t.answer, attachments=())) for t in back) == bare
    assert [[replace(a, thumbnail=None) for a in t.answer.attachments] for t in back] == [
        list(t.answer.attachments) for t in kept
    ]


def saved(kept: list[Turn]) -> Any:
    with folder() as here:
        save(here / "c.json", tuple(kept), name="main", model=None, system=None)
        return json.loads((here / "c.json").read_text(encoding="utf-8", errors="surrogatepass"))


def assert_read_or_refused(data: bytes) -> None:
    with folder() as here:
        (here / "c.json").write_bytes(data)
        try:
            found, name, model, system = load(here / "c.json")
        except StorageError as error:
            assert "c.json" in str(error) and "\n" not in str(error) and len(str(error)) < 400
            return
        assert isinstance(name, str) and isinstance(model, str | None) and isinstance(system, System | None)
        assert_sendable(found)
        save(here / "again.json", found, name=name, model=model, system=system)
        assert load(here / "again.json")[0] == found


@cases(200)
@given(st.data(), st.lists(turns(), min_size=1, max_size=2))
def test_a_saved_conversation_that_was_edited_is_read_or_refused(
    data: st.DataObject, kept: list[Turn]
) -> None:
    document = data.draw(changed(saved(kept)))
    assert_read_or_refused(json.dumps(document).encode())


@cases(120)
@given(
    st.lists(turns(), min_size=1, max_size=1), st.integers(0, 4000), st.binary(max_size=3), st.integers(0, 40)
)
def test_a_saved_conversation_that_was_damaged_is_read_or_refused(
    kept: list[Turn], at: int, put: bytes, gone: int
) -> None:
    data = json.dumps(saved(kept)).encode()
    at %= len(data)
    assert_read_or_refused(data[:at] + put + data[at + gone :])


@cases(120)
@given(JSON)
def test_any_json_at_all_is_no_conversation_or_one(document: Any) -> None:
    assert_read_or_refused(json.dumps(document).encode())
    assert_read_or_refused(
        json.dumps(
            {"format": "claude-jupyter conversation", "version": 1, "name": "", "turns": document}
        ).encode()
    )


@cases(120)
@given(st.data(), st.lists(turns(), min_size=2, max_size=3))
def test_a_line_of_the_journal_that_was_edited_costs_no_other_line(
    data: st.DataObject, kept: list[Turn]
) -> None:
    with folder() as here:
        journal = Journal(here, "k", "a.ipynb", lambda: "on", print)
        for turn in kept:
            journal.add("main", turn)
        lines = (here / "k.jsonl").read_text().split("\n")
        entry = data.draw(changed(json.loads(lines[1])))
        lines[1] = (
            json.dumps(entry) if data.draw(st.booleans()) else lines[1][: data.draw(st.integers(0, 400))]
        )
        (here / "k.jsonl").write_text("\n".join(lines))
        found = list(journal.turns("main"))
        assert [t.messages for t in found[-(len(kept) - 1) :]] == [t.messages for t in kept[1:]]
        assert_sendable(restored(None, "main", found))
        list(journal.answered_before())


@cases(120)
@given(st.data(), st.lists(turns(), min_size=1, max_size=2))
def test_a_notebook_that_was_edited_is_restored_as_far_as_it_goes(
    data: st.DataObject, kept: list[Turn]
) -> None:
    cells = [
        {"cell_type": "code", "id": f"c{n}", "source": "%%claude\nWhy?", "metadata": {}, "execution_count": 1,
         "outputs": [{"output_type": "display_data", "metadata": {}, "data": bundle(turn.answer)[0]}]}
        for n, turn in enumerate(kept)
    ]  # fmt: skip
    document = data.draw(changed({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    with folder() as here:
        (here / "a.ipynb").write_text(json.dumps(document))
        try:
            found = restored(here / "a.ipynb", "main", ())
        except StorageError as error:
            assert "\n" not in str(error)
            return
    assert_sendable(found)


@cases(200)
@given(st.data(), turns())
def test_an_answers_data_that_was_edited_still_has_its_shape(data: st.DataObject, turn: Turn) -> None:
    output = data.draw(changed(json.loads(json.dumps(bundle(turn.answer)[0]))))
    document = output if isinstance(output, dict) else {MIME: output}
    answer = read_output(document)
    if answer is None:
        return
    json.dumps(output_json(answer), allow_nan=False)
    assert isinstance(answer.text, str) and repr(answer) and bundle(answer)[0]["text/markdown"]
    assert answer.cost is None or answer.cost >= 0
