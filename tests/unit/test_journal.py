"""What is on disk of a conversation: a killed kernel loses no finished turn, a full disk no answer, a file edited by hand nothing else."""

from __future__ import annotations

import base64
import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from PIL import Image
from support.world import stage

from claude_jupyter.conversation.conversation import Conversation
from claude_jupyter.conversation.history import sealed, sent
from claude_jupyter.conversation.journal import Journal
from claude_jupyter.conversation.repeats import Repeats
from claude_jupyter.demo.script import Script
from claude_jupyter.errors import ClaudeError, StorageError
from claude_jupyter.options import Options
from claude_jupyter.turns import Answer, Place, Turn


def png(colour="red"):
    data = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


def picture(data):
    source = {"type": "base64", "media_type": "image/png", "data": data}
    return {"type": "image", "source": source}


def turn(name, *, text="answer", user=None, cell=None, number=1, **more):
    content = [{"type": "thinking", "thinking": "Hm.", "signature": "s"}, {"type": "text", "text": text}]
    messages = (
        {"role": "user", "content": user or [{"type": "text", "text": "q"}]},
        {"role": "assistant", "content": content},
    )
    answer = Answer(id=name, turn=number, blocks=({"type": "text", "text": text},), complete=True)
    return sealed(Turn(messages, answer, prefix=sent((), "", []).prefix, cell=cell, prompt=name, **more))


@pytest.fixture
def journal(tmp_path):
    return make(tmp_path)


def make(folder, kernel="k1", mode="on", warned=None):
    warn = pytest.fail if warned is None else warned.append
    return Journal(folder / "journal", kernel, "a.ipynb", lambda: mode, warn)


def thinks(turn):
    return any(b["type"] == "thinking" for b in turn.messages[1]["content"])


@pytest.mark.parametrize(
    "text", ["plain", "line\u2028parted", "next\u0085line", "a\x0cb\r\nc", "lone \ud800"]
)
def test_a_turn_comes_back_as_it_was(journal, text):
    journal.add("main", turn("a", text=text))
    (back,) = journal.turns("main")
    assert back == turn("a", text=text)


def test_pictures_stand_beside_by_their_hash_and_come_back(journal, tmp_path):
    data = png()
    for name in "ab":
        journal.add("main", turn(name, user=[picture(data), {"type": "text", "text": "q"}]))
    (file,) = (tmp_path / "journal" / "images").iterdir()
    assert data not in (tmp_path / "journal" / "k1.jsonl").read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert [t.messages[0]["content"][0] for t in journal.turns("main")] == [picture(data)] * 2
    assert all(thinks(t) for t in journal.turns("main"))


@pytest.mark.parametrize("how", ["gone", "damaged", "left out"])
def test_a_picture_that_is_gone_is_noted_and_thinking_about_it_dropped(tmp_path, how):
    journal = make(tmp_path, mode="text" if how == "left out" else "on")
    journal.add("main", turn("a", user=[picture(png()), {"type": "text", "text": "q"}]))
    for file in (tmp_path / "journal" / "images").iterdir():
        file.unlink() if how == "gone" else file.write_text("nonsense")
    (back,) = journal.turns("main")
    assert "no longer at hand" in back.messages[0]["content"][0]["text"]
    assert not thinks(back), "the service would refuse thinking about a picture that is not sent"


def test_a_line_that_a_kill_has_cut_costs_itself_alone(journal, tmp_path):
    journal.add("main", turn("a"))
    path = tmp_path / "journal" / "k1.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    journal.add("main", turn("b"))
    assert [t.answer.id for t in journal.turns("main")] == ["b"]


def test_a_line_that_was_cut_within_a_letter_costs_itself_alone(journal, tmp_path):
    for name in "ab":
        journal.add("main", turn(name, text="für"))
    path = tmp_path / "journal" / "k1.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex("ü".encode()) + 1])
    journal.add("main", turn("c"))
    assert [t.answer.id for t in journal.turns("main")] == ["a", "c"]


def test_a_price_edited_by_hand_costs_the_hint_and_not_the_answer(journal, tmp_path):
    with stage(["one", "two"]) as s:
        s.world.journal, s.world.repeats = journal, Repeats(journal.asked)
        s.claude.ask("q", once=True)
        path = tmp_path / "journal" / "k1.jsonl"
        path.write_text(re.sub('"usd": "[^"]*"', '"usd": "a few cents"', path.read_text()))
        s.world.repeats = Repeats(journal.asked)
        assert s.claude.ask("q", once=True).text == "two"


def test_lines_edited_by_hand_are_passed_over(journal, tmp_path):
    path = tmp_path / "journal" / "k1.jsonl"
    journal.add("main", turn("a"))
    entry = json.loads(path.read_text().strip())
    wrong = [
        {**entry, "turn": {}},
        {**entry, "turn": {**entry["turn"], "messages": []}},
        {**entry, "turn": {**entry["turn"], "answer": None}},
        {**entry, "turn": {**entry["turn"], "answer": {**entry["turn"]["answer"], "cost": {"input": "x"}}}},
        {**entry, "version": 9},
        [1],
    ]
    with path.open("a") as file:
        file.write("".join(f"{json.dumps(w)}\n" for w in wrong) + "[" * 100_000 + "\n")
    assert [t.answer.id for t in journal.turns("main")] == ["a"]


@pytest.mark.parametrize("fault", [errno.ENOSPC, errno.EROFS, "short"])
def test_a_disk_that_takes_no_more_costs_one_warning_and_no_answer(tmp_path, monkeypatch, fault):
    warned = []
    journal = make(tmp_path, warned=warned)
    write = os.write

    def full(handle, data):
        if fault == "short":
            return write(handle, data[: len(data) // 2])
        raise OSError(fault, os.strerror(fault))

    with stage(["one", "two", "three"]) as s:
        s.world.journal = journal
        monkeypatch.setattr(os, "write", full)
        s.claude.ask("a")
        s.claude.ask("b")
        monkeypatch.undo()
        s.claude.ask("c")
        assert [t.answer.text for t in s.claude.turns] == ["one", "two", "three"]
    assert len(warned) == 1 and "\n" not in warned[0]
    assert [t.prompt for t in journal.turns("main")] == ["c"]


def test_a_picture_written_in_part_is_written_again(tmp_path, monkeypatch):
    journal, replace = make(tmp_path, warned=[]), Path.replace
    shown = turn("a", user=[picture(png()), {"type": "text", "text": "q"}])

    def full(path, _target):
        path.write_bytes(path.read_bytes()[:3])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    journal.add("main", shown)
    assert not list((tmp_path / "journal" / "images").iterdir())
    monkeypatch.setattr(Path, "replace", replace)
    journal.add("main", shown)
    assert [t.messages for t in journal.turns("main")] == [shown.messages]


def test_what_is_old_is_deleted_and_pictures_in_use_are_not(journal, tmp_path):
    shown = turn("a", user=[picture(png()), {"type": "text", "text": "q"}])
    journal.add("main", shown)
    old = time.time() - 40 * 86_400
    for path in [tmp_path / "journal" / "k1.jsonl", *(tmp_path / "journal" / "images").iterdir()]:
        os.utime(path, (old, old))
    later = make(tmp_path, "k2")
    later.add("main", shown)
    later.prune(30)
    assert [t.messages for t in later.turns("main")] == [shown.messages]


def test_forget_leaves_nothing(journal, tmp_path):
    journal.add("main", turn("a", user=[picture(png()), {"type": "text", "text": "q"}]))
    assert journal.forget() == 1
    assert not [p for p in (tmp_path / "journal").rglob("*") if p.is_file()]


KILLED = """
    import os, signal, sys
    sys.path.insert(0, {tests!r})
    from pathlib import Path
    from support.world import stage
    from claude_jupyter.conversation.journal import Journal
    from claude_jupyter.demo.script import Script, Wait
    with stage(["One.", "Two.", Script(text=["Half", Wait(60)])]) as s:
        s.world.journal = Journal(Path({folder!r}), "k1", "a.ipynb", lambda: "on", print)
        s.claude.ask("first")
        s.claude.ask("second")
        s.view.at_part = lambda part: os.kill(os.getpid(), signal.SIGKILL) if "Half" in str(part) else None
        s.claude.ask("third")
"""


def test_a_killed_kernel_loses_no_finished_turn(tmp_path):
    tests = str(Path(__file__).parents[1])
    code = textwrap.dedent(KILLED.format(tests=tests, folder=str(tmp_path / "journal")))
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(tests).parent, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    with stage(["Three."]) as s:
        s.world.journal = make(tmp_path, "k2")
        s.claude.restore()
        assert [t.answer.text for t in s.claude.turns] == ["One.", "Two."]
        s.claude.ask("third")
        assert [t.prompt for t in s.claude.turns] == ["first", "second", "third"]
        assert [m["role"] for m in s.bodies[0]["messages"]] == ["user", "assistant"] * 2 + ["user"]


# -- saved files --------------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    with stage([Script(thinking="Hm.", text="One."), Script(thinking="Hm.", text="Two.")]) as s:
        s.claude.ask("a")
        s.claude.ask("b")
        yield s, s.claude.save(tmp_path / "talk.json")


def test_a_saved_conversation_goes_on_as_it_was(saved):
    s, path = saved
    again = Conversation.load(path, world=s.world)
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
    again = Conversation.load(path, world=s.world)
    again.ask("c")  # the strict server refuses thinking that is bound to other words
    assert "edited question" in str(s.bodies[-1]["messages"][0])


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda text: text[: len(text) // 2], "not whole"),
        (lambda text: "", "not whole"),
        (lambda text: "[" * 100_000, "not whole"),
        (lambda text: "{}", "no saved conversation"),
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
        Conversation.load(tmp_path / "none.json", world=s.world)
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
        s.world.notebook = notebook(
            tmp_path,
            ("A", "%%claude thing\nfirst", shown(answers[0])),
            ("B", "%claude second", shown(answers[1])),
            ("C", "1 + 1", {"text/plain": "2"}),
        )
        fresh = Conversation(s.world, "main")
        fresh.restore()
        assert [(t.prompt, t.answer.text, t.cell) for t in fresh.turns] == [
            ("first", "One.", "A"),
            ("%claude second", "Two.", "B"),
        ]
        assert "no longer at hand" in str(fresh.turns[0].messages[0])
        s.run("A", "new execution")
        fresh.ask("first, again")
        assert [t.answer.text for t in fresh.turns] == ["Three.", "Two."]


def test_restore_takes_full_turns_from_the_journal_and_the_order_from_the_notebook(tmp_path):
    with stage([Script(thinking="Hm.", text="One."), Script(thinking="Hm.", text="Two.")]) as s:
        s.world.journal = make(tmp_path)
        s.run("A", "1")
        one = s.claude.ask("first", {"x": 1})
        s.run("B", "2")
        two = s.claude.ask("second")
        s.world.notebook = notebook(
            tmp_path, ("B", "%%claude\nsecond", shown(two)), ("A", "%%claude\nfirst", shown(one))
        )
        fresh = Conversation(s.world, "main")
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
        s.world.notebook = notebook(tmp_path, *cells)
        before = s.claude.messages
        fresh = Conversation(s.world, "main").restore()
        assert [(t.prompt, t.starts) for t in fresh.turns] == [("A", False), ("C", True), ("D", False)]
        assert [m["role"] for m in fresh.messages] == [m["role"] for m in before]
        s.run("E", "E")
        fresh.compact()
        again = notebook(tmp_path, *cells, ("E", "claude.compact()", shown(fresh.last)))
        s.world.notebook = again
        assert len(Conversation(s.world, "main").restore().messages) == 2


def test_an_answer_that_is_shown_again_in_another_cell_is_restored_once(tmp_path):
    with stage() as s:
        answer = s.claude.ask("first")
        s.world.notebook = notebook(
            tmp_path, ("A", "%%claude\nfirst", shown(answer)), ("B", "claude.last", shown(answer))
        )
        (turn,) = Conversation(s.world, "main").restore().turns
        assert (turn.cell, turn.prompt) == ("A", "first")


def test_restore_keeps_a_cells_answer_where_the_re_run_that_is_shown_broke_off(tmp_path):
    with stage(["One.", "Two.", Script(text="Half of it", cut=900)]) as s:
        s.world.journal = make(tmp_path)
        s.run("A", "1")
        s.claude.ask("first")
        s.run("B", "2")
        two = s.claude.ask("second")
        s.run("A", "3")
        with pytest.raises(ClaudeError):
            s.claude.ask("first, again")
        assert [t.answer.text for t in s.claude.turns] == ["One.", "Two."]
        s.world.notebook = notebook(
            tmp_path,
            ("A", "%%claude\nfirst, again", shown(s.claude.last)),
            ("B", "%%claude\nsecond", shown(two)),
        )
        fresh = Conversation(s.world, "main").restore()
        assert [t.answer.text for t in fresh.turns] == ["One.", "Two."]


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
        s.world.notebook = notebook(tmp_path, ("A", "x", shown(one, **changed)), ("B", "y", shown(two)))
        fresh = Conversation(s.world, "main").restore()
        assert fresh.turns[-1].answer.text == "Two."


def texts(chat):
    return [t.answer.text for t in chat.turns]


def test_its_folders_are_its_owners_alone(tmp_path):
    old = os.umask(0o022)
    try:
        make(tmp_path).add("main", turn("a", user=[picture(png())]))
    finally:
        os.umask(old)
    folders = [p for p in tmp_path.rglob("*") if p.is_dir()]
    assert len(folders) > 1 and {p.stat().st_mode & 0o777 for p in folders} == {0o700}
    assert {p.stat().st_mode & 0o777 for p in tmp_path.rglob("*") if p.is_file()} == {0o600}


def test_what_was_undone_hidden_or_cleared_stays_so_when_only_the_journal_is_there(tmp_path):
    with stage(["One.", "Two.", "Three.", "Four."]) as s:
        s.world.journal = make(tmp_path)
        for cell in "ABC":
            s.run(cell, "1")
            s.claude.ask(cell)
        s.claude.undo()
        s.claude.hide(1)
        fresh = Conversation(s.world, "main").restore()
        assert texts(fresh) == ["One.", "Two."] and [t.hidden for t in fresh.turns] == [True, False]
        s.run("B", "2")
        s.claude.ask("B again")
        s.claude.undo()  # brings the replaced answer back
        assert texts(Conversation(s.world, "main").restore()) == ["One.", "Two."]
        s.claude.clear()
        with pytest.raises(StorageError, match="nothing to restore"):
            Conversation(s.world, "main").restore()
        s.claude.undo()
        assert texts(Conversation(s.world, "main").restore()) == ["One.", "Two."]


def test_questions_asked_at_once_come_back_in_the_order_asked(tmp_path):
    with stage(["Two.", "One."]) as s:
        s.place = Place()
        s.world.journal = make(tmp_path)
        first, second = (s.claude._prepared(q, (), Options()) for q in ("one", "two"))
        s.claude.run(second, s.view)
        s.claude.run(first, s.view)
        assert texts(s.claude) == texts(Conversation(s.world, "main").restore()) == ["One.", "Two."]


def test_what_one_kernel_undid_leaves_another_kernels_turns_alone(tmp_path):
    with stage(["One.", "Two.", "Three."]) as s:
        s.place = Place()
        s.world.journal = make(tmp_path, "k1")
        s.claude.ask("a")
        s.world.journal = make(tmp_path, "k2")
        other = Conversation(s.world, "main")
        other.ask("b")
        other.ask("c")
        other.undo()
        os.utime(tmp_path / "journal" / "k1.jsonl", (1, 1))
        assert texts(Conversation(s.world, "main").restore()) == ["One.", "Two."]


def test_answers_that_came_after_the_notebook_was_saved_come_from_the_journal(tmp_path):
    with stage(["One.", "Two.", "Three."]) as s:
        s.world.journal = make(tmp_path)
        s.run("A", "1")
        one = s.claude.ask("first")
        s.world.notebook = notebook(tmp_path, ("A", "%%claude\nfirst", shown(one)))
        s.run("B", "2")
        asked = s.claude.ask("second").started.timestamp()
        os.utime(s.world.notebook, (asked - 1, asked - 1))
        assert texts(Conversation(s.world, "main").restore()) == ["One.", "Two."]
        os.utime(s.world.notebook, (asked + 60, asked + 60))  # saved since without it: its output was deleted
        assert texts(Conversation(s.world, "main").restore()) == ["One."]


def test_a_stream_shows_nothing_and_is_brought_back_although_the_notebook_does_not_hold_it(tmp_path):
    with stage(["One.", "Two.", "Three."]) as s:
        s.world.journal = make(tmp_path)
        s.run("A", "1")
        one = s.claude.ask("first")
        s.run("B", "2")
        assert list(s.claude.stream("second"))
        s.run("C", "3")
        three = s.claude.ask("third")
        cells = [("A", "", shown(one)), ("B", ""), ("C", "", shown(three))]
        s.world.notebook = notebook(tmp_path, *cells)
        assert texts(Conversation(s.world, "main").restore()) == ["One.", "Two.", "Three."]
        s.world.notebook = notebook(tmp_path, cells[0], cells[2])  # the cell that read it was deleted
        assert texts(Conversation(s.world, "main").restore()) == ["One.", "Three."]


def test_forked_and_loaded_turns_are_journalled_too(tmp_path):
    with stage(["One.", "Two."]) as s:
        s.world.journal = make(tmp_path)
        s.claude.ask("a")
        side = s.claude.fork("side")
        side.ask("b")
        s.claude.save(tmp_path / "kept.json")
        s.claude.clear()
        for _ in range(2):
            s.claude.replace_by(tmp_path / "kept.json")
        assert texts(Conversation(s.world, "side").restore()) == ["One.", "Two."]
        assert texts(Conversation(s.world, "main").restore()) == ["One."]


def test_a_loaded_or_restored_conversation_knows_what_its_turns_cost_once(tmp_path):
    with stage(["One.", "Two."]) as s:
        s.world.journal = make(tmp_path)
        s.claude.ask("a")
        s.claude.ask("b")
        s.claude.save(tmp_path / "kept.json")
        for fresh in (
            Conversation.load(tmp_path / "kept.json", world=s.world),
            Conversation(s.world, "main").restore(),
            Conversation(s.world, "main").replace_by(tmp_path / "kept.json"),
            s.claude.replace_by(tmp_path / "kept.json"),
        ):
            assert fresh.usage.total == s.server.usage.total and fresh.cost == s.claude.cost > 0


def test_a_question_asked_once_is_hinted_at_too_also_in_the_next_kernel(tmp_path):
    with stage("One.") as s:
        s.world.journal = make(tmp_path)
        s.world.repeats = Repeats(s.world.journal.asked)
        first, second = s.claude.ask("same", once=True), s.claude.ask("same", once=True)
        assert "Asked before" not in str(first.blocks) and "Asked before" in str(second.blocks)
        s.world.repeats = Repeats(s.world.journal.asked)
        assert "Asked before" in str(s.claude.ask("same", once=True).blocks)
        assert not s.claude.turns and not list(s.world.journal.turns("main"))


def test_nothing_to_restore_is_one_clear_line():
    with stage() as s, pytest.raises(ClaudeError, match="nothing to restore"):
        s.claude.restore()


def test_turns_of_two_kernels_without_cells_stand_one_after_the_other(tmp_path):
    for kernel in ("k1", "k2"):
        for n in (1, 2):
            make(tmp_path, kernel).add("main", turn(f"{kernel}-{n}", number=n))
        os.utime(tmp_path / "journal" / f"{kernel}.jsonl", (int(kernel[1]), int(kernel[1])))
    with stage() as s:
        s.world.journal = make(tmp_path, "k3")
        s.place = Place()
        s.claude.restore()
        assert [t.prompt for t in s.claude.turns] == ["k1-1", "k1-2", "k2-1", "k2-2"]
