"""What is on disk of a conversation: a killed kernel loses no finished turn, a full disk no answer, a file edited by hand nothing else."""

from __future__ import annotations

import errno
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
from support.journalled import make, picture, png, turn
from support.world import stage

from claude_jupyter.conversation.ask.repeated import Repeats


@pytest.fixture
def journal(tmp_path):
    return make(tmp_path)


def thinks(turn):
    return any(b["type"] == "thinking" for b in turn.messages[1]["content"])


@pytest.mark.parametrize("text", ["plain", "line\u2028parted", "next\u0085line", "a\x0cb\r\nc"])
def test_a_turn_comes_back_as_it_was(journal, text):
    journal.add("main", turn("a", text=text))
    (back,) = journal.turns("main")
    assert back == turn("a", text=text)


def test_text_that_utf_8_cannot_hold_costs_no_turn(journal):
    journal.add("main", turn("a", text="lone \ud800"))
    (back,) = journal.turns("main")
    assert back.messages[-1]["content"][-1] == {"type": "text", "text": "lone \ufffd"}


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
    assert "no longer available" in back.messages[0]["content"][0]["text"]
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


def test_a_file_that_another_kernel_deletes_meanwhile_is_passed_over(journal, tmp_path):
    journal.add("main", turn("a"))
    (tmp_path / "journal" / "k2.jsonl").symlink_to("nowhere")  # listed, and gone when it is looked at
    assert [t.answer.id for t in journal.turns("main")] == ["a"]
    assert not list(journal.answered_before())


def test_a_price_edited_by_hand_costs_the_hint_and_not_the_answer(journal, tmp_path):
    with stage(["one", "two"]) as s:
        s.env.journal, s.env.repeats = journal, Repeats(journal.answered_before)
        s.claude.ask("q", once=True)
        path = tmp_path / "journal" / "k1.jsonl"
        path.write_text(re.sub('"usd": "[^"]*"', '"usd": "a few cents"', path.read_text()))
        s.env.repeats = Repeats(journal.answered_before)
        assert s.claude.ask("q", once=True).text == "two"


def test_lines_edited_by_hand_are_passed_over(journal, tmp_path):
    path = tmp_path / "journal" / "k1.jsonl"
    journal.add("main", turn("a"))
    entry = json.loads(path.read_text().strip())
    wrong = [
        {**entry, "turn": {}},
        {**entry, "turn": {**entry["turn"], "messages": []}},
        {**entry, "turn": {**entry["turn"], "answer": None}},
        {**entry, "turn": {**entry["turn"], "answer": {**entry["turn"]["answer"], "id": 5}}},
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
        s.env.journal = journal
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
    from claude_jupyter.conversation.store.journal import Journal
    from claude_jupyter.demo.script import Script, Wait
    with stage(["One.", "Two.", Script(text=["Half", Wait(60)])]) as s:
        s.env.journal = Journal(Path({folder!r}), "k1", "a.ipynb", lambda: "on", print)
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
        s.env.journal = make(tmp_path, "k2")
        s.claude.restore()
        assert [t.answer.text for t in s.claude.turns] == ["One.", "Two."]
        s.claude.ask("third")
        assert [t.prompt for t in s.claude.turns] == ["first", "second", "third"]
        assert [m["role"] for m in s.bodies[0]["messages"]] == ["user", "assistant"] * 2 + ["user"]


def test_its_folders_are_its_owners_alone(tmp_path):
    old = os.umask(0o022)
    try:
        make(tmp_path).add("main", turn("a", user=[picture(png())]))
    finally:
        os.umask(old)
    folders = [p for p in tmp_path.rglob("*") if p.is_dir()]
    assert len(folders) > 1 and {p.stat().st_mode & 0o777 for p in folders} == {0o700}
    assert {p.stat().st_mode & 0o777 for p in tmp_path.rglob("*") if p.is_file()} == {0o600}
