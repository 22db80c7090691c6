"""Where turns stand and what of them is sent: pure functions on tuples."""

from __future__ import annotations

import pytest
from support.world import Stage, stage

from claude_jupyter.answer.model import Answer, Layout, Place, Turn
from claude_jupyter.conversation import history
from claude_jupyter.demo.script import Script
from claude_jupyter.display.transcript import transcript
from claude_jupyter.kernel.page_layout import PageLayout


def turn(name, *, cell=None, execution=None, number=0, content=None, user=None, **more):
    messages = (
        {"role": "user", "content": user or [{"type": "text", "text": f"question {name}"}]},
        {"role": "assistant", "content": content or [{"type": "text", "text": name}]},
    )
    answer = Answer(id=name, turn=number, complete=True)
    return history.with_digests(
        Turn(messages=messages, answer=answer, cell=cell, execution=execution, prompt=name, **more)
    )


def names(turns):
    return "".join(t.answer.id for t in turns)


A = turn("a", cell="A", execution="1", number=1)
B = turn("b", cell="B", execution="2", number=2)
C = turn("c", cell="C", execution="3", number=3)


def test_a_cell_that_runs_again_asks_with_the_turns_before_it():
    turns = (A, B, C)
    assert names(history.before(turns, Place("B", "9"))) == "a"
    assert names(history.before(turns, Place("D", "9"))) == "abc"
    assert names(history.before(turns, Place(None, "9"))) == "abc"


def test_questions_of_one_execution_follow_each_other():
    again = turn("x", cell="A", execution="9", number=4)
    turns = history.placed((A, B, C), again)
    assert names(turns) == "xbc"
    assert names(history.before(turns, Place("A", "9"))) == "x"
    turns = history.placed(turns, turn("y", cell="A", execution="9", number=5))
    assert names(turns) == "xybc"
    assert names(history.placed(turns, turn("z", cell="A", execution="10", number=6))) == "zbc"


def test_replaced_counts_what_a_new_answer_takes_away():
    loop = (A, turn("y", cell="A", execution="1", number=2), B)
    assert history.replaced(loop, turn("z", cell="A", execution="5", number=9)) == 2
    assert history.replaced(loop, turn("z", cell="A", execution="1", number=9)) == 0


@pytest.mark.parametrize("cells", [("A", "A", "A"), (None, None, None), ("A", "B", "C")])
def test_answers_that_finish_in_another_order_stand_as_they_were_asked(cells):
    asked = [
        turn(n, cell=c, execution="1", number=i) for i, (n, c) in enumerate(zip("xyz", cells, strict=True))
    ]
    turns = ()
    for i in (2, 0, 1):
        turns = history.placed(turns, asked[i])
    assert names(turns) == "xyz"


def test_a_late_answer_stands_before_cells_first_asked_after_it_even_if_they_ran_again():
    # C was under way in the background when B, which is older, ran again and was done first.
    turns = history.placed((A, B), turn("x", cell="B", execution="4", number=4))
    assert names(history.placed(turns, C)) == "axc"
    turns = history.placed(turns, turn("d", cell="D", execution="5", number=5))
    turns = history.placed(turns, turn("y", cell="A", execution="6", number=6))
    assert names(history.placed(turns, C)) == "yxcd"


def test_an_answer_that_a_later_execution_of_its_cell_has_overtaken():
    newer = turn("x", cell="A", execution="9", number=4)
    late = turn("y", cell="A", execution="8", number=3)
    assert history.overtaken((newer, B), late) and not history.overtaken((A, B), newer)
    assert not history.overtaken((newer,), turn("z", cell="A", execution="9", number=3))
    assert not history.overtaken((newer,), turn("z", cell=None, execution="8", number=3))


def test_run_all_twice_gives_the_same_order():
    turns = (A, B, C)
    for n, (old, new) in enumerate(zip((A, B, C), "xyz", strict=True)):
        turns = history.placed(turns, turn(new, cell=old.cell, execution=f"2{n}", number=10 + n))
    assert names(turns) == "xyz"


def test_hidden_turns_and_those_before_a_fresh_start_are_not_sent():
    fresh = turn("f", starts=True)
    assert names(history.live((A, fresh, B))) == "fb"
    hidden = turn("h", hidden=True)
    assert names(history.live((A, hidden, B))) == "ab"
    assert names(history.live((A, turn("f", starts=True, hidden=True), B))) == "b"


def test_the_last_system_prompt_that_a_turn_set_holds():
    turns = (A, turn("s", system="Be brief."), B)
    assert history.system_at(turns, history.System("default")) == "Be brief."
    assert history.system_at(turns[:1], history.System("default")) == "default"
    assert history.system_at((turn("s", system=""),), history.System("default")) == ""


THOUGHT = [
    {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
    {"type": "text", "text": "Answer."},
]


def thoughtful(name, *before):
    return turn(name, content=THOUGHT, prefix=history.sent(before, "", []).prefix)


def has_thinking(sent):
    return [any(b["type"] == "thinking" for b in m["content"]) for m in sent.messages[1::2]]


def test_thinking_stays_while_nothing_before_it_changes():
    one = thoughtful("1")
    two = thoughtful("2", one)
    sent = history.sent((one, two), "", [])
    assert has_thinking(sent) == [True, True] and sent.stripped == 0
    assert sent.messages[1] is one.messages[1]


def test_thinking_goes_where_something_before_it_changed():
    one = thoughtful("1")
    two = thoughtful("2", one)
    assert has_thinking(history.sent((two,), "", [])) == [False]
    assert has_thinking(history.sent((one, two), "New system.", [])) == [False, False]
    assert has_thinking(history.sent((one, two), "", [{"name": "t"}])) == [False, False]


def test_thinking_that_was_left_out_once_stays_out():
    one = thoughtful("1")
    changed = "New system."
    three = turn("3", content=THOUGHT, prefix=history.sent((one,), changed, []).prefix)
    assert has_thinking(history.sent((one, three), changed, [])) == [False, True]
    # Back at the old prompt the first fits again, but what came after was made without it.
    assert has_thinking(history.sent((one, three), "", [])) == [True, False]


CALL = [{"type": "tool_use", "id": "t1", "name": "look", "input": {}}]
RESULT = [{"type": "tool_result", "tool_use_id": "t1", "content": "a cat"}]


def test_calls_and_results_that_an_edit_parted_are_paired_again():
    open_, answered, after = turn("o", content=CALL), turn("r", user=RESULT), turn("p")
    whole = history.sent((open_, answered, after), "", [])
    assert [m["content"] for m in whole.messages[1:3]] == [CALL, RESULT]
    parted = history.sent((open_, after), "", [])
    first = parted.messages[2]["content"][0]
    assert first["type"] == "tool_result" and first["tool_use_id"] == "t1" and first["is_error"]
    stray = history.sent((answered, after), "", [])
    assert [b["type"] for b in stray.messages[0]["content"]] == ["text"]


def test_a_turn_that_was_paired_again_loses_its_thinking_too():
    open_ = turn("o", content=CALL)
    answered = turn("r", user=RESULT, content=THOUGHT, prefix=history.sent((open_,), "", []).prefix)
    assert has_thinking(history.sent((open_, answered), "", [])) == [False, True]
    assert has_thinking(history.sent((answered,), "", [])) == [False]


def test_an_answer_of_nothing_but_thinking_is_never_empty():
    (only,) = history.without_thinking([{"role": "assistant", "content": THOUGHT[:1]}])
    assert only["content"] == [{"type": "text", "text": "(no text)"}]


# -- the order of the notebook's cells ------------------------------------------------------------------------------------


def sent_questions(s: Stage) -> list[str]:
    """The questions of the newest request, oldest first."""
    users = [m["content"][-1]["text"] for m in s.bodies[-1]["messages"] if m["role"] == "user"]
    return [text.strip() for text in users]


def ask_in(s: Stage, *cells: str) -> None:
    for cell in cells:
        s.run(cell, f"execution {len(s.bodies)}")
        s.claude.ask(cell)


def test_the_history_of_a_question_is_that_of_the_cells_above_it():
    with stage([Script(thinking="Hm.", text="Fine.")] * 20, pace=0.0, first=0.0) as s:
        s.lay_out("a", "b", "c", "new", "last")
        ask_in(s, "a", "b", "c")
        ask_in(s, "a")
        assert sent_questions(s) == ["a"]
        s.lay_out("a", "new", "b", "c", "last")
        ask_in(s, "new")
        assert sent_questions(s) == ["a", "new"]
        ask_in(s, "last")
        assert sent_questions(s) == ["a", "new", "b", "c", "last"]
        s.lay_out("c", "a", "new", "b", "last")
        ask_in(s, "b")
        assert sent_questions(s) == ["c", "a", "new", "b"]
        assert [t.cell for t in s.claude.turns] == ["c", "a", "new", "b", "last"]


def test_the_turn_of_a_deleted_cell_is_not_sent_until_the_cell_is_back():
    with stage([Script(text="Fine.")] * 20, pace=0.0, first=0.0) as s:
        s.lay_out("a", "b", "c")
        ask_in(s, "a", "b")
        s.lay_out("a", "c")
        ask_in(s, "c")
        assert sent_questions(s) == ["a", "c"]
        assert [(t.cell, t.deleted) for t in s.claude.turns] == [("a", False), ("b", True), ("c", False)]
        data, _ = transcript("main", s.claude.turns, s.claude.usage, s.claude.cost)
        assert "cell deleted, not sent" in data["text/plain"]
        s.lay_out("a", "b", "c")
        ask_in(s, "c")
        assert sent_questions(s) == ["a", "b", "c"]


def test_the_turns_of_merged_cells_count_as_the_new_cells_until_it_asks_itself():
    with stage([Script(text="Fine.")] * 20, pace=0.0, first=0.0) as s:
        s.lay_out("a", "b", "c", "d", "e")
        ask_in(s, "a", "b", "c", "d")
        s.lay_out("a", "bc", "d", "e", merged=["bc"])
        ask_in(s, "e")
        assert sent_questions(s) == ["a", "b", "c", "d", "e"]
        s.lay_out("bc", "a", "d", "e", merged=["bc"])  # moved
        ask_in(s, "e")
        assert sent_questions(s) == ["b", "c", "a", "d", "e"]
        s.lay_out("a", "b", "c", "d", "e")  # undone
        ask_in(s, "c")
        assert sent_questions(s) == ["a", "b", "c"]
        s.lay_out("a", "bc", "d", "e", merged=["bc"])
        s.lay_out("a", "bcd", "e", merged=["bc", "bcd"])
        ask_in(s, "bcd")
        assert sent_questions(s) == ["a", "bcd"]
        ask_in(s, "e")
        assert sent_questions(s) == ["a", "bcd", "e"]
        s.lay_out("a", "e", merged=[])
        ask_in(s, "e")
        assert sent_questions(s) == ["a", "e"]


def test_a_cell_that_is_deleted_beside_a_new_one_is_gone():
    with stage([Script(text="Fine.")] * 20, pace=0.0, first=0.0) as s:
        s.lay_out("a", "b", "c")
        ask_in(s, "a", "b")
        s.lay_out("a", "new", "c")
        ask_in(s, "c")
        assert sent_questions(s) == ["a", "c"]


def test_where_only_jupyterlab_tells_what_was_deleted_running_the_cell_brings_it_back():
    with stage([Script(text="Fine.")] * 20, pace=0.0, first=0.0) as s:
        ask_in(s, "a", "b")
        s.page.hear({"deletedCells": ["a"], "cellId": "x"})
        ask_in(s, "c")
        assert sent_questions(s) == ["b", "c"]
        s.run("a", "again")
        ask_in(s, "c")
        assert sent_questions(s) == ["a", "b", "c"]


def test_a_copied_cell_follows_what_stands_above_it():
    with stage([Script(text="Fine.")] * 20, pace=0.0, first=0.0) as s:
        s.lay_out("a", "b", "c")
        ask_in(s, "a", "b", "c")
        s.lay_out("a", "copy of a", "b", "c")
        ask_in(s, "copy of a")
        assert sent_questions(s) == ["a", "copy of a"]


def test_run_all_again_gives_the_same_conversation():
    with stage([Script(text="Fine.")] * 20, pace=0.0, first=0.0) as s:
        s.lay_out("a", "b", "c")
        ask_in(s, "c", "a", "b")
        ask_in(s, "a", "b", "c")
        first = s.bodies[-3:]
        assert sent_questions(s) == ["a", "b", "c"]
        ask_in(s, "a", "b", "c")
        assert s.bodies[-3:] == first


def test_turns_of_another_notebook_stay_where_they_are_and_are_not_taken_for_deleted():
    with stage([Script(text="Fine.")] * 20, pace=0.0, first=0.0) as s:
        s.page.hear({"claude_jupyter": {"notebook": "other.ipynb", "cells": ["x"]}})
        ask_in(s, "x")
        s.lay_out("a", "b")
        ask_in(s, "a", "b")
        assert sent_questions(s) == ["x", "a", "b"]


def test_a_cell_deleted_after_the_page_last_told_its_order_is_deleted():
    with stage([Script(text="Fine.")] * 20, pace=0.0, first=0.0) as s:
        s.lay_out("a", "b")
        ask_in(s, "a", "b")
        s.page.hear({"deletedCells": ["b"]})
        assert [turn.deleted for turn in s.claude.turns] == [False, True]
        s.lay_out("a", "b")
        assert not any(turn.deleted for turn in s.claude.turns), "its deletion was undone"


@pytest.mark.parametrize("told", [None, 3, [], {"cells": "abc"}, {"cells": [1, 2]}, {"notebook": "n"}])
def test_what_is_no_list_of_cells_changes_nothing(told: object):
    page = PageLayout()
    page.hear({"claude_jupyter": told, "deletedCells": told, "cellId": "a"})
    assert page.layout == Layout()
