"""A conversation brought back: from a file, from the open notebook, from the journal of this kernel or an earlier one."""

from __future__ import annotations

import json
import os

import pytest
from support.journalled import make, texts, turn
from support.world import stage

from claude_jupyter.answer.model import Place
from claude_jupyter.conversation.ask.repeated import Repeats
from claude_jupyter.conversation.conversation import Conversation
from claude_jupyter.demo.script import Script
from claude_jupyter.errors import ClaudeError, StorageError
from claude_jupyter.options import Options

# -- saved files --------------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    with stage([Script(thinking="Hm.", text="One."), Script(thinking="Hm.", text="Two.")]) as s:
        s.claude.ask("a")
        s.claude.ask("b")
        yield s, s.claude.save(tmp_path / "talk.json")


def test_a_saved_conversation_goes_on_as_it_was(saved):
    s, path = saved
    again = Conversation.load(path, env=s.env)
    assert again.turns == s.claude.turns or [t.messages for t in again.turns] == [
        t.messages for t in s.claude.turns
    ]
    assert again.messages == s.claude.messages
    again.ask("c")
    assert [t.prompt for t in again.turns] == ["a", "b", "c"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_new_turns_come_after_loaded_ones(saved):
    s, path = saved
    other = s.claude.chat("other")
    other.replace_by(path)
    other.ask("c")
    assert [t.prompt for t in other.turns] == ["a", "b", "c"]


def test_words_edited_by_hand_are_sent_and_thinking_about_the_old_ones_is_not(saved):
    s, path = saved
    path.write_text(path.read_text().replace('"text": "a"', '"text": "an edited question"'))
    again = Conversation.load(path, env=s.env)
    again.ask("c")  # the strict server refuses thinking that is bound to other words
    assert "edited question" in str(s.bodies[-1]["messages"][0])


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda text: text[: len(text) // 2], "not valid JSON"),
        (lambda text: "", "not valid JSON"),
        (lambda text: "[" * 100_000, "not valid JSON"),
        (lambda text: "{}", "not a saved conversation"),
        (lambda text: text.replace('"version": 1', '"version": 2'), "newer claude-jupyter"),
        (lambda text: text.replace('"role": "assistant"', '"role": "user"'), "edited"),
        (lambda text: text.replace('"text": "One."', '"text": ""'), "edited"),
        (lambda text: text.replace('"turns": [', '"turns": [5, '), "edited"),
        (lambda text: text.replace('"model": null', '"model": 5'), "edited"),
    ],
)
def test_a_damaged_file_is_one_clear_line_and_nothing_is_lost(saved, damage, told):
    s, path = saved
    path.write_text(damage(path.read_text()))
    before = s.claude.turns
    with pytest.raises(StorageError, match=told) as caught:
        s.claude.replace_by(path)
    assert "\n" not in str(caught.value) and str(path.parent) not in str(caught.value)
    assert s.claude.turns == before and s.claude.model == s.settings.model


def test_a_file_that_is_missing_or_cannot_be_written(saved, tmp_path):
    s, path = saved
    with pytest.raises(StorageError, match="cannot be read"):
        Conversation.load(tmp_path / "none.json", env=s.env)
    whole = path.read_text()
    with pytest.raises(StorageError, match="cannot be written"):
        s.claude.save(tmp_path / "no folder" / "x.json")
    with pytest.raises(StorageError, match="cannot be written"):
        s.claude.save(tmp_path)
    assert path.read_text() == whole


# -- restore from the notebook ------------------------------------------------------------------------------------------


def notebook(folder, *cells):
    path = folder / "a.ipynb"
    made = [
        {
            "cell_type": "code",
            "id": cell,
            "source": source,
            "outputs": [{"output_type": "display_data", "data": data} for data in outputs],
        }
        for cell, source, *outputs in cells
    ]
    path.write_text(json.dumps({"cells": made, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}))
    return path


def shown(answer, **changed):
    from claude_jupyter.display.bundle import bundle

    data, _ = bundle(answer)
    (mime,) = [m for m in data if m.endswith("answer+json")]
    return {**data, mime: {**data[mime], **changed}}


def test_restore_from_a_saved_notebook_alone(tmp_path):
    with stage(["One.", "Two.", "Three."]) as s:
        answers = [s.claude.ask("first", {"x": 1}), s.claude.ask("second")]
        s.env.notebook = notebook(
            tmp_path,
            ("A", "%%claude thing\nfirst", shown(answers[0])),
            ("B", "%claude second", shown(answers[1])),
            ("C", "1 + 1", {"text/plain": "2"}),
        )
        fresh = Conversation(s.env, "main")
        fresh.restore()
        assert [(t.prompt, t.answer.text, t.cell) for t in fresh.turns] == [
            ("first", "One.", "A"),
            ("%claude second", "Two.", "B"),
        ]
        assert "no longer available" in str(fresh.turns[0].messages[0])
        s.run("A", "new execution")
        fresh.ask("first, again")
        assert [t.answer.text for t in fresh.turns] == ["Three.", "Two."]


def test_restore_takes_full_turns_from_the_journal_and_the_order_from_the_notebook(tmp_path):
    with stage([Script(thinking="Hm.", text="One."), Script(thinking="Hm.", text="Two.")]) as s:
        s.env.journal = make(tmp_path)
        s.run("A", "1")
        one = s.claude.ask("first", {"x": 1})
        s.run("B", "2")
        two = s.claude.ask("second")
        s.env.notebook = notebook(
            tmp_path, ("B", "%%claude\nsecond", shown(two)), ("A", "%%claude\nfirst", shown(one))
        )
        fresh = Conversation(s.env, "main")
        fresh.restore()
        assert [t.answer.text for t in fresh.turns] == ["Two.", "One."]
        assert fresh.turns[1].messages == s.claude.turns[0].messages
        s.run("C", "3")
        fresh.ask("third")
        assert fresh.turns[-1].prompt == "third"


def test_restore_leaves_out_what_was_asked_once_and_begins_where_the_chat_was_begun_afresh(tmp_path):
    with stage() as s:
        asked = [("A", {}), ("B", {"once": True}), ("C", {"new": True}), ("D", {})]
        cells = []
        for cell, options in asked:
            s.run(cell, cell)
            cells.append((cell, f"%%claude\n{cell}", shown(s.claude.ask(cell, **options))))
        s.env.notebook = notebook(tmp_path, *cells)
        before = s.claude.messages
        fresh = Conversation(s.env, "main").restore()
        assert [(t.prompt, t.starts) for t in fresh.turns] == [("A", False), ("C", True), ("D", False)]
        assert [m["role"] for m in fresh.messages] == [m["role"] for m in before]
        s.run("E", "E")
        fresh.compact()
        again = notebook(tmp_path, *cells, ("E", "claude.compact()", shown(fresh.last)))
        s.env.notebook = again
        assert len(Conversation(s.env, "main").restore().messages) == 2


def test_an_answer_that_is_shown_again_in_another_cell_is_restored_once(tmp_path):
    with stage() as s:
        answer = s.claude.ask("first")
        s.env.notebook = notebook(
            tmp_path, ("A", "%%claude\nfirst", shown(answer)), ("B", "claude.last", shown(answer))
        )
        (turn,) = Conversation(s.env, "main").restore().turns
        assert (turn.cell, turn.prompt) == ("A", "first")


def test_restore_keeps_a_cells_answer_where_the_re_run_that_is_shown_broke_off(tmp_path):
    with stage(["One.", "Two.", Script(text="Half of it", cut=900)]) as s:
        s.env.journal = make(tmp_path)
        s.run("A", "1")
        s.claude.ask("first")
        s.run("B", "2")
        two = s.claude.ask("second")
        s.run("A", "3")
        with pytest.raises(ClaudeError):
            s.claude.ask("first, again")
        assert [t.answer.text for t in s.claude.turns] == ["One.", "Two."]
        s.env.notebook = notebook(
            tmp_path,
            ("A", "%%claude\nfirst, again", shown(s.claude.last)),
            ("B", "%%claude\nsecond", shown(two)),
        )
        fresh = Conversation(s.env, "main").restore()
        assert [t.answer.text for t in fresh.turns] == ["One.", "Two."]


def test_restore_leaves_out_what_was_said_before_a_refusal(tmp_path):
    with stage(["One.", "Sure, "]) as s:
        one, refused = s.claude.ask("first"), s.claude.ask("second")
        refusal = shown(refused, complete=False, stop_reason="refusal")
        s.env.notebook = notebook(
            tmp_path, ("A", "%%claude\nfirst", shown(one)), ("B", "%%claude\nsecond", refusal)
        )
        fresh = Conversation(s.env, "main").restore()
        assert [t.answer.text for t in fresh.turns] == ["One."]


@pytest.mark.parametrize(
    "changed",
    [
        {"cost": "abc"},
        {"started": "yesterday"},
        {"usage": [1]},
        {"attachments": [5]},
        {"turn": "x"},
        {"id": None},
    ],
)
def test_answers_edited_by_hand_do_not_stop_the_others(tmp_path, changed):
    with stage(["One.", "Two."]) as s:
        one, two = s.claude.ask("first"), s.claude.ask("second")
        s.env.notebook = notebook(tmp_path, ("A", "x", shown(one, **changed)), ("B", "y", shown(two)))
        fresh = Conversation(s.env, "main").restore()
        assert fresh.turns[-1].answer.text == "Two."


def test_what_was_undone_hidden_or_cleared_stays_so_when_only_the_journal_is_there(tmp_path):
    with stage(["One.", "Two.", "Three.", "Four."]) as s:
        s.env.journal = make(tmp_path)
        for cell in "ABC":
            s.run(cell, "1")
            s.claude.ask(cell)
        s.claude.undo()
        s.claude.hide(1)
        fresh = Conversation(s.env, "main").restore()
        assert texts(fresh) == ["One.", "Two."] and [t.hidden for t in fresh.turns] == [True, False]
        s.run("B", "2")
        s.claude.ask("B again")
        s.claude.undo()  # brings the replaced answer back
        assert texts(Conversation(s.env, "main").restore()) == ["One.", "Two."]
        s.claude.clear()
        with pytest.raises(StorageError, match="nothing to restore"):
            Conversation(s.env, "main").restore()
        s.claude.undo()
        assert texts(Conversation(s.env, "main").restore()) == ["One.", "Two."]


def test_questions_asked_at_once_come_back_in_the_order_asked(tmp_path):
    with stage(["Two.", "One."]) as s:
        s.place = Place()
        s.env.journal = make(tmp_path)
        first, second = (s.claude._asker.prepared(q, (), Options()) for q in ("one", "two"))
        s.claude._asker.run(second, s.view)
        s.claude._asker.run(first, s.view)
        assert texts(s.claude) == texts(Conversation(s.env, "main").restore()) == ["One.", "Two."]


def test_what_one_kernel_undid_leaves_another_kernels_turns_alone(tmp_path):
    with stage(["One.", "Two.", "Three."]) as s:
        s.place = Place()
        s.env.journal = make(tmp_path, "k1")
        s.claude.ask("a")
        s.env.journal = make(tmp_path, "k2")
        other = Conversation(s.env, "main")
        other.ask("b")
        other.ask("c")
        other.undo()
        os.utime(tmp_path / "journal" / "k1.jsonl", (1, 1))
        assert texts(Conversation(s.env, "main").restore()) == ["One.", "Two."]


def test_answers_that_came_after_the_notebook_was_saved_come_from_the_journal(tmp_path):
    with stage(["One.", "Two.", "Three."]) as s:
        s.env.journal = make(tmp_path)
        s.run("A", "1")
        one = s.claude.ask("first")
        s.env.notebook = notebook(tmp_path, ("A", "%%claude\nfirst", shown(one)))
        s.run("B", "2")
        asked = s.claude.ask("second").started.timestamp()
        os.utime(s.env.notebook, (asked - 1, asked - 1))
        assert texts(Conversation(s.env, "main").restore()) == ["One.", "Two."]
        os.utime(s.env.notebook, (asked + 60, asked + 60))  # saved since without it: its output was deleted
        assert texts(Conversation(s.env, "main").restore()) == ["One."]


def test_a_stream_shows_nothing_and_is_brought_back_although_the_notebook_does_not_hold_it(tmp_path):
    with stage(["One.", "Two.", "Three."]) as s:
        s.env.journal = make(tmp_path)
        s.run("A", "1")
        one = s.claude.ask("first")
        s.run("B", "2")
        assert list(s.claude.stream("second"))
        s.run("C", "3")
        three = s.claude.ask("third")
        cells = [("A", "", shown(one)), ("B", ""), ("C", "", shown(three))]
        s.env.notebook = notebook(tmp_path, *cells)
        assert texts(Conversation(s.env, "main").restore()) == ["One.", "Two.", "Three."]
        s.env.notebook = notebook(tmp_path, cells[0], cells[2])  # the cell that read it was deleted
        assert texts(Conversation(s.env, "main").restore()) == ["One.", "Three."]


def test_forked_and_loaded_turns_are_journalled_too(tmp_path):
    with stage(["One.", "Two."]) as s:
        s.env.journal = make(tmp_path)
        s.claude.ask("a")
        side = s.claude.fork("side")
        side.ask("b")
        s.claude.save(tmp_path / "kept.json")
        s.claude.clear()
        for _ in range(2):
            s.claude.replace_by(tmp_path / "kept.json")
        assert texts(Conversation(s.env, "side").restore()) == ["One.", "Two."]
        assert texts(Conversation(s.env, "main").restore()) == ["One."]


def test_a_loaded_or_restored_conversation_knows_what_its_turns_cost_once(tmp_path):
    with stage(["One.", "Two."]) as s:
        s.env.journal = make(tmp_path)
        s.claude.ask("a")
        s.claude.ask("b")
        s.claude.save(tmp_path / "kept.json")
        for fresh in (
            Conversation.load(tmp_path / "kept.json", env=s.env),
            Conversation(s.env, "main").restore(),
            Conversation(s.env, "main").replace_by(tmp_path / "kept.json"),
            s.claude.replace_by(tmp_path / "kept.json"),
        ):
            assert fresh.usage.total == s.server.usage.total and fresh.cost == s.claude.cost > 0


def test_a_question_asked_once_is_hinted_at_too_also_in_the_next_kernel(tmp_path):
    with stage("One.") as s:
        s.env.journal = make(tmp_path)
        s.env.repeats = Repeats(s.env.journal.answered_before)
        first, second = s.claude.ask("same", once=True), s.claude.ask("same", once=True)
        assert "Asked before" not in str(first.blocks) and "Asked before" in str(second.blocks)
        s.env.repeats = Repeats(s.env.journal.answered_before)
        assert "Asked before" in str(s.claude.ask("same", once=True).blocks)
        assert not s.claude.turns and not list(s.env.journal.turns("main"))


def test_nothing_to_restore_is_one_clear_line():
    with stage() as s, pytest.raises(ClaudeError, match="nothing to restore"):
        s.claude.restore()


def test_turns_of_two_kernels_without_cells_stand_one_after_the_other(tmp_path):
    for kernel in ("k1", "k2"):
        for n in (1, 2):
            make(tmp_path, kernel).add("main", turn(f"{kernel}-{n}", number=n))
        os.utime(tmp_path / "journal" / f"{kernel}.jsonl", (int(kernel[1]), int(kernel[1])))
    with stage() as s:
        s.env.journal = make(tmp_path, "k3")
        s.place = Place()
        s.claude.restore()
        assert [t.prompt for t in s.claude.turns] == ["k1-1", "k1-2", "k2-1", "k2-2"]
